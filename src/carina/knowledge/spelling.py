"""Words that stand in none of carina's lists: misspelt, or of a finding that they do not name."""

import difflib
import functools
import itertools
import operator
import re
from collections.abc import Iterable

from carina.knowledge.chest import chest_graph, read_toml
from carina.knowledge.descriptions import DESCRIPTIONS_FILE, SOURCE
from carina.report.lexicon import Lexicon

WORD = re.compile(r"[^\W\d_]+")
ALIKE = 0.82
"""Of `difflib`: about two letters of a word may differ."""
SLIP_LENGTH = 7
"""In shorter words of reports one letter makes another word: "fundus" and "fungus"."""


def spelling_note(text: str, words: Iterable[str]) -> str | None:
    """What to say of the name of a finding, or a phrase, if nobody knows some of its words.

    Args:
        text: the name or the phrase.
        words: those of its words that the model does not know, in lower case.
    """
    found = {word: near_word(word) for word in words if is_unfamiliar(word)}
    if not found:
        return None
    unknown = (
        word if near is None else f"{word} (is {near!r} meant?)" for word, near in found.items()
    )
    return (
        f"{text!r} was asked as it stands, but neither this model nor carina's lists know of it: "
        f"{', '.join(unknown)}. The answer may mean nothing."
    )


def is_unfamiliar(word: str) -> bool:
    """Whether no list has a word, in lower case, or only as one of the slips that reports make."""
    if {word, word.removesuffix("s"), word.removesuffix("es")} & listed_words():
        return False
    return word not in reported_words() or near_word(word) is not None


def near_word(word: str) -> str | None:
    """The word of a finding's or place's name that is meant, as far as can be told."""
    if word in reported_words():
        slips = (name for name in sorted(named_words()) if is_one_slip(word, name))
        return next(slips, None) if len(word) >= SLIP_LENGTH else None
    return next(iter(difflib.get_close_matches(word, sorted(named_words()), 1, ALIKE)), None)


def is_one_slip(word: str, other: str) -> bool:
    """Whether a letter within a word is missing, too many or wrong, or two are exchanged."""
    if word[0] != other[0] or word[-1] != other[-1]:  # another ending is another form of the word
        return False
    same = sum(itertools.takewhile(bool, map(operator.eq, word, other)))
    rest, wanted = word[same:], other[same:]
    exchanged = rest[:2] == wanted[1::-1] and rest[2:] == wanted[2:]
    return exchanged or rest[1:] == wanted[1:] or rest[1:] == wanted or rest == wanted[1:]


@functools.cache
def named_words() -> frozenset[str]:
    """The words of names in the embedded graph, the descriptions and the reports' lexicon."""
    graphs = (chest_graph(), read_toml(DESCRIPTIONS_FILE, SOURCE))
    concepts = [concept for graph in graphs for concept in graph.concepts]
    names = (name for concept in concepts for name in (concept.name, *concept.synonyms))
    return words_of((*names, *Lexicon.default().terms))


@functools.cache
def listed_words() -> frozenset[str]:
    """These, the words of all descriptions, and what reports say beside the names of things."""
    graphs = (chest_graph(), read_toml(DESCRIPTIONS_FILE, SOURCE))
    texts = (concept.definition for graph in graphs for concept in graph.concepts)
    phrases = Lexicon.default().phrases.items()
    return named_words() | words_of((*texts, *(text for text, one in phrases if not one.term)))


@functools.cache
def reported_words() -> frozenset[str]:
    """The words of all phrases that the lexicon reads in reports, with the slips among them."""
    return words_of(Lexicon.default().phrases)


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of texts, in lower case."""
    return frozenset(WORD.findall(" ".join(texts).casefold()))
