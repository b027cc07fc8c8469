"""The simplest reading of a sentence: a word of denial in it denies everything it names.

Source: Zhang et al., Nat Commun 2023 (KAD), Methods, "Entity extraction": the first of three
attempts, which the paper's ablation calls "w/ UMLS".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from carina.report.sections import split_sections
from carina.report.sentences import Span, split_sentences
from carina.study import Assertion, Entity, EntityKind

DENIAL = re.compile(r"\b(no|none|normal)\b", re.IGNORECASE)


def sentence_assertion(sentence: str) -> Assertion:
    """What the rule makes of all observations of a sentence; it knows no doubt."""
    return Assertion.ABSENT if DENIAL.search(sentence) else Assertion.PRESENT


def reported_sentences(text: str) -> Iterator[tuple[str, Span]]:
    """The sentences that say what a radiograph shows, each with the name of its section."""
    for section in split_sections(text):
        if section.reported:
            for span in split_sentences(text, section.start, section.end):
                yield section.name, span


def asserted_by_sentence(entities: Sequence[Entity], text: str) -> tuple[Entity, ...]:
    """The entities of a report, the assertions of observations by the rule."""
    spans = split_sentences(text)
    denied = [
        span
        for span in spans
        if sentence_assertion(text[span.start : span.end]) is Assertion.ABSENT
    ]
    return tuple(
        replace(
            entity,
            assertion=Assertion.ABSENT
            if any(span.start <= entity.start < span.end for span in denied)
            else Assertion.PRESENT,
        )
        if entity.kind is EntityKind.OBSERVATION
        else entity
        for entity in entities
    )
