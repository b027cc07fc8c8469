"""The intervals of recorded tables, made anew from the evaluations that were kept.

    python benchmarks/finetuning_intervals.py --work build/finetuning

`--work` is that of finetuning_tables.py. Nothing is trained or measured: where the way to an
interval has changed, rows of finetuning.csv whose evaluations are there get new ends. Rows without
evaluations, or whose values do not come out as they were recorded (so the evaluations are those of
other models), keep theirs and are named.
"""

import argparse
import csv
import io
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from carina.evaluation.efficiency import MEASURES, Measurement, efficiency_rows
from carina.evaluation.pooling import pooled
from carina.evaluation.result import Evaluation
from carina.files import progress, write_text
from finetuning import FEW

TABLE = Path(__file__).parent / "finetuning.csv"
Row = dict[str, str]
SAME = 1e-9
"""Less than this lies between a value and itself as the table has it."""


def same_models(row: Row) -> tuple[str, ...]:
    """What rows of the same models have in common: all but the metric."""
    shared = ("data", "task", "names", "encoder", "start", "fraction", "steps")
    return tuple(row[name] for name in shared)


def seeds_of(work: Path, row: Row) -> Iterator[Path]:
    """The folder of each seed of a row; random starts stand beside others of their encoder."""
    fraction = f"{float(row['fraction']):g}"
    for group in sorted((work / row["data"] / row["task"]).glob("*")):
        kin = {"ResNet": ("kad", "medklip", "gloria"), "ViT": ("maco", "ecamp")}[row["encoder"]]
        if group.name.startswith(kin):
            yield from sorted((group / row["start"] / fraction).glob("seed*"))


def measurement(folder: Path, row: Row) -> Measurement:
    """One seed: its evaluation, or those of its folds together."""
    folds = sorted(folder.glob("fold*/evaluation"))
    return Measurement(
        start=row["start"],
        fraction=float(row["fraction"]),
        seed=int(folder.name.removeprefix("seed")),
        patients=int(row["patients"]),
        images=int(row["images"]),
        evaluation=pooled([Evaluation.read(one) for one in folds], replicates=FEW)
        if folds
        else Evaluation.read(folder / "evaluation"),
    )


def renew(rows: list[Row], work: Path) -> bool:
    """Puts new ends into rows of the same models; False where the evaluations are not theirs."""
    folders = list(seeds_of(work, rows[0]))
    if len(folders) != int(rows[0]["seeds"]):
        return False
    measurements = [measurement(folder, rows[0]) for folder in folders]
    (made,) = efficiency_rows(measurements, MEASURES[measurements[0].evaluation.task])
    scores = [made.mean[row["metric"]] for row in rows]
    if not all(same_value(score.value, row) for row, score in zip(rows, scores, strict=True)):
        return False
    for row, score in zip(rows, scores, strict=True):
        if score.value is not None:
            row.update(low=str(score.low), high=str(score.high))
    return True


def same_value(value: float | None, row: Row) -> bool:
    """Whether a value is the one that was recorded; both may be undefined."""
    if value is None or not row["value"]:
        return value is None and not row["value"]
    return abs(value - float(row["value"])) < SAME


def main() -> None:
    """Renews the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work
    with TABLE.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    groups = [list(group) for _, group in groupby(rows, same_models)]
    for group in progress(groups, "Renewing", len(groups)):
        if not renew(group, work):
            print("left as recorded:", same_models(group[0]))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(TABLE, text.getvalue())


if __name__ == "__main__":
    main()
