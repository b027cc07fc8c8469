"""Does a model do as well for everyone: scores by sex, age, view and whatever else is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from carina.datasets.table import read_table
from carina.errors import EvaluationError
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.rows import Rows
from carina.evaluation.scoring import Frontal
from carina.metrics.classification import ranking_statistic, threshold_statistic
from carina.metrics.paired import Difference, holm, paired_difference
from carina.metrics.statistics import (
    Bootstrap,
    Resamples,
    bootstrap,
    together,
)

METRICS = ("auc", "sensitivity", "specificity")
AGE_BANDS = ((0, "0-39"), (40, "40-59"), (60, "60-79"), (80, "80 and over"))
"""The first year of each band, and its name."""

STUDY = "study_id"
"""The column of a table of groups that names the study."""

Key = Callable[[Frontal], str | None]
"""The group of a radiograph; None where it is not known."""


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """Mean scores over findings in one group of radiographs, and how they differ from the rest.

    `difference` is the mean AUC in the group minus that in all others whose group is known, over
    the findings that are defined in both; `p_value_holm` is adjusted for the number of groups.
    """

    grouping: str
    name: str
    images: int
    patients: int
    findings: int
    scores: Mapping[str, Score]
    difference: Difference
    p_value_holm: float


def sex_of(frontal: Frontal) -> str | None:
    """As the manifest has it."""
    return frontal.study.sex


def age_band_of(frontal: Frontal) -> str | None:
    """One of `AGE_BANDS`."""
    age = frontal.study.age_years
    if age is None:
        return None
    return next(name for first, name in reversed(AGE_BANDS) if age >= first)


def view_of(frontal: Frontal) -> str | None:
    """As the release names it."""
    return frontal.study.radiographs[frontal.radiograph].view


def source_of(frontal: Frontal) -> str | None:
    """The release that the study is from."""
    return frontal.study.source


GROUPINGS: dict[str, Key] = {
    "sex": sex_of,
    "age": age_band_of,
    "view": view_of,
    "source": source_of,
}
"""What every manifest may tell; scanners and the like come from a table."""


def table_groupings(path: Path) -> dict[str, Key]:
    """Groupings from a table with the column study_id: each other column is one.

    Raises:
        EvaluationError: the table has no such column, or no other.
        DatasetError: it cannot be read.
    """
    table = read_table(path)
    names = [column for column in table.columns if column != STUDY]
    if STUDY not in table.columns or not names:
        raise EvaluationError(
            f"{path}: has the columns {', '.join(table.columns)}; expected {STUDY} and at least "
            "one more, such as scanner."
        )
    rows = {row.get(STUDY): row for row in table.rows}

    def key_of(column: str) -> Key:
        def key(frontal: Frontal) -> str | None:
            row = rows.get(frontal.study.study_id)
            return (row.get(column) or None) if row else None

        return key

    return {name: key_of(name) for name in names}


def subgroups(
    evaluation: Evaluation,
    rows: Rows,
    frontals: Sequence[Frontal],
    groupings: Mapping[str, Key],
    resamples: Resamples,
) -> tuple[Subgroup, ...]:
    """Every group of every grouping that has at least two.

    Group and rest stand on the same resamples of whole patients, so a patient in both counts in
    both at once.

    Args:
        evaluation: gives findings and thresholds.
        rows: its rows, findings in its order.
        frontals: the radiograph of each row.
        groupings: by name.
        resamples: of the rows.
    """
    found = [
        subgroup(evaluation, rows, resamples, name, label, inside, known)
        for name, key in groupings.items()
        for label, inside, known in groups_of(frontals, key)
    ]
    adjusted = holm(np.array([one.difference.p_value for one in found]))
    return tuple(
        replace(one, p_value_holm=float(p)) for one, p in zip(found, adjusted, strict=True)
    )


def groups_of(
    frontals: Sequence[Frontal], key: Key
) -> list[tuple[str, Bool[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]]:
    """Label, rows inside, and rows whose group is known; nothing where there is one group."""
    labels = np.array([key(frontal) or "" for frontal in frontals])
    names = sorted(set(labels.tolist()) - {""})
    if len(names) < 2:
        return []
    return [(name, labels == name, labels != "") for name in names]


def subgroup(
    evaluation: Evaluation,
    rows: Rows,
    resamples: Resamples,
    grouping: str,
    name: str,
    inside: Bool[np.ndarray, " rows"],
    known: Bool[np.ndarray, " rows"],
) -> Subgroup:
    """One group, not yet adjusted for how many there are."""
    group = bootstrap_where(evaluation, rows, inside, resamples)
    rest = bootstrap_where(evaluation, rows, known & ~inside, resamples)
    in_both = np.isfinite(group.values["auc"]) & np.isfinite(rest.values["auc"])
    difference = paired_difference(
        group.only(in_both).mean_of("auc"), rest.only(in_both).mean_of("auc")
    )
    return Subgroup(
        grouping=grouping,
        name=name,
        images=int(inside.sum()),
        patients=len({rows.patients[place] for place in np.flatnonzero(inside)}),
        findings=int(np.isfinite(group.values["auc"]).sum()),
        scores={
            metric: Score.of(group.mean_interval(metric), "undefined in every finding")
            for metric in METRICS
        },
        difference=difference,
        p_value_holm=float("nan"),
    )


def bootstrap_where(
    evaluation: Evaluation,
    rows: Rows,
    inside: Bool[np.ndarray, " rows"],
    resamples: Resamples,
) -> Bootstrap:
    """Every finding's metrics on some of the rows, within resamples of all of them."""
    truth: Float[np.ndarray, "rows findings"] = np.where(inside[:, None], rows.truth, np.nan)
    statistics = []
    for place, name in enumerate(evaluation.positives):
        chosen = evaluation.thresholds[name].value
        threshold = float("nan") if chosen is None else chosen
        statistics.append(
            together(
                ranking_statistic(rows.scores[:, place], truth[:, place]),
                threshold_statistic(rows.scores[:, place], truth[:, place], threshold),
            )
        )
    return bootstrap(statistics, resamples)
