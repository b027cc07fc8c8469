"""The page of descriptions is the one that the data would make today."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "described.py"


def test_the_committed_page_of_descriptions_is_current() -> None:
    spec = importlib.util.spec_from_file_location("docs_described", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    described = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(described)
    committed = SCRIPT.with_suffix(".md").read_text(encoding="utf-8")
    assert committed == described.page(), (
        "docs/described.md is old: run `python docs/described.py` and commit it"
    )
