"""CheXlocalize: outlines of ten findings on CheXpert's validation and test images.

Source: Saporta et al., Nat Mach Intell 2022, doi:10.1038/s42256-022-00536-x. Two radiologists
outlined what is there; masks are COCO's run lengths in pixels of the original, drawn for the
manifest. The outlines of three more readers (`hb_...`) are another opinion: `chexlocalize-readers`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from PIL import Image

from carina.datasets.chexlocalize_layout import FILES, NAMES, TABLES, write_chexlocalize
from carina.datasets.chexpert import LICENCE, studies_there, visits_in
from carina.datasets.chexpert_test import DEPTHS, places_of
from carina.datasets.coco_masks import mask_of_text
from carina.datasets.declaration import Dataset, Release
from carina.datasets.mask_folder import MaskFolder, mask_folder_of
from carina.datasets.released_json import read_json
from carina.datasets.tally import Tally
from carina.errors import DatasetError, RadiographError
from carina.imaging.reader import probe
from carina.study import Assertion, Mask, Radiograph, Study

READER = "consensus"
ADVICE = "Download it again."

Outlines = Mapping[str, Mapping[str, Any]]
Pixels = Bool[np.ndarray, "height width"]


def read_chexlocalize(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies of the validation part, then of the test part, with their masks.

    Raises:
        DatasetError: a part has outlines and no labels, an outline cannot be read, or no image
            is there.
        OutputError: a mask cannot be written.
    """
    folder = mask_folder_of(release)
    for split, file in FILES.items():
        found = places_of(release.root, file)
        if not found:
            tally.note(f"{file} is not there: no study of {split}.")
            continue
        outlines = outlines_in(found[0])
        visits = visits_in(release.root, (table_of(release.root, split),), tally)
        for study in studies_there(release.root, visits, tally):
            whole = replace(study, split=split)
            yield with_masks(whole, outlines, folder, release.root, found[0], tally)


def table_of(root: Path, split: str) -> Path:
    """The labels of a part.

    Raises:
        DatasetError: there are none.
    """
    found = [path for name in TABLES[split] for path in places_of(root, name)]
    if not found:
        raise DatasetError(
            f"{root}: {' or '.join(TABLES[split])} expected here or up to two folders below, "
            f"beside {FILES[split]}. Put the labels of CheXpert's images there."
        )
    return found[0]


def outlines_in(path: Path) -> Outlines:
    """Image -> finding -> what is told of its mask.

    Raises:
        DatasetError: the file is of something else.
    """
    content = read_json(path, ADVICE)
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise DatasetError(
            f"{path}: found {type(content).__name__}, expected outlines by image and finding, "
            f"such as patient64541_study1_view1_frontal. {ADVICE}"
        )
    return content


def with_masks(
    study: Study,
    outlines: Outlines,
    folder: MaskFolder | None,
    root: Path,
    file: Path,
    tally: Tally,
) -> Study:
    """The study with the masks of all its radiographs, each of the size of its picture.

    Raises:
        DatasetError: an outline cannot be read.
    """
    radiographs, masks = [], []
    for place, radiograph in enumerate(study.radiographs):
        key = f"{study.study_id}_{PurePosixPath(radiograph.path).stem}"
        sized = measured(root, radiograph, tally)
        radiographs.append(sized)
        if key not in outlines:
            tally.add("images without an outline", key)
        elif folder is not None and sized.width is not None:
            found = masks_of(key, outlines[key], sized, folder, file)
            masks += [replace(mask, radiograph=place) for mask in found]
    study = replace(study, radiographs=tuple(radiographs), masks=tuple(masks))
    if folder is not None:
        count_contradictions(study, tally)
    return study


def measured(root: Path, radiograph: Radiograph, tally: Tally) -> Radiograph:
    """The radiograph with its size; without one, counted, where it cannot be read."""
    try:
        header = probe(root / radiograph.path)
    except RadiographError:
        tally.add("images whose outlines are left out: they cannot be read", radiograph.path)
        return radiograph
    return replace(radiograph, width=header.width, height=header.height)


def masks_of(
    key: str, told: Mapping[str, Any], radiograph: Radiograph, folder: MaskFolder, file: Path
) -> Iterator[Mask]:
    """Draws the masks of an image, those that are not empty.

    Raises:
        DatasetError: one cannot be read, or is of a finding that is none of the ten.
    """
    size = (radiograph.height or 0, radiograph.width or 0)
    for name, outline in told.items():
        where = f"{file}, {key}, {name}"
        if name not in NAMES:
            raise DatasetError(f"{where}: expected one of {', '.join(NAMES)}. {ADVICE}")
        inside = inside_of(outline, where)
        if inside.any():
            label = NAMES[name]
            path = folder.draw(
                f"{key}_{label.replace(' ', '_')}",
                f"{size}: {outline['size']} {outline['counts']}".encode(),
                partial(brought_to, inside, *size),
            )
            yield Mask(radiograph=0, label=label, path=path, reader=READER)


def inside_of(outline: Any, where: str) -> Pixels:
    """The mask of one outline, in pixels of the original.

    Raises:
        DatasetError: it is of another form.
    """
    try:
        height, width = map(int, outline["size"])
        return mask_of_text(str(outline["counts"]), height, width)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{where}: lacks {error}, or has it in another form; expected size and counts. {ADVICE}"
        ) from error
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}. {ADVICE}") from error


def brought_to(
    mask: Bool[np.ndarray, "rows cols"], height: int, width: int
) -> Bool[np.ndarray, "{height} {width}"]:
    """A mask at the size of its picture: inside where more than half of it was."""
    if mask.shape == (height, width):
        return mask
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    sized = picture.resize((width, height), Image.Resampling.BOX)
    inside: NDArray[np.bool_] = np.asarray(sized) > 127
    return inside


def count_contradictions(study: Study, tally: Tally) -> None:
    """Counts findings that are there by one of labels and outlines and not by the other."""
    outlined = {mask.label for mask in study.masks}
    there = {item.name for item in study.findings if item.value is Assertion.PRESENT}
    for what, names in (
        ("findings that are outlined but not labelled as present", outlined - there),
        ("findings that are labelled as present but not outlined", there - outlined),
    ):
        tally.add(what, study.study_id, len(names & set(NAMES.values())))


CHEXLOCALIZE = Dataset(
    name="chexlocalize",
    source="Saporta et al., Nat Mach Intell 2022, doi:10.1038/s42256-022-00536-x",
    licence=LICENCE,
    layout=(" or ".join(f"{depth}{file}" for file in FILES.values() for depth in DEPTHS),),
    read=read_chexlocalize,
    write=write_chexlocalize,
    counts={"studies": 700, "radiographs": 902, "patients": 700},
)
