"""Words that no list has: which are told, and what may have been meant."""

import pytest

from carina.knowledge.spelling import is_one_slip, spelling_note


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("pneumothorx", ("pneumothorx",), "pneumothorx (is 'pneumothorax' meant?)"),
        ("Plural efusion", ("plural", "efusion"), "plural (is 'pleural' meant?), efusion (is 'eff"),
        ("wobble sign", ("wobble",), "lists know of it: wobble. "),
    ],
)
def test_what_nobody_knows_is_told_with_what_may_be_meant(
    text: str, words: tuple[str, ...], told: str
) -> None:
    note = spelling_note(text, words)
    assert note is not None
    assert told in note
    assert note.startswith(repr(text))


@pytest.mark.parametrize(
    "word",
    [
        *("pneumothorax", "effusions", "sarcoidosis", "oedema", "tumour", "ptx", "retrocardiac"),
        *("hypoinflated", "opacification", "biliary", "noncalcified", "haze"),
    ],
)
def test_what_any_list_has_is_passed_over(word: str) -> None:
    assert spelling_note(word, (word,)) is None


@pytest.mark.parametrize(
    ("word", "slip"),
    [
        ("efusion", True),  # a letter is missing
        ("efffusion", True),  # one too many
        ("offusion", False),  # the first one is wrong
        ("effuzion", True),  # one is wrong
        ("effuison", True),  # two are exchanged
        ("effusive", False),
        ("effusions", False),  # another form of the word
    ],
)
def test_a_slip_is_one_letter_within_a_word(word: str, slip: bool) -> None:
    assert is_one_slip(word, "effusion") is slip
