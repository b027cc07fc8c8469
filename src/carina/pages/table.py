"""Score tables as HTML: values with their intervals, sortable in the page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from carina.pages.measured import Measured, decimal

METRIC_NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "mae": "absolute error",
    "mcc": "MCC",
    "f1": "F1",
    "iou": "IoU",
    "cnr": "CNR",
    "cnr_absolute": "CNR, absolute",
    "miou": "mIoU",
    "dice": "Dice",
    "dice_with_empty": "Dice, empty masks counted",
    "map": "mAP",
    "map_coco": "mAP, IoU 0.5 to 0.95",
    "auc_one_rest": "AUC, each against the rest",
    "cnr_samples": "CNR, over phrases",
    "miou_samples": "mIoU, over phrases",
    "pointing_game_samples": "pointing game, over phrases",
    "brier": "Brier score",
    "position_baseline": "usual place",
    "pointing_over_position": "above usual place",
    "pointing_over_chance": "above chance",
    "detection_precision": "precision, IoU 0.1",
    "detection_recall": "recall, IoU 0.1",
    "iou_best_on_test": "IoU, best on test",
    "dice_best_on_test": "Dice, best on test",
    "detection_precision_best_on_test": "precision, best on test",
    "detection_recall_best_on_test": "recall, best on test",
}


def metric_name(metric: str) -> str:
    """A metric's name as people write it."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row: a name, counts, and measured values by column."""

    name: str
    counts: tuple[int, ...]
    values: Mapping[str, Measured]


def score_table(
    caption: str,
    name: str,
    counts: Sequence[str],
    rows: Sequence[TableRow],
    mean: Mapping[str, Measured] | None = None,
    headings: Callable[[str], str] = metric_name,
) -> str:
    """A table of rows by metrics.

    Args:
        caption: what the table shows.
        name: the heading of the first column.
        counts: headings of the columns of counts.
        rows: their `values` give the other columns: every metric of any row, in order.
        mean: a last row, under all columns it has values for.
        headings: how the columns of values are headed; `str` where they are names already.
    """
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.values))
    heads = "".join(
        f'<th scope="col"{" class=" + chr(34) + "name" + chr(34) if i == 0 else ""}>'
        f"{escape(head)}</th>"
        for i, head in enumerate((name, *counts, *map(headings, metrics)))
    )
    body = "\n".join(table_row(row, metrics) for row in rows)
    foot = "" if not mean else mean_row(mean, metrics, len(counts))
    return (
        f'<div class="scroll"><table class="sortable"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>{foot}</table></div>"
    )


def table_row(row: TableRow, metrics: Sequence[str]) -> str:
    """One row of the body."""
    counts = "".join(f'<td data-sort="{count}">{count:,}</td>' for count in row.counts)
    cells = "".join(measured_cells([row.values.get(metric) for metric in metrics]))
    return (
        f'<tr><th scope="row" data-sort="{escape(row.name)}">{escape(row.name)}</th>'
        f"{counts}{cells}</tr>"
    )


def mean_row(mean: Mapping[str, Measured], metrics: Sequence[str], counts: int) -> str:
    """The row of means below the body."""
    cells = "".join(measured_cells([mean.get(metric) for metric in metrics]))
    return f'<tfoot><tr><th scope="row">mean</th>{"<td></td>" * counts}{cells}</tr></tfoot>'


def measured_cells(row: Sequence[Measured | None]) -> Iterator[str]:
    """The cells of a row; a reason that several of them share is told in the first."""
    told: str | None = None
    for measured in row:
        reason = None if measured is None or measured.defined else measured.reason
        yield measured_cell(measured, told=reason is not None and reason == told)
        told = reason or told


def measured_cell(measured: Measured | None, told: bool = False) -> str:
    """A value over its interval; a dash with the reason where it is undefined.

    Args:
        measured: None leaves the cell empty.
        told: the reason stands in a cell to the left; here it is for screen readers and pointers.
    """
    if measured is None:
        return '<td data-sort=""></td>'
    if measured.value is None or not measured.defined:
        reason = escape(measured.reason or "undefined")
        if told:
            return f'<td data-sort="" title="{reason}">–</td>'
        return f'<td data-sort="">–<span class="reason">{reason}</span></td>'
    interval = ""
    if measured.low is not None and measured.high is not None:
        ends = f"{decimal(measured.low)} to {decimal(measured.high)}"
        interval = f'<span class="interval">{ends}</span>'
    return f'<td data-sort="{measured.value:.6g}">{decimal(measured.value)}{interval}</td>'


def facts_table(facts: Mapping[str, str]) -> str:
    """Names and values."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>'
