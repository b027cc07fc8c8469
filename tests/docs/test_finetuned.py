"""The page of what few labels gave is the one that the benchmark's rows would make today."""

import importlib.util
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).resolve().parents[2] / "docs"


def script() -> ModuleType:
    """docs/finetuned.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_finetuned", DOCS / "finetuned.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_of_few_labels_is_current() -> None:
    committed = (DOCS / "finetuned.md").read_text(encoding="utf-8")
    assert committed == script().page(), (
        "docs/finetuned.md is old: run `python docs/finetuned.py` and commit it"
    )


def test_the_committed_pictures_of_few_labels_are_current() -> None:
    for name, picture in script().pictures():
        committed = (DOCS / "images" / name).read_text(encoding="utf-8")
        assert committed == picture, f"docs/images/{name} is old: run `python docs/finetuned.py`"
