"""Outlines that do not fit their pictures are refused before anything is trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.errors import ManifestError, RadiographError
from carina.finetuning.outline_checks import check_boxes, check_outlines
from carina.finetuning.outlines import boxes_alone, outlined_images
from carina.imaging.building import build_store
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest, write_manifest
from carina.studies.truth import absent_where_only_presence_is_listed
from carina.study import Box, Mask, Radiograph, Study

ORIENTATION = 0x0112


def film(folder: Path, name: str, shape: tuple[int, int], orientation: int = 1) -> None:
    picture = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(picture).save(folder / name, exif=exif)


def drawn(folder: Path, name: str, shape: tuple[int, int], level: int = 255) -> None:
    mask = np.zeros(shape, dtype=np.uint8)
    mask[20:30, 20:30] = level
    Image.fromarray(mask).save(folder / name)


def outlined(folder: Path, *, box: Box | None = None, **radiograph: object) -> Manifest:
    """One film with a mask m.png and, where it is given, a box."""
    one = Study(
        study_id="s0",
        patient_id="p0",
        source="test",
        radiographs=(Radiograph(**{"path": "film.jpg", "view": "PA", **radiograph}),),
        masks=(Mask(radiograph=0, label="lung", path="m.png"),) if box is None else (),
        boxes=() if box is None else (box,),
    )
    return write_manifest([one], folder / "m.parquet", folder)


def store_of(folder: Path) -> ImageStore:
    build_store([("film.jpg", folder / "film.jpg")], folder / "store", 48, processes=1)
    return ImageStore.open(folder / "store")


def box(*corners: float) -> Box:
    x1, y1, x2, y2 = map(float, corners)
    return Box(radiograph=0, label="mass", x1=x1, y1=y1, x2=x2, y2=y2)


def test_a_mask_of_its_radiographs_size_is_taken(tmp_path: Path) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    drawn(tmp_path, "m.png", (60, 80))
    check_outlines(outlined(tmp_path), ["lung"], store_of(tmp_path))


@pytest.mark.parametrize("shape", [(80, 60), (120, 160), (60, 81)])
def test_masks_of_another_size_or_turned_are_refused(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    drawn(tmp_path, "m.png", shape)
    told = rf"1 of 1 masks are of another size.*m.png \({shape[1]} x {shape[0]} for 80 x 60\)"
    with pytest.raises(ManifestError, match=told):
        check_outlines(outlined(tmp_path), ["lung"], store_of(tmp_path))


def test_a_mask_of_the_picture_before_it_was_turned_upright_is_refused(tmp_path: Path) -> None:
    film(tmp_path, "film.jpg", (60, 80), orientation=6)  # shown as 60 wide and 80 high
    drawn(tmp_path, "m.png", (60, 80))
    with pytest.raises(ManifestError, match=r"m.png \(80 x 60 for 60 x 80\)"):
        check_outlines(outlined(tmp_path), ["lung"], store_of(tmp_path))
    drawn(tmp_path, "m.png", (80, 60))
    check_outlines(outlined(tmp_path), ["lung"], store_of(tmp_path))


@pytest.mark.parametrize("level", [0, 1])
def test_masks_without_a_pixel_are_refused(tmp_path: Path, level: int) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    drawn(tmp_path, "m.png", (60, 80), level)
    with pytest.raises(ManifestError, match=r"1 of 1 masks have no pixel above half.*0 and 255"):
        check_outlines(outlined(tmp_path), ["lung"], store_of(tmp_path))


def test_a_mask_of_two_levels_is_taken(tmp_path: Path) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    mask = np.zeros((60, 80), dtype=bool)
    mask[20:30, 20:30] = True
    Image.fromarray(mask).save(tmp_path / "m.png")
    check_outlines(outlined(tmp_path), ["lung"], store_of(tmp_path))


def test_a_mask_that_is_not_there_is_told(tmp_path: Path) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    with pytest.raises(RadiographError, match=r"m.png"):
        check_outlines(outlined(tmp_path), ["lung"], store_of(tmp_path))


@pytest.mark.parametrize(
    "corners",
    [
        (10, 10, 82, 20),
        (-3, 10, 20, 20),
        (10, 10, 10, 20),
        (30, 10, 20, 20),
        (10, float("nan"), 20, 20),
    ],
)
def test_boxes_past_the_edge_or_without_an_area_are_refused(
    tmp_path: Path, corners: tuple[float, ...]
) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    manifest = outlined(tmp_path, box=box(*corners))
    with pytest.raises(ManifestError, match=r"1 boxes are empty or lie past.*'s0' .* 80 x 60 pix"):
        check_boxes(manifest, ["mass"], store_of(tmp_path))


def test_a_box_may_lie_a_pixel_past_the_edge(tmp_path: Path) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    check_boxes(outlined(tmp_path, box=box(0, -1, 81, 60)), ["mass"], store_of(tmp_path))


def test_a_size_that_the_manifest_does_not_tell_is_that_of_the_file(tmp_path: Path) -> None:
    """Else a box in pixels of the film would be taken for one in pixels of the small picture."""
    film(tmp_path, "film.jpg", (60, 80))
    manifest = outlined(tmp_path, box=box(10, 10, 40, 30))
    images = outlined_images(
        manifest,
        manifest,
        ["mass"],
        store_of(tmp_path),
        reader=boxes_alone,
        unmentioned=absent_where_only_presence_is_listed,
    )
    assert (images.outlines[0].width, images.outlines[0].height) == (80, 60)


def test_a_size_that_is_told_otherwise_is_refused(tmp_path: Path) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    manifest = outlined(tmp_path, box=box(10, 10, 40, 30), width=160, height=120)
    with pytest.raises(ManifestError, match=r"told to be 160 x 120 pixels, but its file is 80 x"):
        check_boxes(manifest, ["mass"], store_of(tmp_path))


def test_outlines_of_other_names_and_other_views_are_not_looked_at(tmp_path: Path) -> None:
    film(tmp_path, "film.jpg", (60, 80))
    bad = outlined(tmp_path, box=box(30, 10, 20, 20))
    check_boxes(bad, ["nodule"], store_of(tmp_path))
    lateral = replace(bad.studies[0].radiographs[0], view="LATERAL")
    side = bad.with_studies([replace(bad.studies[0], radiographs=(lateral,))])
    check_boxes(side, ["mass"], store_of(tmp_path))
