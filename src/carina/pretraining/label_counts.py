"""What a training was taught, as a table for people."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int8

from carina.files import atomic_path
from carina.pretraining.report_targets import Label


def write_label_counts(
    names: Sequence[str], labels: Int8[np.ndarray, "images queries"], folder: Path
) -> None:
    """Writes which findings were asked in training, and how often each label occurred."""
    with atomic_path(folder / "queries.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", *(label.name.lower() for label in Label)])
        for column, name in enumerate(names):
            counts = [int((labels[:, column] == label).sum()) for label in Label]
            writer.writerow([name, *counts])
