"""Masks that a release keeps as text become pictures beside the manifest."""

from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Bool
from PIL import Image

from carina.datasets.declaration import Release
from carina.datasets.mask_folder import MaskFolder, mask_folder_of, resized
from carina.errors import OutputError
from carina.evaluation.outlines import read_mask

CORNER = np.zeros((6, 6), dtype=np.bool_)
CORNER[:2, :3] = True


def never() -> Bool[np.ndarray, "height width"]:
    raise AssertionError("this mask is there already")


def test_a_drawn_mask_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = MaskFolder(tmp_path / "m_masks", tmp_path).draw("a", b"text", lambda: CORNER)
    assert path == "m_masks/a.png"
    np.testing.assert_array_equal(read_mask(tmp_path / path, 6, 6), CORNER)


def test_a_mask_drawn_from_the_same_text_is_left_and_from_another_is_drawn_anew(
    tmp_path: Path,
) -> None:
    folder = MaskFolder(tmp_path / "m_masks", tmp_path)
    path = folder.draw("a", b"text", lambda: CORNER)
    assert folder.draw("a", b"text", never) == path
    folder.draw("a", b"other text", lambda: ~CORNER)
    np.testing.assert_array_equal(read_mask(tmp_path / path, 6, 6), ~CORNER)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n half of it"])
def test_a_damaged_mask_is_drawn_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m_masks").mkdir()
    (tmp_path / "m_masks" / "a.png").write_bytes(content)
    MaskFolder(tmp_path / "m_masks", tmp_path).draw("a", b"text", lambda: CORNER)
    np.testing.assert_array_equal(read_mask(tmp_path / "m_masks" / "a.png", 6, 6), CORNER)


def test_a_picture_of_somebody_else_is_drawn_over_only_as_a_mask_of_that_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "m_masks").mkdir()
    Image.new("L", (6, 6)).save(tmp_path / "m_masks" / "other.png")
    MaskFolder(tmp_path / "m_masks", tmp_path).draw("a", b"text", lambda: CORNER)
    assert sorted(path.name for path in (tmp_path / "m_masks").iterdir()) == ["a.png", "other.png"]


def test_nothing_is_left_of_a_mask_that_could_not_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        MaskFolder(tmp_path / "m_masks", tmp_path).draw("a", b"text", never)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        MaskFolder(tmp_path / "file", tmp_path).draw("a", b"text", lambda: CORNER)
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".png"]


def test_paths_are_relative_where_manifest_and_release_can_move_together(tmp_path: Path) -> None:
    root, apart = tmp_path / "data" / "siim", tmp_path / "elsewhere" / "out"
    root.mkdir(parents=True)
    # The manifest beside the release, in it, and away from it.
    assert MaskFolder(tmp_path / "data" / "m_masks", root).start == "../m_masks"
    assert MaskFolder(root / "m_masks", root).start == "m_masks"
    assert MaskFolder(apart / "m_masks", root).start == str(apart / "m_masks")


def test_without_a_folder_nothing_is_drawn(tmp_path: Path) -> None:
    assert mask_folder_of(Release(root=tmp_path)) is None


def test_a_smaller_mask_holds_the_pixels_of_which_more_than_half_was_inside() -> None:
    mask = np.zeros((4, 4), dtype=np.bool_)
    mask[:2, :2] = True  # all of one quarter
    mask[0, 2:] = mask[1, 2] = True  # three of four pixels of the next
    mask[2, 0] = True  # one of four
    np.testing.assert_array_equal(resized(mask, 2), [[True, True], [False, False]])
    assert resized(mask, 4) is mask
