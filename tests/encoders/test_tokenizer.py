"""The vocabulary that is learnt: the same everywhere, from what the texts say alone."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from carina.encoders.tokenizer import SPECIAL, train_wordpiece

# 40 words of equal count: every pair of letters is as frequent as the next, so ties decide.
TIED = [f"{first}{second}{first}{second}" for first in "abcdefgh" for second in "vwxyz"]
LEARN = f"""
from carina.encoders.tokenizer import train_wordpiece
print(train_wordpiece({TIED!r}, 70).to_str())
"""


def learnt_elsewhere() -> str:
    return subprocess.run(
        [sys.executable, "-c", LEARN], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_every_process_learns_the_same_vocabulary() -> None:
    here = train_wordpiece(TIED, 70).to_str()
    assert {learnt_elsewhere() for _ in range(3)} == {here}


@given(order=st.permutations(TIED))
def test_the_order_of_the_texts_does_not_matter(order: list[str]) -> None:
    assert train_wordpiece(order, 70).to_str() == train_wordpiece(TIED, 70).to_str()


def test_frequent_pairs_become_pieces_and_rare_ones_do_not() -> None:
    # 5 special tokens, 6 letters with and without ##, and room for one piece more (less ##n, which
    # never goes on a word): n before ##o is seen three times, all other pairs once.
    tokenizer = train_wordpiece(["nodule", "no", "no"], 17)
    letters = ["n", *(begin + letter for begin in ("", "##") for letter in "odule")]
    assert set(tokenizer.get_vocab()) == {*SPECIAL, *letters, "no"}
    assert tokenizer.encode("No nodule").tokens == [
        *("[CLS]", "no", "no", "##d", "##u", "##l", "##e", "[SEP]")
    ]


def test_a_vocabulary_too_small_for_all_letters_keeps_the_frequent_ones() -> None:
    tokenizer = train_wordpiece(["a a a b b c"], 7)
    assert set(tokenizer.get_vocab()) == {*SPECIAL, "a", "b"}
    assert tokenizer.encode("a c").tokens == ["[CLS]", "a", "[UNK]", "[SEP]"]
