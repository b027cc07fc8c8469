"""Small cohorts on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.imaging.films import average_film
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph, Report, Study


def draw(path: Path, seed: int, width: int = 40, height: int = 32) -> None:
    """Lungs, spine and noise: another seed, another picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shades = Image.fromarray(average_film().picture).resize((width, height))
    noise = np.random.default_rng(seed).normal(0, 0.7, (height, width))
    levels = np.clip(128 + 40 * (np.asarray(shades) + noise), 0, 255).astype(np.uint8)
    Image.fromarray(levels).save(path)


@pytest.fixture
def drawn() -> Callable[..., None]:
    return draw


@pytest.fixture
def cohort(tmp_path: Path) -> Callable[..., Manifest]:
    """Writes studies 0, 1, ... of patients and splits, with one picture each; gives a manifest."""

    def make(
        name: str = "m",
        patients: str = "abcd",
        splits: tuple[str | None, ...] = ("train", "train", "validate", "test"),
        seeds: tuple[int, ...] = (0, 1, 2, 3),
        source: str = "here",
    ) -> Manifest:
        studies = []
        for number, (patient, split, seed) in enumerate(zip(patients, splits, seeds, strict=True)):
            path = f"{name}/{number}.png"
            draw(tmp_path / path, seed)
            studies.append(
                Study(
                    study_id=f"{name}{number}",
                    patient_id=patient,
                    source=source,
                    radiographs=(Radiograph(path=path, view="PA", width=40, height=32),),
                    report=Report(text="No effusion."),
                    split=split,
                )
            )
        return write_manifest(studies, tmp_path / f"{name}.parquet", tmp_path)

    return make
