"""Which patients a fraction of the labels holds: nested, stratified, drawn from a seed."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from carina.errors import ConfigError

NO_FINDING = -1
"""The stratum of a patient of whom no finding is known to be present."""


def drawn_patients(strata: Mapping[str, int], share: float, seed: int) -> frozenset[str]:
    """The patients of a fraction of the labels.

    Patients are put in one order by the seed, in which every beginning holds about the same
    share of each stratum; a fraction is a beginning of it. So the 1% lies inside the 10%.

    Args:
        strata: every patient and the stratum it belongs to, see `strata_of`.
        share: of the patients, in (0, 1]; at least one patient is drawn.
        seed: of the order.

    Raises:
        ConfigError: the share is not in (0, 1], or there is no patient.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"A fraction of the labels is {share}, expected more than 0, at most 1.")
    if not strata:
        raise ConfigError("There is no patient to draw a fraction of; expected at least one.")
    order = nested_order(strata, seed)
    return frozenset(order[: max(1, math.floor(share * len(order) + 0.5))])


def nested_order(strata: Mapping[str, int], seed: int) -> list[str]:
    """All patients, each beginning of the list about as mixed as the whole.

    Within a stratum of n patients the i-th of a random order stands at (i + u) / n, u in [0, 1).
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, 0], dtype=np.uint64)))
    groups: dict[int, list[str]] = {}
    for patient in sorted(strata):
        groups.setdefault(strata[patient], []).append(patient)
    places: list[tuple[float, str]] = []
    for stratum in sorted(groups):
        members = groups[stratum]
        shuffled = np.argsort(generator.random(len(members)), kind="stable")
        starts = generator.random()
        places += [
            ((rank + starts) / len(members), members[member])
            for rank, member in enumerate(shuffled)
        ]
    return [patient for _, patient in sorted(places)]


def strata_of(
    patients: Sequence[str], labels: Float[np.ndarray, "rows findings"]
) -> dict[str, int]:
    """The stratum of each patient: the rarest finding that any of its rows shows, or none.

    Args:
        patients: the patient of each row.
        labels: 1, 0 or nan (unknown).
    """
    positives = (labels == 1).sum(axis=0)
    by_rarity = np.argsort(positives, kind="stable")
    rank = np.empty_like(by_rarity)
    rank[by_rarity] = np.arange(len(by_rarity))
    strata: dict[str, int] = {}
    for patient, row in zip(patients, labels, strict=True):
        shown = np.flatnonzero(row == 1)
        if len(shown):
            rarest = min([*shown.tolist(), *known(strata.get(patient))], key=lambda i: int(rank[i]))
            strata[patient] = int(rarest)
        else:
            strata.setdefault(patient, NO_FINDING)
    return strata


def known(stratum: int | None) -> list[int]:
    """The finding that a patient's stratum stands for, if there is one."""
    return [] if stratum is None or stratum == NO_FINDING else [stratum]


def strata_of_scores(
    patients: Sequence[str], scores: Float[np.ndarray, "rows names"]
) -> dict[str, int]:
    """The stratum of each patient by severity: the quarter that the mean of its rows lies in.

    Args:
        patients: the patient of each row.
        scores: nan where unknown; each name counts in units of its own deviation.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.nanstd(scores, axis=0)
        level = (scores - np.nanmean(scores, axis=0)) / np.where(deviation > 0, deviation, 1.0)
    rows: dict[str, list[float]] = {}
    for patient, row in zip(patients, level, strict=True):
        rows.setdefault(patient, []).extend(row[np.isfinite(row)].tolist())
    means = np.array([np.mean(values) for values in rows.values()])
    quarters = np.searchsorted(np.quantile(means, [0.25, 0.5, 0.75]), means, side="right")
    return dict(zip(rows, quarters.tolist(), strict=True))


def strata_of_grades(
    patients: Sequence[str], grades: Float[np.ndarray, "rows names"]
) -> dict[str, int]:
    """The stratum of each patient by grade: the highest of any of its rows, rounded."""
    strata: dict[str, int] = {}
    for patient, row in zip(patients, grades, strict=True):
        highest = int(np.rint(row[np.isfinite(row)].max()))
        strata[patient] = max(highest, strata.get(patient, highest))
    return strata
