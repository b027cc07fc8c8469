"""A folder of radiographs with a table, and a cohort made by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.drawn_cohort import DrawnCohort
from carina.phantom.findings import FINDINGS
from carina.study import Assertion, Box, Finding, Radiograph, Study

SIDE = 32


def draw(path: Path, width: int = 40, height: int = 32) -> None:
    """A grey picture with a ramp in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.linspace(0, 255, width * height).astype(np.uint8).reshape(height, width)
    Image.fromarray(levels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table, and a picture for each name given; gives the folder."""

    def make(table: str, *images: str, name: str = "manifest.csv") -> Path:
        root = tmp_path / "release"
        for image in images or ("a.png", "b.png"):
            draw(root / image)
        (root / name).write_text(table, encoding="utf-8")
        return root

    return make


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[[Sequence[Sequence[str]]], DrawnCohort]:
    """Makes a cohort from the findings of each study, for writers of layouts: nothing is drawn.

    Two studies a patient. Half of the patients train, a quarter validates, a quarter tests.
    Every finding has a box over the left upper quarter of the picture.
    """
    root = tmp_path / "drawn"
    root.mkdir()
    Image.linear_gradient("L").resize((SIDE, SIDE)).save(root / "a.png")

    def make(present: Sequence[Sequence[str]]) -> DrawnCohort:
        patients = -(-len(present) // 2)
        studies = tuple(
            hand_made(
                number, names, ("train", "train", "validate", "test")[number // 2 * 4 // patients]
            )
            for number, names in enumerate(present)
        )
        return DrawnCohort(root=root, studies=studies, seed=1)

    return make


def hand_made(number: int, names: Sequence[str], split: str) -> Study:
    """A study of which everything is known."""
    return Study(
        study_id=f"s{number}",
        patient_id=f"p{number // 2}",
        source="phantom",
        radiographs=(Radiograph(path="a.png", view="PA", width=SIDE, height=SIDE),),
        findings=tuple(
            Finding(name=name, value=Assertion.PRESENT if name in names else Assertion.ABSENT)
            for name in FINDINGS
        ),
        boxes=tuple(
            Box(radiograph=0, label=name, x1=0.0, y1=0.0, x2=SIDE / 2, y2=SIDE / 2)
            for name in names
        ),
        split=split,
        sex="F",
        age_years=93.0,
    )
