"""Reads the sentences annotated by hand and counts how far a reading of them agrees."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from carina.report.sections import split_sections
from carina.study import Assertion, Change, Entity, EntityKind

ANNOTATED = Path(__file__).with_name("annotated_sentences.json")
SIDES_AND_ZONES = frozenset(
    {"left", "right", "upper", "middle", "lower", "base", "apex", "lateral", "posterior"}
)
NO_PLACE = frozenset(
    {"of", "the", "in", "and", "both", "lung", "pulmonary", "pleura", "parenchyma", "zone"}
)
ONE_FORM = {
    "bilateral": "left right",
    "bilaterally": "left right",
    "bibasilar": "left right base",
    "biapical": "left right apex",
    "basilar": "base",
    "basal": "base",
    "bases": "base",
    "apical": "apex",
    "apices": "apex",
    "hilar": "hilum",
    "hila": "hilum",
    "mid": "middle",
    "midlung": "middle",
    "lobes": "lobe",
    "lungs": "lung",
    "pleural": "pleura",
    "aortic": "aorta",
    "cardiac": "heart",
    "hemidiaphragm": "diaphragm",
    "svc": "superior vena cava",
    "posteriorly": "posterior",
    "t": "thoracic",
}


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What the annotator saw; `start` and `end` count characters of the sentence."""

    name: str
    start: int
    end: int
    assertion: Assertion
    place: str | None = None
    severity: str | None = None
    change: Change | None = None


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence, where it stands in its section, and what was seen in it."""

    report: str
    section: str
    start: int
    end: int
    split: str
    kind: str
    body: str
    observations: tuple[Observation, ...]


def read_sentences(reports: Path) -> list[Sentence]:
    """The annotated sentences with the text they stand in.

    Raises:
        ValueError: a sentence of `reports` is not the one that was annotated.
    """
    bodies = {r["id"]: r for r in map(json.loads, reports.read_text("utf-8").splitlines())}
    sentences = []
    for row in json.loads(ANNOTATED.read_text(encoding="utf-8")):
        body = bodies[row["report"]][row["section"]]
        text = body[row["start"] : row["end"]]
        if hashlib.sha256(text.encode()).hexdigest()[:16] != row.pop("sha256"):
            raise ValueError(f"{row['report']}, {row['section']}: another text was annotated")
        seen = tuple(
            Observation(
                **{
                    **o,
                    "assertion": Assertion(o["assertion"]),
                    "change": Change(o["change"]) if "change" in o else None,
                }
            )
            for o in row["observations"]
        )
        sentences.append(Sentence(**{**row, "observations": seen}, body=body))
    return sentences


def read_by(extractor, sentence: Sentence) -> list[tuple[Entity, int, int]]:
    """The observations read in a sentence, with their characters of the sentence."""
    header = f"{sentence.section.upper()}: "
    text = header + sentence.body
    assert [s.name for s in split_sections(text)] == [sentence.section]
    first = len(header) + sentence.start
    last = len(header) + sentence.end
    return [
        (entity, entity.start - first, entity.end - first)
        for entity in extractor.extract(text)
        if entity.kind is EntityKind.OBSERVATION and first <= entity.start < last
    ]


def words(place: str | None) -> set[str]:
    """The words of a place, each in one form: "bibasilar" is left, right, base."""
    found = re.findall(r"[a-z0-9]+", (place or "").lower())
    return {w for word in found for w in ONE_FORM.get(word, word).split()} - NO_PLACE


def same_place(annotated: str | None, places: Iterable[str | None]) -> bool:
    """Whether all that is annotated was read, and no other side or zone."""
    said, read = words(annotated), set().union(*map(words, places))
    return said <= read and (read & SIDES_AND_ZONES) <= said


def pairs(
    observations: tuple[Observation, ...], entities: list[tuple[Entity, int, int]]
) -> list[tuple[Observation, list[Entity]]]:
    """Each observation with the entities read at its characters: those of its name, or any left.

    An observation may be read as two entities, one for each side.
    """
    found: list[tuple[Observation, list[Entity]]] = []
    taken: set[int] = set()
    for seen in observations:
        own = [
            i
            for i, (entity, start, end) in enumerate(entities)
            if entity.name == seen.name and start < seen.end and seen.start < end
        ]
        taken.update(own)
        found.append((seen, [entities[i][0] for i in own]))
    for k, (seen, own_entities) in enumerate(found):
        if own_entities:
            continue
        for i, (entity, start, end) in enumerate(entities):
            if i not in taken and start < seen.end and seen.start < end:
                taken.add(i)
                found[k] = (seen, [entity])
                break
    return found


def count(sentence: Sentence, entities: list[tuple[Entity, int, int]]) -> Counter[str]:
    """What agrees in one sentence.

    `annotated` and `read` count observations; `at_a_span` are those read that touch an annotated
    one; `found` are annotated ones that were read, and of these `named`, `asserted`, `placed`,
    `graded` and `compared` were read with the right name, assertion, place, severity and change.
    `with_*` count the found ones that state a place, severity or change.
    """
    counts: Counter[str] = Counter(annotated=len(sentence.observations), read=len(entities))
    counts["at_a_span"] = sum(
        any(start < o.end and o.start < end for o in sentence.observations)
        for _, start, end in entities
    )
    for seen, own in pairs(sentence.observations, entities):
        if not own:
            continue
        right = {
            "found": True,
            "named": own[0].name == seen.name,
            "asserted": {entity.assertion for entity in own} == {seen.assertion},
            "placed": same_place(seen.place, [entity.place for entity in own]),
            "graded": {entity.severity for entity in own} == {seen.severity},
            "compared": {entity.change for entity in own} == {seen.change},
        }
        counts.update(key for key, agrees in right.items() if agrees)
        counts.update(
            f"with_{stated}, {key}"
            for stated, key in (("place", "placed"), ("severity", "graded"), ("change", "compared"))
            if getattr(seen, stated) is not None and right[key]
        )
        counts.update(
            f"with_{stated}"
            for stated in ("place", "severity", "change")
            if getattr(seen, stated) is not None
        )
        counts[f"found, {seen.assertion}"] += 1
        counts[f"asserted, {seen.assertion}"] += right["asserted"]
    return counts
