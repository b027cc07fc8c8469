"""Which pictures a run finds in the store that it is given."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.imaging.building import build_store
from carina.runs.stores import opened_store
from carina.studies.manifest import Manifest
from carina.study import Radiograph, Study


def test_images_that_a_given_store_lacks_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shades = np.arange(40 * 40, dtype=np.uint8).reshape(40, 40)
    Image.fromarray(shades).save(tmp_path / "a.png")
    build_store([("a.png", tmp_path / "a.png")], tmp_path / "store", 16, 1)
    names = ("a.png", "broken.png", "missing.png")
    studies = tuple(
        Study(
            study_id=name,
            patient_id=name,
            source="here",
            radiographs=(Radiograph(path=name, view="PA"), Radiograph(path=f"{name}.l", view="LL")),
        )
        for name in names
    )
    # The pictures may be gone: with a store nobody looks for them.
    manifest = Manifest(tmp_path / "m.parquet", tmp_path / "gone", studies=studies)
    store = opened_store(manifest, tmp_path / "run", (tmp_path / "store",), 16)
    assert list(store.keys) == ["a.png"]
    assert caplog.messages == [
        "2 of 3 images are not in the given store and are left out; `carina pack` adds those that "
        "can be read, and names the others."
    ]
    caplog.clear()
    opened_store(manifest.with_studies(studies[:1]), tmp_path / "run", (tmp_path / "store",), 16)
    assert caplog.messages == []
