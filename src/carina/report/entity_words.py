"""The words that ECAMP calls entities, and where in a text they and the words before them stand.

Source: ECAMP (Wang et al., arXiv:2312.13316), section 3.2 and Table S1: an entity is one of 44
words, and the two words before it describe it. Its published code compares word pieces, so that
"effusions" and "COPD" are none; here every inflection counts, and whole words do.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carina.report.lexicon import packaged
from carina.study import Assertion, Entity

DESCRIBING = 2
"""How many words before an entity describe it: beta of the paper."""
# A word, or what ends the reach of a description. A full stop inside a number ends nothing.
PIECE = re.compile(r"(\w+)|[.!?;:](?=\s|$)")


@functools.cache
def entity_forms() -> dict[str, str]:
    """Every form of the 44 entities, lower case, and the entity that it is one of."""
    return {
        form: entity
        for entity, forms in packaged("ecamp.toml").items()
        for form in (entity, *forms)
    }


@functools.cache
def entity_names() -> tuple[str, ...]:
    """The 44 entities in the paper's order, lower case."""
    return tuple(packaged("ecamp.toml"))


@dataclass(frozen=True, kw_only=True)
class EntityWord:
    """An entity in a text.

    Attributes:
        name: one of `entity_names`.
        span: its characters.
        before: the characters of up to two words before it in its sentence, the first word first.
    """

    name: str
    span: tuple[int, int]
    before: tuple[tuple[int, int], ...]


def entity_words(text: str) -> Iterator[EntityWord]:
    """The entities of a text, in its order."""
    forms = entity_forms()
    before: list[tuple[int, int]] = []
    for found in PIECE.finditer(text):
        word = found.group(1)
        if word is None:
            before = []
            continue
        span = found.span()
        name = forms.get(word.lower())
        if name is not None:
            yield EntityWord(name=name, span=span, before=tuple(before))
        before = [*before[1 - DESCRIBING :], span]


def entities_named(text: str) -> dict[str, str]:
    """The entities of a text, each with its form as first written there, in the text's order."""
    named: dict[str, str] = {}
    for word in entity_words(text):
        named.setdefault(word.name, text[slice(*word.span)].lower())
    return named


def is_denied(span: tuple[int, int], said: Sequence[Entity]) -> bool:
    """Whether the narrowest of what the rules read at these characters is absent."""
    around = [e for e in said if e.start < span[1] and span[0] < e.end]
    if not around:
        return False
    return min(around, key=lambda e: e.end - e.start).assertion is Assertion.ABSENT
