"""Evaluations and comparisons as tables for the terminal."""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from carina.evaluation.compare import DELONG, ComparedEvaluations, Comparison
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.score_cell import ScoreCell, score_text
from carina.evaluation.sources import has_synthetic
from carina.evaluation.subgroups import Subgroup
from carina.pages.table import metric_name
from carina.studies.truth import plain

COLUMNS: Mapping[str, Sequence[str]] = {
    "zero-shot": ("auc", "average_precision", "mcc", "f1"),
    "grounding": (
        *("pointing_game", "chance", "position_baseline"),
        *("dice", "detection_precision", "detection_recall"),
    ),
    "phrase-grounding": ("cnr", "miou", "pointing_game", "chance", "position_baseline"),
    "retrieval": ("recall_at_1", "recall_at_5", "recall_at_10", "chance_at_10"),
    "segmentation": ("dice", "dice_with_empty", "iou", "false_alarm"),
    "detection": ("map", "map_coco", "ap50"),
    "grading": ("kappa", "accuracy", "f1", "auc_one_rest"),
    "severity": ("correlation", "mae"),
    "multiclass": ("accuracy", "auc", "f1", "recall"),
}
"""The metrics that fit a terminal; evaluation.json and the page have all."""

BARE = frozenset(
    {
        *("chance", "position_baseline", "detection_precision", "detection_recall"),
        "chance_at_10",
    }
)
"""Metrics shown without their intervals, to save room."""

FEW_POSITIVES = 10
"""With fewer positives than this an interval says less than it seems to."""


MOST_NAMED = 5
"""So many of the things left out are shown; evaluation.json has all."""


