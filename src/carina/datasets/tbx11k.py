"""TBX11K: radiographs of the healthy, of the sick, and of people with tuberculosis, in boxes.

Source: Liu et al., CVPR 2020 and IEEE TPAMI 2023. The labels of the test part are kept by the
makers' server, so there is a training and a validation part. An image's class is the folder that
it lies in. The XML files of the release are not read: their boxes are in pixels of the originals,
which it does not have.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from carina.datasets.cells import slashes
from carina.datasets.declaration import Dataset, Release
from carina.datasets.found_images import images_below, measured_square
from carina.datasets.pixel_boxes import Corners, box_on, checked_corners
from carina.datasets.released_json import read_coco
from carina.datasets.table import read_lines
from carina.datasets.tally import Tally
from carina.datasets.tbx11k_layout import (
    ACTIVE,
    BOXES,
    CATEGORIES,
    EITHER,
    HEALTHY,
    ILL,
    IMAGES,
    LATENT,
    LISTS,
    SICK,
    SIDE,
    TEST,
    write_tbx11k,
)
from carina.errors import DatasetError
from carina.study import Assertion, Box, Finding, Radiograph, Study

LICENCE = "as the README of the release says; research only"
_ABSENT = tuple(Finding(name=name, value=Assertion.ABSENT) for name in (EITHER, ACTIVE, LATENT))
_ILL = Finding(name=EITHER, value=Assertion.PRESENT)
_NORMAL = Finding(name="No Finding", value=Assertion.PRESENT)

Boxes = Mapping[str, Sequence[tuple[str, Corners]]]


def read_tbx11k(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the training and of the validation list, an image each.

    Who is sick otherwise has no tuberculosis; of what the sick have, nothing is told. A case is
    active or latent by its boxes, and may be both. Every box stands under "Tuberculosis" too.

    Raises:
        DatasetError: a file is of something else, an image is listed twice, or no image of the
            two lists is there; the message says so where only the test part is.
    """
    places = images_below(release.root, (IMAGES,), depth=1)
    boxes = boxes_in(release.root)
    listed = list(listed_in(release.root))
    found = 0
    for name, split in listed:
        stem = PurePosixPath(name).stem
        if stem not in places:
            tally.add("images that are listed but not there, left out", name)
            continue
        found += 1
        study = _study(name, places[stem], split, boxes.get(stem, ()), tally)
        yield with_boxes(study, boxes.get(stem, ()), release.root, tally)
    tested = sum(f"/{TEST}/" in path for path in places.values())
    if not found:
        raise DatasetError(_nothing(release.root, listed, tested))
    if tested:
        tally.note(
            f"{tested:,} images of the test part were left out: its labels are not public. Measure "
            "on the validation part, or send predictions to the server of its makers."
        )
    strangers = boxes.keys() - {PurePosixPath(name).stem for name, _ in listed}
    if strangers:
        tally.add("images with boxes that no list names", min(strangers), len(strangers))


def _nothing(root: Path, listed: Sequence[tuple[str, str]], tested: int) -> str:
    where = f"{root}: none of the {len(listed):,} images of the two lists is there"
    if tested:
        return (
            f"{where}, but {tested:,} of the test part, whose labels are not public. Unpack "
            f"{IMAGES}/{HEALTHY}, {IMAGES}/{SICK} and {IMAGES}/{ILL} too."
        )
    example = listed[0][0] if listed else f"{ILL}/tb0001.png"
    return f"{where}, such as {IMAGES}/{example}. Unpack the images beside the lists."


def listed_in(root: Path) -> Iterator[tuple[str, str]]:
    """The path below `imgs` and the split of every image of the two lists.

    Raises:
        DatasetError: a line is no such path, or names an image a second time.
    """
    seen: set[str] = set()
    for split, file in LISTS.items():
        for number, line in enumerate(read_lines(root / file), start=1):
            where = f"{root / file}, line {number}"
            path = PurePosixPath(slashes(line).removeprefix(f"{IMAGES}/"))
            if len(path.parts) != 2 or path.parts[0] not in (HEALTHY, SICK, ILL):
                raise DatasetError(
                    f"{where}: found {line[:40]!r}, expected an image of {HEALTHY}/, {SICK}/ or "
                    f"{ILL}/ such as {ILL}/tb0001.png. Take {PurePosixPath(file).name} of the "
                    "release; lists of `all` and of the test part name images without a class."
                )
            if path.stem in seen:
                raise DatasetError(
                    f"{where}: {path} is listed a second time; expected each image once in one "
                    "of the two lists. Download the lists again."
                )
            seen.add(path.stem)
            yield path.as_posix(), split


