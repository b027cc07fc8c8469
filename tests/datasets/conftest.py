"""A folder of radiographs with a table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


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
