"""Phrases: what a text encoder can read of them."""

import pytest
from tokenizers import Tokenizer

from carina.encoders.tokenizer import train_wordpiece
from carina.errors import QueryError
from carina.zeroshot.phrases import (
    check_phrases,
    check_readable,
    names_read,
    readable_phrase,
    unknown_words,
)
from carina.zeroshot.protocol import Query

THREE = "there is a small left effusion. the heart is large. no mass is seen."


class Reader:
    """A model as far as texts go."""

    def __init__(self, max_tokens: int) -> None:
        self.tokenizer: Tokenizer = train_wordpiece([THREE] * 2, 200)
        self.max_tokens = max_tokens


def test_a_phrase_that_fits_is_read_as_it_is() -> None:
    phrase = readable_phrase(Reader(100), THREE)
    assert (phrase.given, phrase.read, phrase.note) == (THREE, THREE, None)


@pytest.mark.parametrize(
    ("pieces", "read", "sentences"),
    [
        # Words and full stops: 7 + 5 + 5, and one piece before and one after them.
        (18, "there is a small left effusion. the heart is large.", "the first 2 of 3 sentences"),
        (14, "there is a small left effusion. the heart is large.", "the first 2 of 3 sentences"),
        (13, "there is a small left effusion.", "the first 1 of 3 sentences"),
        (8, THREE, "the beginning of its first sentence"),
    ],
)
def test_a_phrase_that_is_too_long_ends_with_a_whole_sentence(
    pieces: int, read: str, sentences: str
) -> None:
    phrase = readable_phrase(Reader(pieces), THREE)
    assert phrase.read == read
    assert phrase.note is not None
    assert f"longer than the {pieces} pieces" in phrase.note
    assert sentences in phrase.note


@pytest.mark.parametrize("phrase", ["気胸", "...", "[UNK]", "[MASK] [SEP]", "😀"])
def test_a_phrase_without_a_known_word_is_refused(phrase: str) -> None:
    with pytest.raises(QueryError, match="has no word that this model's text encoder knows"):
        readable_phrase(Reader(100), phrase)


def test_a_model_that_does_not_tell_what_it_reads_gets_the_phrase() -> None:
    assert readable_phrase(object(), "気胸").read == "気胸"
    check_readable(object(), [Query("気胸")])


@pytest.mark.parametrize("name", ["気胸", "???", "[MASK]", "x" * 600])
def test_a_query_without_a_known_word_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match=r"^The query .* has no word that this model's text"):
        check_readable(Reader(100), [Query("mass"), Query(name)])
    check_readable(Reader(100), [Query("mass"), Query(name, "a large mass")])


def test_what_a_model_reads_of_a_query_is_looked_at_where_it_says_so() -> None:
    class Described(Reader):
        def query_text(self, query: Query) -> str:
            return {"気胸": "a small effusion", "mass": "？"}[query.name]

    check_readable(Described(100), [Query("気胸")])
    with pytest.raises(QueryError, match="'mass' has no word"):
        check_readable(Described(100), [Query("mass")])


def test_a_long_phrase_is_shown_in_short() -> None:
    assert readable_phrase(object(), "x" * 81).short == "x" * 79 + "…"
    assert readable_phrase(object(), "x" * 80).short == "x" * 80


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ([], "A phrase is empty"),
        (["mass", " \n"], "A phrase is empty"),
        (["a  Mass", "A mass"], "'A mass' is given twice"),
        ("mass", "expected a list"),
    ],
)
def test_lists_that_ask_nothing_or_one_thing_twice_are_refused(
    phrases: list[str] | str, message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        check_phrases(phrases)
    assert check_phrases([" a\n mass "]) == ("a mass",)


def test_words_that_the_vocabulary_has_in_pieces_or_not_at_all_are_unknown() -> None:
    assert unknown_words(Reader(100), "Mass of a MASSES, 気胸気 mass") == ("masses", "気胸気")
    assert unknown_words(object(), "masses") == ()


def test_names_are_read_where_no_description_takes_their_place() -> None:
    class Described(Reader):
        def query_text(self, query: Query) -> str:
            return query.description or "A lump."

    queries = [Query("mass"), Query("gas", "dark")]
    assert names_read(Reader(100), queries) == ("mass",)
    assert names_read(Described(100), queries) == ()
