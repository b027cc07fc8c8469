"""What happened at each logged step, as a CSV file and, where it is installed, for TensorBoard."""

import csv
from pathlib import Path
from typing import Protocol, runtime_checkable

from carina.files import atomic_path


@runtime_checkable
class Log(Protocol):
    """Takes the numbers of a step."""

    def write(self, step: int, values: dict[str, float]) -> None:
        """Keeps the numbers of one step."""
        ...


class CsvLog:
    """A CSV file with one row per logged step.

    Opened again after a stop, it first drops the rows from `first_step` on: they are about to be
    made again.
    """

    def __init__(self, path: Path, first_step: int) -> None:
        self.path = path
        kept = rows_before(path, first_step) if path.exists() else []
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as f:
            if kept:
                writer = csv.DictWriter(f, fieldnames=list(kept[0]))
                writer.writeheader()
                writer.writerows(kept)
        self.has_header = bool(kept)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Appends a row."""
        row = {"step": step, **values}
        with self.path.open("a", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(row))
            if not self.has_header:
                writer.writeheader()
                self.has_header = True
            writer.writerow(row)


class TensorBoardLog:
    """TensorBoard event files beside the CSV; needs the extra `tensorboard`."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=first_step)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Adds each number as a scalar."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()


def rows_before(path: Path, first_step: int) -> list[dict[str, str]]:
    """The whole rows of a log up to a step, as they were written.

    A row that a killed run did not finish is dropped.
    """
    with path.open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if None not in row.values()]
    return [row for row in rows if int(row["step"]) < first_step]


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a CSV log, as numbers."""
    with path.open(encoding="utf-8", newline="") as handle:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(handle)
        ]
