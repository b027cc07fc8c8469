"""Who comes to the X-ray room, and with what: cohorts of patients, visits and their lesions."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from carina.phantom.findings import DEVICES, FINDINGS, IMPLIED, UNSEEN, Lesion
from carina.phantom.randomness import generator

SCENARIOS: dict[str, dict[str, float]] = {
    "heart failure": {
        "pulmonary edema": 6, "pleural effusion": 4, "cardiomegaly": 6, "atelectasis": 1.5,
        "pacemaker": 4, "sternal wires": 3, "tortuous aorta": 2, "interstitial opacity": 1.5,
    },
    "intensive care": {
        "endotracheal tube": 8, "central venous catheter": 7, "nasogastric tube": 8,
        "consolidation": 2, "atelectasis": 3, "pleural effusion": 2, "pulmonary edema": 2,
        "chest tube": 3, "pneumothorax": 2, "subcutaneous emphysema": 3,
        "hydropneumothorax": 1.5,
    },
    "lung disease": {
        "emphysema": 6, "fibrosis": 6, "bullae": 4, "interstitial opacity": 4,
        "nodule": 1.5, "hilar enlargement": 2, "pneumothorax": 1.5, "mass": 1,
    },
    "infection": {
        "consolidation": 6, "cavity": 4, "lung abscess": 5, "empyema": 4,
        "miliary nodules": 4, "pleural effusion": 1.5, "hilar enlargement": 2,
        "pleural thickening": 2, "granuloma": 2, "atelectasis": 1,
    },
    "tumour": {
        "mass": 6, "nodule": 5, "hilar enlargement": 4, "mediastinal widening": 5,
        "central venous catheter": 3, "elevated hemidiaphragm": 3, "pleural effusion": 1.5,
        "cavity": 2, "atelectasis": 1, "miliary nodules": 1,
    },
    "injury": {
        "rib fracture": 8, "pneumothorax": 4, "subcutaneous emphysema": 5, "chest tube": 5,
        "hydropneumothorax": 4, "mediastinal widening": 2, "elevated hemidiaphragm": 1.5,
        "pleural effusion": 1,
    },
    "old age": {
        "tortuous aorta": 6, "hiatal hernia": 6, "scoliosis": 5, "granuloma": 5,
        "pleural thickening": 4, "pacemaker": 2, "cardiomegaly": 2, "nodule": 1.5,
        "rib fracture": 2, "emphysema": 1, "fibrosis": 1,
    },
    "after surgery": {
        "sternal wires": 7, "chest tube": 3, "atelectasis": 3, "pleural effusion": 2,
        "central venous catheter": 2, "elevated hemidiaphragm": 4, "mediastinal widening": 2,
        "pleural thickening": 2, "empyema": 2,
    },
}  # fmt: skip
"""How much more often than its floor a finding occurs in a kind of patient."""

FLOOR = 0.4
TARGET = 0.124
"""Share of the first visits that shall have a finding, where a fifth are healthy."""
IMPLIED_TARGETS = {"pleural effusion": 0.05, "pneumothorax": 0.05, "cavity": 0.05}
"""The same for what an unseen finding implies, where unseen findings occur."""

CHRONIC = (
    "cardiomegaly", "emphysema", "fibrosis", "granuloma", "hiatal hernia", "pacemaker",
    "pleural thickening", "scoliosis", "sternal wires", "tortuous aorta", "bullae",
    "elevated hemidiaphragm", "hilar enlargement", "mass", "nodule", "rib fracture",
)  # fmt: skip
BEDSIDE = {"intensive care": 0.95, "injury": 0.5, "after surgery": 0.6, "heart failure": 0.5}


@lru_cache(maxsize=2)
def rates(*, unseen: bool) -> dict[str, dict[str, float]]:
    """Probability of each finding in each scenario, so that the shares come out as aimed at."""
    names = list(SCENARIOS)
    table: dict[str, dict[str, float]] = {scenario: {} for scenario in names}
    for finding in FINDINGS:
        weights = np.array([SCENARIOS[s].get(finding, 0.0) + FLOOR for s in names])
        target = (IMPLIED_TARGETS.get(finding, TARGET) if unseen else TARGET) / 0.8
        low, high = 0.0, 10.0
        for _ in range(40):
            middle = (low + high) / 2
            mean = float(np.minimum(weights * middle, 0.85).mean())
            low, high = (middle, high) if mean < target else (low, middle)
        for scenario, weight in zip(names, weights, strict=True):
            table[scenario][finding] = round(min(float(weight) * high, 0.85), 6)
    return table


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One study before it is drawn: what there is, and what there was the time before."""

    scenario: str
    bedside: bool
    lesions: tuple[Lesion, ...]
    before: tuple[Lesion, ...] | None

    @property
    def present(self) -> tuple[str, ...]:
        """The findings that are there, implied ones included, in alphabetical order."""
        return present(self.lesions)


