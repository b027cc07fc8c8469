"""Distils a report by rules: one short sentence for each thing that it says is there or is not.

Source: ECAMP (Wang et al., arXiv:2312.13316), section 3.1 and Tables S2 and S3, where a language
model writes "There is [severity] [entity]." and "There may be [severity] [entity].".
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress

from carina.report.findings import final_observations, raise_to
from carina.report.lexicon import Lexicon, Role, canonical
from carina.report.sides import sides_of
from carina.study import Assertion, Entity

REMEMBERED_WORDS = 65_536
SIDE = re.compile(r"^(?:left|right|bilateral) ")
SILENT = frozenset({"tip"})
"""Observations that only a place makes a finding of."""
NORMAL = "normal"
NOTHING_WRONG = "There is no abnormality."
# The paper's entities have these two by their abbreviations.
SHORT = {"heart failure": "CHF", "chronic obstructive pulmonary disease": "COPD"}
SEVERAL = frozenset({"increased markings", "low lung volumes", "sternal wires", "surgical clips"})
"""Names that are plurals."""
UNSAID = frozenset({"other"})
"""Adjectives that tell an observation from another one in the report, and mean nothing alone."""
# Parts of the body that the paper's entities name; Table S3 calls them normal, where we would
# have to deny several findings.
PARTS = {
    "cardiomediastinal silhouette": "There is normal cardiomediastinal silhouette.",
    "mediastinum": "There are normal mediastinal contours.",
    "hilum": "There are normal hilar contours.",
    "aorta": "There is normal aorta.",
    "diaphragm": "There are normal hemidiaphragms.",
    "pulmonary vasculature": "There is normal pulmonary vasculature.",
}


def distil(entities: Sequence[Entity]) -> str:
    """A sentence for each observation, in the order of the report; "" where there is none.

    What a report says of an observation in several places is said once: present counts before
    uncertain, and uncertain before absent, as in `findings_from_entities`. A degree or size makes
    a sentence of its own. Where it is, and how it has changed, is left out, as in the paper; so
    is what follows from one side alone being well.

    Args:
        entities: of one report, as `carina annotate` finds them.
    """
    observed = [
        entity
        for entity in final_observations(entities)
        if entity.name not in SILENT and not is_half(entity)
    ]
    stated: dict[str, Assertion] = {}
    for entity in observed:
        raise_to(stated, entity.name, entity.assertion)
    findings = with_broader(stated)
    # "Atelectasis. Lungs otherwise clear": what has a kind that is there is not denied.
    holds = [e.assertion is stated[e.name] is findings[e.name] for e in observed]
    counted = list(compress(observed, holds))
    degrees = degrees_by_name(counted)
    # "Cardiomegaly. The silhouette is unremarkable": half of what a part stands for is not so.
    ill_parts = {healthy_part(e) for e, held in zip(observed, holds, strict=True) if not held}
    said = (
        sentence
        for entity in counted
        if (part := healthy_part(entity)) is None or part not in ill_parts
        for sentence in sentences(entity, degrees[entity.name], part)
    )
    found = list(dict.fromkeys(said))
    ill = any(value is not Assertion.ABSENT for name, value in stated.items() if name != NORMAL)
    return " ".join(text for text in found if not ill or text != NOTHING_WRONG)


def with_broader(stated: Mapping[str, Assertion]) -> dict[str, Assertion]:
    """What a report says of each observation, if what is there makes broader terms so."""
    findings = dict(stated)
    for name, value in stated.items():
        if value is not Assertion.ABSENT:
            for parent in broader(name):
                raise_to(findings, parent, value)
    return findings


@functools.cache
def broader(name: str) -> frozenset[str]:
    """The terms that a standard term is a kind of."""
    return Lexicon.default().broader(name)


def degrees_by_name(observed: Sequence[Entity]) -> Mapping[str, Sequence[str]]:
    """The different degrees of each observation; "" only where it has no other.

    Of what is denied, no degree says the most, and one is enough: "no effusion" goes further
    than "no large effusion".
    """
    found: dict[str, dict[str, None]] = {}
    denied = {entity.name for entity in observed if entity.assertion is Assertion.ABSENT}
    for entity in observed:
        degree = "" if entity.severity in UNSAID else entity.severity or ""
        found.setdefault(entity.name, {})[degree] = None
    return {
        name: (
            ["" if "" in degrees else next(iter(degrees))]
            if name in denied
            else [degree for degree in degrees if degree] or [""]
        )
        for name, degrees in found.items()
    }


def healthy_part(entity: Entity) -> str | None:
    """The part of the body that a denied observation stands for: "hila are normal"."""
    if entity.place is None or not is_state(entity):
        return None
    part = SIDE.sub("", entity.place)
    return part if part in PARTS else None


def is_state(entity: Entity) -> bool:
    """Whether it is denied by a state of the body that names it not: "lungs are clear"."""
    return entity.assertion is Assertion.ABSENT and not is_named(entity.text)


@functools.lru_cache(REMEMBERED_WORDS)
def is_named(words: str) -> bool:
    """Whether words are a phrase of the lexicon for an observation."""
    meaning = Lexicon.default().phrases.get(canonical(words))
    return meaning is not None and meaning.role is Role.OBSERVATION


def is_half(entity: Entity) -> bool:
    """Whether it is denied by the health of one side alone: "the right lung is clear"."""
    return is_state(entity) and len(sides_of(entity)) == 1


def sentences(entity: Entity, degrees: Sequence[str], part: str | None) -> Iterator[str]:
    """What is said of one observation: a sentence for each degree, or one for the part."""
    if part is not None:
        yield PARTS[part]
    elif entity.name == NORMAL:
        if entity.assertion is Assertion.PRESENT:
            yield NOTHING_WRONG
    else:
        for degree in degrees:
            yield f"{beginning(entity)} {degree} {SHORT.get(entity.name, entity.name)}.".replace(
                "  ", " "
            )


def beginning(entity: Entity) -> str:
    """The words before degree and name."""
    if entity.assertion is Assertion.UNCERTAIN:
        return "There may be"
    there = "There are" if entity.name in SEVERAL else "There is"
    return there if entity.assertion is Assertion.PRESENT else f"{there} no"
