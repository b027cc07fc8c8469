"""The page of the datasets says what the datasets declare."""

import importlib.util
from pathlib import Path

import pytest

from carina.datasets.phantom_cohort import PHANTOM
from carina.datasets.plain_csv import CSV
from carina.datasets.registry import DATASETS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "datasets.md"
RELEASES = sorted(set(DATASETS) - {PHANTOM.name, CSV.name})


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_has_a_row_with_its_source_licence_and_counts(name: str) -> None:
    dataset = DATASETS[name]
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if f"`{name}`" in line.split(" | ")[0])
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] in dataset.source
    assert cells[2] == dataset.licence
    told = dict(zip(("studies", "radiographs", "patients"), cells[3:6], strict=True))
    for what, cell in told.items():
        assert cell == (f"{dataset.counts[what]:,}" if what in dataset.counts else "not told")


def test_the_committed_table_is_the_one_that_the_declarations_would_make_today() -> None:
    spec = importlib.util.spec_from_file_location("docs_releases", DOCS / "releases.py")
    assert spec is not None
    assert spec.loader is not None
    releases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(releases)
    assert PAGE.read_text(encoding="utf-8") == releases.page(), (
        "docs/datasets.md is old: run `python docs/releases.py` and commit it"
    )
