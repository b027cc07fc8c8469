"""The page of the datasets says what the datasets declare."""

from pathlib import Path

import pytest

from carina.datasets.phantom_cohort import PHANTOM
from carina.datasets.plain_csv import CSV
from carina.datasets.registry import DATASETS

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"
RELEASES = sorted(set(DATASETS) - {PHANTOM.name, CSV.name})


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_has_a_row_with_its_source_licence_and_counts(name: str) -> None:
    dataset = DATASETS[name]
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if f"`{name}`" in line.split(" | ")[0])
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] in dataset.source
    assert cells[2] == dataset.licence
    counts = [f"{dataset.counts[what]:,}" for what in dataset.counts]
    assert cells[3 : 3 + len(counts)] == counts
