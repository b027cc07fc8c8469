"""Images in folders that vary from copy to copy."""

from pathlib import Path

import pytest
from PIL import Image

from carina.datasets.found_images import check_found, images_below, measured_square
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.study import Radiograph


def put(path: Path, size: tuple[int, int] = (32, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size).save(path, "PNG")


def test_images_are_found_by_their_name_in_the_folders_that_are_named(tmp_path: Path) -> None:
    for path in ("train/x/y/a.dcm", "train/b.PNG", "test/c.jpeg", "other/a.png", "train/.d.png"):
        put(tmp_path / path)
    (tmp_path / "train" / "notes.txt").write_text("")
    assert images_below(tmp_path, ("t*",), depth=2) == {
        "a": "train/x/y/a.dcm",
        "b": "train/b.PNG",
        "c": "test/c.jpeg",
    }
    assert "a" not in images_below(tmp_path, ("t*",), depth=1)
    assert images_below(tmp_path / "other", (".",), depth=0) == {"a": "a.png"}


def test_two_images_of_a_name_and_none_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"found no image in train or test\. Unpack"):
        images_below(tmp_path, ("train", "test"), depth=1)
    put(tmp_path / "train" / "a.png")
    put(tmp_path / "train" / "a.dcm")
    with pytest.raises(DatasetError, match=r"a is both train/a\.dcm and train/a\.png; expected"):
        images_below(tmp_path, ("train",), depth=1)
    with pytest.raises(DatasetError, match="none of the 7 images that are listed is there, such"):
        check_found(tmp_path, 0, 7, "a.png")


def test_outlines_of_a_square_want_a_square(tmp_path: Path) -> None:
    put(tmp_path / "a.png", (48, 48))
    tally = Tally()
    found = measured_square(tmp_path, Radiograph(path="a.png", view="PA"), tally)
    assert found == Radiograph(path="a.png", view="PA", width=48, height=48)
    (tmp_path / "b.png").write_bytes(b"x")
    assert measured_square(tmp_path, Radiograph(path="b.png"), tally) is None
    assert tally.counts == {"images whose outlines are left out: they cannot be read": 1}
    put(tmp_path / "c.png", (48, 32))
    with pytest.raises(DatasetError, match=r"c\.png: is 48 x 32 pixels, but its outlines are of a"):
        measured_square(tmp_path, Radiograph(path="c.png"), tally)
