"""The reference page is the one that the code would make today."""

import importlib.util
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / "docs" / "build.py"


@pytest.fixture(scope="module")
def reference() -> str:
    spec = importlib.util.spec_from_file_location("docs_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return build.reference()


def test_the_committed_reference_is_current(reference: str) -> None:
    committed = BUILD.with_name("reference.md").read_text(encoding="utf-8")
    assert committed == reference, "docs/reference.md is old: run `make docs` and commit it"


def test_the_reference_has_commands_options_and_the_public_face(reference: str) -> None:
    assert "### `carina ask`" in reference
    assert "| `--query` | NAME of a finding, or NAME=DESCRIPTION" in reference
    assert "### `carina.load`" in reference
    assert "#### `carina.Answer.heatmap`" in reference
    assert (
        "`QueryError`: there is no query, or one is blank, given twice, or of words that"
        in reference
    )
    assert "- `class QueryError`: A query is empty, given twice, or names nothing." in reference


def test_the_pages_of_the_docs_link_to_what_is_there() -> None:
    import re

    for page in BUILD.parent.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name} links to {link}"
