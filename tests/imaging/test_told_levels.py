"""Levels that a release tells of a picture, behind its path."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.errors import RadiographError
from carina.imaging.reader import probe, read_grey8, read_radiograph
from carina.imaging.told_levels import ToldLevels, told_apart

DEEP = np.linspace(0, 4095, 20 * 30).reshape(20, 30).round().astype(np.uint16)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of 12 bits in a file of 16."""
    Image.fromarray(DEEP).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    ("told", "path"),
    [
        (ToldLevels(), "0/a.png"),
        (ToldLevels(bits=12), "0/a.png#bits=12"),
        (ToldLevels(inverted=True), "0/a.png#inverted"),
        (ToldLevels(bits=10, inverted=True), "0/a.png#bits=10,inverted"),
    ],
)
def test_what_is_told_goes_behind_a_path_and_comes_back(told: ToldLevels, path: str) -> None:
    assert told.after("0/a.png") == path
    assert told_apart(Path(path)) == (Path("0/a.png"), told)


@pytest.mark.parametrize("name", ["a#1.png", "a.png#", "case #3", "a.png#bits=", "#inverted"])
def test_a_name_with_a_sharp_of_its_own_is_a_name(name: str) -> None:
    assert told_apart(Path(name)) == (Path(name), ToldLevels())


def test_a_picture_of_twelve_bits_fills_the_range_where_that_is_told(picture: Path) -> None:
    assert read_radiograph(picture).max() == pytest.approx(4095 / 65535)  # nearly black
    told = Path(f"{picture}#bits=12")
    np.testing.assert_allclose(read_radiograph(told), DEEP / 4095, atol=1e-6)
    np.testing.assert_array_equal(read_grey8(told), np.rint(DEEP / 4095 * 255))
    assert (probe(told).width, probe(told).height) == (30, 20)


def test_bone_is_bright_where_it_is_told_to_be_low(picture: Path) -> None:
    told = Path(f"{picture}#bits=12,inverted")
    np.testing.assert_allclose(read_radiograph(told), 1 - DEEP / 4095, atol=1e-6)


def test_levels_beyond_the_told_bits_are_white(picture: Path) -> None:
    assert read_radiograph(Path(f"{picture}#bits=11")).max() == 1.0


def test_a_copy_of_eight_bits_has_its_range_already(tmp_path: Path) -> None:
    Image.fromarray((DEEP >> 4).astype(np.uint8)).save(tmp_path / "b.png")
    grey = read_radiograph(tmp_path / "b.png#bits=12,inverted")
    np.testing.assert_allclose(grey, 1 - (DEEP >> 4) / 255, atol=1e-6)


def test_a_dicom_file_is_told_nothing(make_dicom: Callable[..., Path]) -> None:
    with pytest.raises(RadiographError, match="is DICOM, which says itself what its levels are"):
        read_radiograph(Path(f"{make_dicom(DEEP)}#inverted"))


def test_a_missing_file_is_named_without_what_is_told(tmp_path: Path) -> None:
    with pytest.raises(RadiographError, match=r"a\.png: there is no such file"):
        read_radiograph(tmp_path / "a.png#inverted")
