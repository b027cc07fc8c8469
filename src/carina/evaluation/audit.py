"""An evaluation looked at closely: for whom it holds, how honest its scores are, where it fails."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from carina.errors import EvaluationError
from carina.evaluation.compare import ComparedEvaluations, matched
from carina.evaluation.compare_several import LEAST_REPLICATES, compare_several
from carina.evaluation.comparison_page import metric_table, number_of
from carina.evaluation.failures import pictures_of, worst_cases
from carina.evaluation.page_values import measured_of
from carina.evaluation.result import Evaluation, Score, Scores
from carina.evaluation.rows import Rows, rows_of
from carina.evaluation.scoring import Frontal, frontals_of
from carina.evaluation.sources import has_synthetic
from carina.evaluation.subgroups import (
    GROUPINGS,
    Key,
    Subgroup,
    bootstrap_where,
    groups_of,
    subgroups,
)
from carina.files import atomic_folder
from carina.metrics.calibration import EqualMassBins, reliability_curve
from carina.metrics.paired import Difference, paired_difference
from carina.metrics.statistics import Resamples
from carina.pages.audit_page import AuditPage, Calibrated, GroupTable, render_audit_page
from carina.pages.measured import Measured
from carina.pages.table import TableRow
from carina.studies.manifest import Manifest

FILES = frozenset({"audit.json", "index.html"})
CALIBRATION = ("brier", "calibration_error")
UNITS = {"image": "radiographs", "study-mean": "studies", "study-max": "studies"}
"""What is scored, by the name of the aggregation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """Everything that an audit found.

    `compared` and `compared_groups` (grouping -> group -> difference of the mean AUC, first minus
    second) are empty where there is no second evaluation.
    """

    evaluation: Evaluation
    rows: Rows
    frontals: tuple[Frontal, ...]
    groups: tuple[Subgroup, ...]
    unknown: tuple[str, ...]
    compared: ComparedEvaluations | None
    compared_groups: Mapping[str, Mapping[str, Difference]]
    calibration: Mapping[str, Scores]

    def to_json(self) -> dict[str, Any]:
        """The content of audit.json."""
        plain: dict[str, Any] = {
            "model": self.evaluation.model,
            "data": self.evaluation.data,
            "groups": [asdict(one) for one in self.groups],
            "groups_not_known": list(self.unknown),
            "compared": None if self.compared is None else asdict(self.compared),
            "compared_groups": {
                grouping: {name: asdict(one) for name, one in groups.items()}
                for grouping, groups in self.compared_groups.items()
            },
            "calibration": {
                name: {metric: score.to_json() for metric, score in scores.items()}
                for name, scores in self.calibration.items()
            },
        }
        finite: dict[str, Any] = without_nan(plain)
        return finite

    def save(self, folder: Path, manifest: Manifest) -> None:
        """Writes audit.json and index.html, both or neither.

        Raises:
            EvaluationError: the folder holds something else.
            OutputError: it cannot be written.
        """
        others = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        if set(others) - FILES or folder.is_file():
            raise EvaluationError(
                f"{folder}: holds something that is no audit; expected a new or empty folder or "
                "an earlier audit. Nothing was written; name another folder."
            )
        page = render_audit_page(audit_page(self, manifest))
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        with atomic_folder(folder) as temporary:
            (temporary / "audit.json").write_text(text + "\n", encoding="utf-8")
            (temporary / "index.html").write_text(page, encoding="utf-8")


def audit(
    evaluation: Evaluation,
    manifest: Manifest,
    *,
    beside: Evaluation | None = None,
    more_groupings: Mapping[str, Key] | None = None,
    replicates: int | None = None,
    seed: int = 0,
) -> Audit:
    """Looks at a zero-shot or fine-tuned classification by group, score and case.

    Args:
        evaluation: of findings on radiographs.
        manifest: the one that was evaluated; it knows sex, age and view, and has the pictures.
        beside: another model on the same radiographs, to compare with in every group.
        more_groupings: beyond sex, age, view and source; see `table_groupings`.
        replicates: bootstrap resamples; by default 1000, and for the comparison as many as its
            adjustment needs.
        seed: of the bootstrap.

    Raises:
        EvaluationError: the task has no scores of findings, or an image is not in the manifest.
    """
    if "aggregation" not in evaluation.settings or "score" not in evaluation.predictions.columns:
        raise EvaluationError(
            f"An audit needs scores of findings on radiographs, found the task {evaluation.task}. "
            "Make an evaluation with `carina evaluate ... --task zero-shot`."
        )
    rows = rows_of(
        evaluation.predictions,
        list(evaluation.positives),
        str(evaluation.settings["aggregation"]),
    )
    frontals = places(rows, manifest)
    drawn = LEAST_REPLICATES if replicates is None else replicates
    resamples = Resamples(len(rows.scores), drawn, seed, list(rows.patients))
    groupings = {**GROUPINGS, **(more_groupings or {})}
    known = {name: key for name, key in groupings.items() if groups_of(frontals, key)}
    compared = None
    if beside is not None:
        both = compare_several((evaluation, beside), replicates=replicates, seed=seed)
        compared = both.pairs[0]
    return Audit(
        evaluation=evaluation,
        rows=rows,
        frontals=frontals,
        groups=subgroups(evaluation, rows, frontals, known, resamples),
        unknown=tuple(name for name in groupings if name not in known),
        compared=compared,
        compared_groups={}
        if beside is None
        else compared_in_groups(evaluation, beside, manifest, known, drawn, seed),
        calibration={
            name: {metric: scores[metric] for metric in CALIBRATION if metric in scores}
            for name, scores in evaluation.findings.items()
        },
    )


