"""What is true of a study, in the words that a model is asked in.

Releases name one finding in several ways; a query must meet its truth all the same. Names are
compared in lower case with single spaces, after the few replacements of `ALIASES`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from carina.study import Assertion, Study

ALIASES: Mapping[str, str] = {
    "effusion": "pleural effusion",
    "infiltrate": "infiltration",
    "infiltrates": "infiltration",
    "pulmonary edema": "edema",
    "oedema": "edema",
    "cardiac enlargement": "cardiomegaly",
    "pleural thicken": "pleural thickening",
    "lung nodule": "nodule",
    "lung mass": "mass",
    "lung opacities": "lung opacity",
    "ground glass opacities": "ground glass opacity",
    "covid": "covid-19",
    "support devices": "support device",
}
"""Other names of a finding -> the name it is compared by."""

NO_FINDINGS = frozenset({"no finding", "no findings", "normal"})
"""Labels that say that there is nothing: not asked unless named by the caller."""

ANATOMY = frozenset(
    {
        *("lung", "lungs", "left lung", "right lung", "airways", "cardiomediastinum", "heart"),
        *("mediastinum", "trachea", "left clavicle", "right clavicle", "spine"),
    }
)
"""Labels of outlines that are parts of every body: not asked unless named by the caller."""

Unmentioned = Callable[[bool], float]
"""The truth of a finding that a study does not list: 0 (absent) or nan (unknown).

It is told whether the data anywhere say that this finding is absent.
"""


def absent_where_only_presence_is_listed(absences_are_listed: bool) -> float:
    """Absent if the data never say "absent" of this finding, as releases of positives do."""
    return float("nan") if absences_are_listed else 0.0


def always_absent(absences_are_listed: bool) -> float:
    """Absent, whatever the data say elsewhere: for labels known to be complete."""
    return 0.0


def always_unknown(absences_are_listed: bool) -> float:
    """Unknown, so such images are left out: for labels mined from what reports mention."""
    return float("nan")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Truth of studies, by finding.

    `values` is [studies, findings]: 1, 0, or nan (unknown). `sources` are, for each finding, the
    names in the data that were taken for it; `listed_absent` tells where absences are listed.
    """

    values: Float[np.ndarray, "studies findings"]
    sources: tuple[tuple[str, ...], ...]
    listed_absent: tuple[bool, ...]


def canonical(name: str) -> str:
    """The form in which names of findings are compared."""
    return ALIASES.get(plain(name), plain(name))


def plain(name: str) -> str:
    """A name in lower case, its words parted by single spaces."""
    return " ".join(name.replace("_", " ").lower().split())


def listed_findings(studies: Iterable[Study]) -> tuple[str, ...]:
    """Every finding that the studies list, in canonical form and alphabetical order."""
    names = {canonical(finding.name) for study in studies for finding in study.findings}
    return tuple(sorted(names - NO_FINDINGS))


def outlined_findings(studies: Iterable[Study]) -> tuple[str, ...]:
    """Every finding with a box or a mask, in canonical form and alphabetical order."""
    labels: set[str] = set()
    for study in studies:
        labels.update(canonical(box.label) for box in study.boxes)
        labels.update(canonical(mask.label) for mask in study.masks)
    return tuple(sorted(labels - ANATOMY - NO_FINDINGS))


def truth_of(
    studies: Sequence[Study],
    findings: Sequence[str],
    everything: Iterable[Study],
    unmentioned: Unmentioned,
) -> Truth:
    """Looks up what the studies say of findings.

    Uncertain is unknown. Where two names of one finding disagree in a study, present wins over
    uncertain, and uncertain over absent.

    Args:
        studies: the rows of the answer.
        findings: names in any form.
        everything: all studies of the manifest, to see whether absences are listed at all.
        unmentioned: what a finding is that a study does not list.
    """
    column = {canonical(name): place for place, name in enumerate(findings)}
    sources: list[dict[str, None]] = [{} for _ in findings]
    listed_absent = [False] * len(findings)
    for study in everything:
        for finding in study.findings:
            place = column.get(canonical(finding.name))
            if place is not None:
                sources[place][finding.name] = None
                listed_absent[place] |= finding.value is Assertion.ABSENT
    blank = [unmentioned(listed) for listed in listed_absent]
    values = np.tile(np.array(blank, dtype=np.float64), (len(studies), 1))
    for row, study in enumerate(studies):
        for place, value in _said(study, column).items():
            values[row, place] = _VALUE[value]
    return Truth(
        values=values,
        sources=tuple(tuple(names) for names in sources),
        listed_absent=tuple(listed_absent),
    )


_VALUE = {Assertion.PRESENT: 1.0, Assertion.UNCERTAIN: float("nan"), Assertion.ABSENT: 0.0}
_STRENGTH = {Assertion.PRESENT: 2, Assertion.UNCERTAIN: 1, Assertion.ABSENT: 0}


def _said(study: Study, column: Mapping[str, int]) -> dict[int, Assertion]:
    said: dict[int, Assertion] = {}
    for finding in study.findings:
        place = column.get(canonical(finding.name))
        if place is None:
            continue
        before = said.get(place, finding.value)
        said[place] = max(before, finding.value, key=_STRENGTH.__getitem__)
    return said
