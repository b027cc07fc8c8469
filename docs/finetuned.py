"""Builds docs/finetuned.md and its pictures: what fine-tuning gave, from the benchmark's rows.

python docs/finetuned.py
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.files import write_text
from carina.pages.efficiency_page import EfficiencyPoint, efficiency_chart, percent
from carina.pages.measured import Measured

HERE = Path(__file__).resolve().parent
PAGE = HERE / "finetuned.md"
TABLE = HERE.parent / "benchmarks" / "finetuning.csv"

OPENING = """# What few labels gave

*Made by `python docs/finetuned.py` from [benchmarks/finetuning.csv](../benchmarks/finetuning.csv);
edit the script, not this page. [finetuning.md](finetuning.md) explains the tasks and says what the
numbers mean; `benchmarks/finetuning_tables.py` makes them.*

Every start has the same settings and the same length. In brackets are 95% intervals over test
patients and seeds (in a cross-validation: over patients). A start is compared with others of the
same kind of encoder, `random` being that encoder with fresh weights. Starts were pre-trained once
each, for different lengths, so rows of different systems do not rank the methods.
"""


@dataclass(frozen=True)
class Section:
    """One table: which rows, which metrics, and what is to be said of it."""

    title: str
    task: str
    data: str
    metrics: tuple[str, ...]
    text: str
    picture: str = ""


SECTIONS = (
    Section(
        "Linear probe, synthetic cohort",
        "linear-probe",
        "phantom",
        ("auc", "average_precision"),
        "Five findings; one regression a finding on features of the frozen encoder.",
        "linear_probe",
    ),
    Section(
        "Classification, synthetic cohort",
        "classification",
        "phantom",
        ("auc", "average_precision"),
        "The same five findings, measured on every second test patient; encoder and head are "
        "trained.",
        "classification",
    ),
    Section(
        "Segmentation, synthetic cohort",
        "segmentation",
        "phantom",
        ("dice", "iou"),
        "The outline of the enlarged heart, on films that show one.",
        "segmentation",
    ),
    Section(
        "Grading, synthetic cohort",
        "grading",
        "phantom",
        ("kappa", "auc", "accuracy"),
        "Edema (grades 0 to 4) and cardiomegaly (0 to 3), 0 where the study lists the finding as "
        "absent, measured on every second test patient; quadratic kappa, AUC of any grade above 0.",
        "grading",
    ),
    Section(
        "Detection, synthetic cohort",
        "detection",
        "phantom",
        ("map", "map_coco", "ap50"),
        "Cardiomegaly, pleural effusion and nodule, measured on every fourth test patient, films "
        "without a box included; mAP over IoU 0.4 to 0.75, as the papers have it.",
        "detection",
    ),
    Section(
        "Pneumonia on real films",
        "linear-probe",
        "nih_cxr",
        ("auc", "average_precision"),
        "NIH's label, mined from reports, on 116 test films. Hold it against what a film's mean "
        "brightness tells by itself: films with the label are darker, AUC 0.800 "
        "([row](../benchmarks/brightness.csv)).",
    ),
    Section(
        "Lungs on real films",
        "segmentation",
        "covid_cxr",
        ("dice", "iou"),
        "Both lungs in one mask, 117 masks of 63 patients to train on, 20 to test on; one seed.",
    ),
    Section(
        "Ground glass opacities on real films",
        "segmentation",
        "covid_cxr outlined",
        ("dice", "iou"),
        "33 outlined films, cross-validated by patient in five folds.",
    ),
    Section(
        "Opacity boxes on real films",
        "detection",
        "nih_cxr read by RSNA",
        ("map", "map_coco", "ap50"),
        "The 273 films that RSNA's readers saw, cross-validated by patient in five folds.",
    ),
    Section(
        "Brixia score on real films",
        "severity",
        "covid_cxr",
        ("correlation", "mae"),
        "The senior reader's sum, 0 to 18, of 70 films; cross-validated by patient in five folds.",
    ),
    Section(
        "Extent and opacity on real films",
        "severity",
        "covid_cxr extent",
        ("correlation", "mae"),
        "Means of three readers, 20 films; cross-validated by patient in five folds.",
    ),
)

NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "dice": "Dice",
    "iou": "IoU",
    "kappa": "kappa",
    "accuracy": "accuracy",
    "map": "mAP",
    "map_coco": "COCO's mAP",
    "ap50": "AP at 0.5",
    "correlation": "correlation",
    "mae": "mean absolute error",
}

Row = dict[str, str]
OLD_NAMES = "8 findings"
"""Rows of an earlier table, whose numbers stand in finetuning.md."""


def rows_of(section: Section) -> list[Row]:
    """The benchmark's rows of a section, in their order: those of the longest training."""
    with TABLE.open(encoding="utf-8", newline="") as handle:
        rows = [
            row
            for row in csv.DictReader(handle)
            if (row["task"], row["data"]) == (section.task, section.data)
            and row["names"] != OLD_NAMES
        ]
    longest = max((int(row["steps"]) for row in rows), default=0)
    return [row for row in rows if int(row["steps"]) == longest]