def present(lesions: tuple[Lesion, ...]) -> tuple[str, ...]:
    """Names of lesions and of what they imply, in alphabetical order."""
    names = {lesion.name for lesion in lesions}
    for lesion in lesions:
        names.update(IMPLIED.get(lesion.name, ()))
    return tuple(sorted(names))


def draw_visits(
    seed: int, patient: int, visits: int, *, healthy: float, unseen: bool
) -> tuple[Visit, ...]:
    """Draws all visits of a patient.

    Args:
        seed: the cohort's seed.
        patient: the patient's number.
        visits: how many.
        healthy: the share of studies without any finding.
        unseen: whether the findings of `UNSEEN` may occur.
    """
    rng = generator(seed, "patient", patient, "clinic")
    if rng.random() < healthy:
        plain = Visit(scenario="healthy", bedside=False, lesions=(), before=None)
        later = Visit(scenario="healthy", bedside=False, lesions=(), before=())
        return (plain, *(later for _ in range(visits - 1)))
    names = list(SCENARIOS)
    scenario = names[int(rng.integers(len(names)))]
    bedside = bool(rng.random() < BEDSIDE.get(scenario, 0.12))
    drawn: list[Visit] = []
    before: tuple[Lesion, ...] | None = None
    for number in range(visits):
        rng = generator(seed, "patient", patient, "clinic", number)
        lesions = draw_lesions(rng, scenario, before or (), unseen=unseen)
        drawn.append(Visit(scenario=scenario, bedside=bedside, lesions=lesions, before=before))
        before = lesions
    return tuple(drawn)


def draw_lesions(
    rng: np.random.Generator,
    scenario: str,
    before: tuple[Lesion, ...],
    *,
    unseen: bool,
) -> tuple[Lesion, ...]:
    """The lesions of one visit; old ones stay if chronic, and often if not."""
    chances = rates(unseen=unseen)[scenario]
    earlier = {lesion.name: lesion for lesion in before}
    lesions: list[Lesion] = []
    for name in FINDINGS:
        draws = rng.random(3)
        fresh = draw_lesion(rng, name)
        if name in UNSEEN and not unseen:
            continue
        old = earlier.get(name)
        if old is not None and draws[0] < (1.0 if name in CHRONIC else 0.6):
            lesions.append(old)
        elif draws[1] < chances[name] * (0.5 if before else 1.0):
            lesions.append(fresh)
    return consistent(lesions) or (draw_lesion(rng, "atelectasis"),)


def consistent(lesions: list[Lesion]) -> tuple[Lesion, ...]:
    """Drops what another lesion already is, such as a pneumothorax beside a hydropneumothorax."""
    implied = {name for lesion in lesions for name in IMPLIED.get(lesion.name, ())}
    return tuple(lesion for lesion in lesions if lesion.name not in implied)


UPPER = ("cavity", "bullae", "pneumothorax", "granuloma")
LOWER = ("atelectasis", "pleural effusion", "lung abscess", "empyema", "hydropneumothorax")
AT_THE_BASE = ("atelectasis",)
"""Drawn at the base whatever the zone."""
MIDDLE = (
    "cardiomegaly", "hiatal hernia", "sternal wires", "mediastinal widening", "tortuous aorta",
    "scoliosis", "endotracheal tube", "nasogastric tube", "pulmonary edema", "emphysema",
    "interstitial opacity", "miliary nodules", "fibrosis",
)  # fmt: skip


def draw_lesion(rng: np.random.Generator, name: str) -> Lesion:
    """Side, zone, severity, size and conspicuity of one lesion."""
    side = -1 if rng.random() < 0.52 else 1
    if name == "pacemaker":
        side = 1 if rng.random() < 0.85 else -1
    if name in ("pleural effusion", "hilar enlargement", "subcutaneous emphysema"):
        side = 0 if rng.random() < 0.25 else side
    place = rng.random()
    zone = "upper" if place < 1 / 3 else "middle" if place < 2 / 3 else "lower"
    if name in UPPER:
        zone = "upper" if place < 0.75 else "middle"
    if name in LOWER:
        zone = "lower" if place < 0.8 or name in AT_THE_BASE else "middle"
    if name in MIDDLE or name in DEVICES:
        side, zone = (side, "") if name in DEVICES else (0, "")
    grades = 4 if name == "pulmonary edema" else 3
    return Lesion(
        name=name,
        side=0 if name in MIDDLE else side,
        zone=zone,
        severity=int(rng.integers(1, grades + 1)),
        extent=float(rng.random()),
        conspicuity=float(0.55 + 0.45 * rng.random()),
        seed=int(rng.integers(2**31)),
    )