def places(rows: Rows, manifest: Manifest) -> tuple[Frontal, ...]:
    """The radiograph of each row.

    Raises:
        EvaluationError: the manifest lacks one.
    """
    place = {frontal.path: frontal for frontal in frontals_of(manifest)}
    missing = [image for image in rows.images if image not in place]
    if missing:
        raise EvaluationError(
            f"{manifest.path}: lacks {len(missing)} of the {len(rows.images)} radiographs of the "
            "evaluation. Give the manifest that was evaluated."
        )
    return tuple(place[image] for image in rows.images)


def compared_in_groups(
    first: Evaluation,
    second: Evaluation,
    manifest: Manifest,
    groupings: Mapping[str, Key],
    replicates: int,
    seed: int,
) -> dict[str, dict[str, Difference]]:
    """The difference of the mean AUC of two models within every group."""
    pair = matched(first, second)
    aggregation = str(first.settings["aggregation"])
    one = rows_of(pair.frame, pair.names, aggregation)
    two = rows_of(pair.frame, pair.names, aggregation, "score_second")
    frontals = places(one, manifest)
    resamples = Resamples(len(one.scores), replicates, seed, list(one.patients))
    sides = [
        (replace(side, positives={name: side.positives[name] for name in pair.names}), rows)
        for side, rows in ((first, one), (second, two))
    ]
    found: dict[str, dict[str, Difference]] = {}
    for grouping, key in groupings.items():
        for name, inside, _ in groups_of(frontals, key):
            left, right = (
                bootstrap_where(side, rows, inside, resamples).mean_of("auc")
                for side, rows in sides
            )
            found.setdefault(grouping, {})[name] = paired_difference(left, right)
    return found


def audit_page(found: Audit, manifest: Manifest) -> AuditPage:
    """Fills the page."""
    evaluation = found.evaluation
    misses, alarms = worst_cases(evaluation, found.rows)
    place = {frontal.path: frontal for frontal in found.frontals}
    return AuditPage(
        title="Audit of an evaluation",
        summary=summary_of(found),
        synthetic=has_synthetic(evaluation.settings),
        groups=group_tables(found.groups),
        unknown=found.unknown,
        compared=None
        if found.compared is None
        else metric_table(found.compared, "auc", evaluation.positives),
        compared_groups=compared_group_rows(found),
        calibration=calibration_rows(found.calibration),
        curves=curves_of(found),
        misses=pictures_of(misses, manifest, place),
        alarms=pictures_of(alarms, manifest, place),
        facts={
            "carina": version("carina"),
            "model": evaluation.model,
            "data": evaluation.data,
            "part": evaluation.split,
            **({} if found.compared is None else {"second model": found.compared.second}),
        },
    )


def summary_of(found: Audit) -> str:
    """What was looked at."""
    evaluation, patients = found.evaluation, len(set(found.rows.patients))
    what = UNITS[str(evaluation.settings["aggregation"])]
    beside = "" if found.compared is None else f", beside {found.compared.second}"
    return (
        f"{evaluation.model or 'A model'} on {len(found.rows.images):,} {what} of {patients:,} "
        f"patients ({evaluation.split}), {len(evaluation.positives)} findings{beside}. Intervals "
        "are 95%, from resamples of whole patients."
    )


def group_tables(groups: Sequence[Subgroup]) -> tuple[GroupTable, ...]:
    """The groups of each grouping together."""
    names = dict.fromkeys(one.grouping for one in groups)
    return tuple(
        GroupTable(
            grouping=grouping,
            rows=tuple(group_row(one) for one in groups if one.grouping == grouping),
        )
        for grouping in names
    )


def group_row(one: Subgroup) -> TableRow:
    """One group."""
    return TableRow(
        name=one.name,
        counts=(one.images, one.patients, one.findings),
        values={
            **{metric: measured_of(score) for metric, score in one.scores.items()},
            "minus the rest": difference_of(one.difference),
            "p": number_of(one.difference.p_value),
            "p (Holm)": number_of(one.p_value_holm),
        },
    )


def compared_group_rows(found: Audit) -> tuple[TableRow, ...]:
    """Every group's difference of the mean AUC."""
    images = {(one.grouping, one.name): one.images for one in found.groups}
    return tuple(
        TableRow(
            name=f"{grouping}: {name}",
            counts=(images[grouping, name],),
            values={"difference": difference_of(one), "p": number_of(one.p_value)},
        )
        for grouping, groups in found.compared_groups.items()
        for name, one in groups.items()
    )


def calibration_rows(calibration: Mapping[str, Scores]) -> tuple[TableRow, ...]:
    """Brier score and calibration error of every finding that has them."""
    return tuple(
        TableRow(
            name=name,
            counts=(),
            values={metric: measured_of(score) for metric, score in scores.items()},
        )
        for name, scores in calibration.items()
        if scores
    )


def curves_of(found: Audit) -> tuple[Calibrated, ...]:
    """The reliability curve of every finding that has both kinds of rows."""
    curves = []
    for place, name in enumerate(found.evaluation.positives):
        truth = found.rows.truth[:, place]
        if (truth == 1).any() and (truth == 0).any():
            one = reliability_curve(found.rows.scores[:, place], truth, EqualMassBins())
            curves.append(
                Calibrated(finding=name, mean_score=one.mean_score, share=one.share_positive)
            )
    return tuple(curves)


def difference_of(one: Difference) -> Measured:
    """A difference as pages show it."""
    score = Score.of(one, "undefined in the group or the rest")
    return measured_of(score)


def without_nan(value: Any) -> Any:
    """A plain tree with None where a number is not finite."""
    if isinstance(value, dict):
        return {name: without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