def measured(row: Row) -> Measured:
    """Value and interval of a row."""
    low, high = (float(row[end]) if row[end] else None for end in ("low", "high"))
    return Measured(value=float(row["value"]) if row["value"] else None, low=low, high=high)


def told(row: Row | None) -> str:
    """A cell: the value and its interval."""
    if row is None or not row["value"]:
        return "not defined"
    value = f"{float(row['value']):.3f}"
    return f"{value} ({float(row['low']):.3f} to {float(row['high']):.3f})" if row["low"] else value


def page() -> str:
    """The whole page."""
    parts = [OPENING]
    for section in SECTIONS:
        rows = rows_of(section)
        if rows:
            parts += [f"## {section.title}", "", *section_lines(section, rows), ""]
    return "\n".join(parts)


def section_lines(section: Section, rows: Sequence[Row]) -> Iterator[str]:
    """Text, pictures and tables of one section."""
    first = rows[0]
    length = (
        f" {first['steps']} steps of {first['batch']} films."
        if first["steps"] != "0"
        else " Nothing is trained for a number of steps."
    )
    yield section.text + length
    yield ""
    if section.picture:
        yield "\n".join(
            f"![{section.title}, {kind}](images/{name})" for kind, name in drawn(section)
        )
        yield ""
    fractions = sorted({float(row["fraction"]) for row in rows})
    patients = {float(row["fraction"]): row["patients"] for row in rows}
    for metric in section.metrics:
        heads = [f"{patients[f]} patients ({percent(f)})" for f in fractions]
        yield f"| {NAMES[metric]} | encoder | " + " | ".join(heads) + " |"
        yield "|---|---|" + "---|" * len(heads)
        yield from table_lines([row for row in rows if row["metric"] == metric], fractions)
        yield ""


def table_lines(rows: Sequence[Row], fractions: Sequence[float]) -> Iterator[str]:
    """A line for each start; those of one kind of encoder together."""
    by_place = {(row["encoder"], row["start"], float(row["fraction"])): row for row in rows}
    starts = sorted({(encoder, start) for encoder, start, _ in by_place}, key=by_kind)
    for encoder, start in starts:
        cells = [told(by_place.get((encoder, start, fraction))) for fraction in fractions]
        name = "random" if start == "random" else f"`{start}`"
        yield f"| {name} | {encoder} | " + " | ".join(cells) + " |"


def by_kind(start: tuple[str, str]) -> tuple[str, bool, str]:
    """Encoders together, random last."""
    encoder, name = start
    return encoder, name == "random", name


def drawn(section: Section) -> list[tuple[str, str]]:
    """The kinds of encoder of a section and the names of their pictures."""
    kinds = sorted({row["encoder"] for row in rows_of(section)})
    return [(kind, f"{section.picture}_{kind.lower()}.svg") for kind in kinds]


def pictures() -> Iterator[tuple[str, str]]:
    """Name and SVG of each picture: score against the share of the labels, a line a start."""
    for section in SECTIONS:
        metric = section.metrics[0]
        for kind, name in drawn(section) if section.picture else ():
            points = [
                EfficiencyPoint(
                    start=row["start"],
                    fraction=float(row["fraction"]),
                    seeds=int(row["seeds"]),
                    patients=int(row["patients"]),
                    values={metric: measured(row)},
                )
                for row in rows_of(section)
                if row["encoder"] == kind and row["metric"] == metric
            ]
            yield name, efficiency_chart(points, metric)


if __name__ == "__main__":
    write_text(PAGE, page())
    (HERE / "images").mkdir(exist_ok=True)
    for name, picture in pictures():
        write_text(HERE / "images" / name, picture)