def evaluation_table(evaluation: Evaluation) -> Table:
    """Findings by metrics, each value with its interval, the mean below."""
    metrics = COLUMNS[evaluation.task]
    table = Table(
        title=Text(title_of(evaluation)),
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("finding", overflow="fold")  # a cut name may be another's
    table.add_column("positive", justify="right")
    for metric in metrics:
        table.add_column(heading_of(metric), justify="right")
    for name, scores in evaluation.findings.items():
        positives = str(evaluation.positives[name])
        table.add_row(Text(name), positives, *(cell(m, scores[m]) for m in metrics))
    table.add_section()
    table.add_row("mean", "", *(cell(m, evaluation.mean[m]) for m in metrics), style="bold")
    return table


def title_of(evaluation: Evaluation) -> str:
    """What was measured on what, in a line."""
    unreadable = len(evaluation.settings.get("unreadable", ()))
    left_out = f", {unreadable} unreadable left out" if unreadable else ""
    drawn = "synthetic " if has_synthetic(evaluation.settings) else ""
    return (
        f"{evaluation.task}, {evaluation.split}: {evaluation.images} {drawn}radiographs of "
        f"{evaluation.studies} studies{left_out}; 95% intervals"
    )


def heading_of(metric: str) -> str:
    """The head of a metric's column; over bare numbers, which are short, on two lines."""
    name = metric_name(metric)
    if metric not in BARE:
        return name
    return name.replace(", ", ",\n") if "," in name else name.replace(" ", "\n")


def cell(metric: str, score: Score) -> str | ScoreCell:
    """A score in the terminal's table."""
    return number_text(score.value) or "–" if metric in BARE else ScoreCell(score=score)


def remarks(evaluation: Evaluation) -> list[str]:
    """What a reader of the table must know: names taken for others, images left out, reasons."""
    lines = [*name_remarks(evaluation), *threshold_remarks(evaluation)]
    rare = [
        f"{name} ({count})"
        for name, count in evaluation.positives.items()
        if 0 < count < FEW_POSITIVES
    ]
    if rare:
        lines.append(
            f"fewer than {FEW_POSITIVES} positives, so intervals are too narrow: {', '.join(rare)}."
        )
    lines.extend(left_out_remarks(evaluation))
    lines.extend(grounding_remarks(evaluation) if evaluation.task == "grounding" else ())
    lines.extend(phrase_remarks(evaluation))
    shared = evaluation.settings.get("patients_in_both_parts", 0)
    if shared:
        lines.append(f"{shared} patients are in both the scored and the validation part.")
    return lines


def left_out_remarks(evaluation: Evaluation) -> list[str]:
    """Radiographs and outlines that could not be used: how many, and the first of them."""
    lines = []
    for kind, what in (("unreadable", "radiograph"), ("unusable_outlines", "outline")):
        items = evaluation.settings.get(kind, ())
        if items:
            more = "" if len(items) <= MOST_NAMED else f"; the first {MOST_NAMED}"
            lines.append(f"{what}s that cannot be used: {len(items)}{more}:")
            lines.extend(f"left out: {item['message']}" for item in items[:MOST_NAMED])
    return lines


def phrase_remarks(evaluation: Evaluation) -> list[str]:
    """What concerns texts: means over phrases, the sweep, phrases cut, studies without report."""
    over = {name: evaluation.mean.get(f"{name}_samples") for name in ("cnr", "miou")}
    lines = [
        f"{metric_name(name)}, mean over phrases: {score_text(score)}."
        for name, score in over.items()
        if score is not None
    ]
    for row in evaluation.settings.get("weight_temperatures", ()):
        lines.append(
            f"weights of patches softened by {row['weight_temperature']:g}: CNR {row['cnr']:+.3f}, "
            f"mIoU {row['miou']:.3f}, pointing game {row['pointing_game']:.3f}, over phrases."
        )
    for phrase, note in evaluation.settings.get("not_read_whole", {}).items():
        lines.append(f"“{phrase}”: {note}.")
    untold = evaluation.settings.get("without_report", 0)
    if untold:
        lines.append(f"{untold} radiographs have no report and were left out.")
    return lines


def grounding_remarks(evaluation: Evaluation) -> list[str]:
    """What maps are worth beside no map at all, and which cases have no number."""
    bare = [name for name, cases in evaluation.positives.items() if not cases]
    lines = [f"no radiograph of the part has an outline of: {', '.join(bare)}."] if bare else []
    over = {name: s["pointing_over_position"] for name, s in evaluation.findings.items()}
    surely = [name for name, score in over.items() if (score.low or 0.0) > 0]
    below = [name for name, score in over.items() if (score.high or 0.0) < 0]
    measured = sum(score.low is not None for score in over.values())
    for words, names in (("beats", surely), ("falls below", below)):
        if names or (words == "beats" and measured):
            named = f": {', '.join(names)}" if names else ""
            lines.append(
                f"pointing {words} the usual place, its whole interval, in {len(names)} of "
                f"{measured} findings{named}."
            )
    for metric, cases in evaluation.settings.get("undefined_cases", {}).items():
        lines.append(f"{metric_name(metric)}: undefined in {cases} cases, which are left out.")
    return lines


def name_remarks(evaluation: Evaluation) -> list[str]:
    """Findings that the data lack, or call by another name."""
    lines = []
    for query, sources in evaluation.settings.get("names_in_the_data", {}).items():
        others = [name for name in sources if plain(name) != plain(query)]
        if not sources:
            lines.append(f"{query}: the data list no such finding.")
        elif others:
            lines.append(f"{query}: called {', '.join(others)} in the data.")
    return lines


def threshold_remarks(evaluation: Evaluation) -> list[str]:
    """Findings without a threshold, one line a reason."""
    by_reason: dict[str, list[str]] = {}
    for name, threshold in evaluation.thresholds.items():
        if threshold.value is None:
            by_reason.setdefault(str(threshold.reason), []).append(name)
    return [f"no threshold ({why}): {', '.join(names)}." for why, names in by_reason.items()]


def comparison_table(compared: ComparedEvaluations, metrics: Sequence[str]) -> Table:
    """First, second, difference with interval and p values, one row a finding and metric."""
    table = Table(
        title=Text(
            f"{compared.first or 'first'} minus {compared.second or 'second'}: "
            f"{compared.images} radiographs, 95% intervals"
        ),
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("finding", overflow="fold")  # a cut name may be another's
    table.add_column("metric")
    for heading in ("first", "second", "difference", "p", "p (Holm)"):
        table.add_column(heading, justify="right")
    for name, rows in (*compared.findings.items(), ("mean", compared.mean)):
        shown = [metric for metric in metrics if metric in rows]
        for place, metric in enumerate(shown):
            cells = comparison_cells(rows[metric])
            table.add_row(Text(name if place == 0 else ""), metric_label(metric), *cells)
    return table


def subgroup_table(groups: Sequence[Subgroup]) -> Table:
    """Mean AUC of every group, and its difference to the rest."""
    table = Table(
        title=Text("mean AUC by group; 95% intervals"),
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("group")
    for heading in ("radiographs", "AUC", "minus the rest", "p", "p (Holm)"):
        table.add_column(heading, justify="right")
    for one in groups:
        table.add_row(
            Text(f"{one.grouping}: {one.name}"),
            str(one.images),
            ScoreCell(score=one.scores["auc"]),
            ScoreCell(score=Score.of(one.difference, "undefined"), sign=True),
            p_text(one.difference.p_value),
            p_text(one.p_value_holm),
        )
    return table


def shown_metrics(compared: ComparedEvaluations) -> tuple[str, ...]:
    """The metrics that fit a terminal, DeLong's test among them."""
    shown = COLUMNS[compared.task]
    return ("auc", DELONG, *shown[1:]) if "auc" in shown else tuple(shown)


def metric_label(metric: str) -> str:
    """A metric's name as people write it."""
    return "AUC (DeLong)" if metric == DELONG else metric_name(metric)


def comparison_cells(row: Comparison) -> list[str | ScoreCell]:
    """Both values, the difference and the p values as text."""
    difference = Score(value=row.difference, low=row.low, high=row.high, reason="undefined")
    return [
        number_text(row.first),
        number_text(row.second),
        ScoreCell(score=difference, sign=True),
        p_text(row.p_value),
        p_text(row.p_value_holm),
    ]


def number_text(value: float | None) -> str:
    """Three digits, or nothing."""
    return "" if value is None else f"{value:.3f}"


def p_text(p_value: float | None) -> str:
    """Three digits, small ones as a bound."""
    if p_value is None or not math.isfinite(p_value):
        return ""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"