def boxes_in(root: Path) -> Boxes:
    """Image -> its boxes, each with the release's category.

    Raises:
        DatasetError: the file is of something else, or a box cannot be understood.
    """
    path = next(root / name for name in BOXES if (root / name).exists())
    coco = read_coco(path, "file_name")
    boxes: dict[str, list[tuple[str, Corners]]] = {}
    for place, record in enumerate(coco.records):
        try:
            name = PurePosixPath(slashes(str(coco.images[record["image_id"]]["file_name"]))).stem
            kind, corners = coco.categories[record["category_id"]], corners_of(record["bbox"])
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{path}, annotation {place}: lacks {error}, or has it in another form; expected "
                "an image, a category and a bbox of four numbers. Download the file again."
            ) from error
        except DatasetError as error:
            raise DatasetError(
                f"{path}, annotation {place}: {error}. Download the file again."
            ) from error
        if kind not in CATEGORIES:
            raise DatasetError(
                f"{path}, annotation {place}: the category is {kind!r}, expected one of "
                f"{', '.join(CATEGORIES)}. Take the file of TBX11K."
            )
        boxes.setdefault(name, []).append((kind, corners))
    return boxes


def corners_of(bbox: Any) -> Corners:
    """Left, top, right and bottom from left, top, width and height, checked.

    Raises:
        ValueError, TypeError: they are no four numbers.
        DatasetError: the box has no area or lies outside of the picture.
    """
    x, y, across, down = map(float, bbox)
    return checked_corners((x, y, x + across, y + down), SIDE)


def _study(
    name: str, path: str, split: str, boxes: Sequence[tuple[str, Corners]], tally: Tally
) -> Study:
    folder, stem = PurePosixPath(name).parent.name, PurePosixPath(name).stem
    if folder != ILL and boxes:
        tally.add("boxes on images of people without tuberculosis, left out", name, len(boxes))
    if folder == ILL and not boxes:
        tally.add("images of tuberculosis without a box: active or latent is not told", name)
    return Study(
        study_id=stem,
        patient_id=stem,
        source=TBX11K.name,
        radiographs=(Radiograph(path=path),),
        findings=findings_of(folder, [CATEGORIES[kind] for kind, _ in boxes]),
        split=split,
        licence=LICENCE,
    )


def findings_of(folder: str, kinds: Sequence[str]) -> tuple[Finding, ...]:
    """What the folder of an image says, and the kinds of its boxes."""
    if folder == HEALTHY:
        return (_NORMAL, *_ABSENT)
    if folder == SICK:
        return _ABSENT
    if not {ACTIVE, LATENT} & set(kinds):
        return (_ILL,)
    return (
        _ILL,
        *(
            Finding(name=name, value=Assertion.PRESENT if name in kinds else Assertion.ABSENT)
            for name in (ACTIVE, LATENT)
        ),
    )


def with_boxes(
    study: Study, boxes: Sequence[tuple[str, Corners]], root: Path, tally: Tally
) -> Study:
    """The study with its boxes, each under its kind and under "Tuberculosis", on any size."""
    if not boxes or _ILL not in study.findings:
        return study
    radiograph = measured_square(root, study.radiographs[0], tally)
    if radiograph is None:
        return study
    scale = (radiograph.width or SIDE) / SIDE
    drawn: list[Box] = []
    for kind, corners in boxes:
        labels = dict.fromkeys((CATEGORIES[kind], EITHER))
        drawn += [box_on(corners, label, scale) for label in labels]
    return replace(study, radiographs=(radiograph,), boxes=tuple(drawn))


TBX11K = Dataset(
    name="tbx11k",
    source="Liu et al., CVPR 2020 and IEEE TPAMI 2023 (training and validation part: the test "
    "labels are not public)",
    licence=LICENCE,
    layout=(f"{IMAGES}/", *LISTS.values(), " or ".join(BOXES)),
    read=read_tbx11k,
    write=write_tbx11k,
    counts={"studies": 8_400, "radiographs": 8_400},
    labels={f"studies with {EITHER}": 800},
)
