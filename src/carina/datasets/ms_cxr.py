"""MS-CXR: phrases of reports, and where on the radiograph they hold.

Source: Boecking et al., ECCV 2022, arXiv:2204.09817; PhysioNet, doi:10.13026/b90j-vb87. The images
are 1,162 pairs of image and phrase on MIMIC-CXR-JPG, most of its training part.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from carina.datasets.cells import SPLIT_NAMES
from carina.datasets.declaration import Dataset, Release
from carina.datasets.found_images import check_found
from carina.datasets.ms_cxr_layout import write_ms_cxr
from carina.datasets.ms_cxr_tables import Annotation, by_study, read_annotations
from carina.datasets.presence import is_there
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.imaging.reader import probe
from carina.study import Assertion, Box, Finding, Radiograph, Study

SOURCE = "mimic-cxr"
"""The images are those of MIMIC-CXR, so that leaks between the two are seen."""

LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"


def read_ms_cxr(release: Release, tally: Tally) -> Iterator[Study]:
    """Yields the studies that have phrases, each with its annotated radiographs.

    Several boxes of one phrase stay several boxes; whoever measures takes them together.

    Raises:
        DatasetError: the annotations cannot be used, or no image is there.
    """
    assert release.second_root is not None
    studies = by_study(read_annotations(release.second_root, tally))
    found = 0
    for study_id, annotations in studies.items():
        there = {
            path: images_size(release.root, path)
            for path in dict.fromkeys(each.path for each in annotations)
            if is_there(release.root, path, tally)
        }
        if not there:
            tally.add("studies left out: none of their images is there", study_id)
            continue
        found += 1
        yield study_of(study_id, [each for each in annotations if each.path in there], there, tally)
    check_found(release.root, found, len(studies), "files/p10/...")


def images_size(root: Path, path: str) -> tuple[int, int]:
    """Width and height of an image as it is stored."""
    header = probe(root / path)
    return header.width, header.height


def study_of(
    study_id: str,
    annotations: Sequence[Annotation],
    sizes: dict[str, tuple[int, int]],
    tally: Tally,
) -> Study:
    """A study with its radiographs and boxes.

    Raises:
        DatasetError: its rows name two patients or two splits.
    """
    first = annotations[0]
    for each in annotations:
        if (each.patient, each.split) != (first.patient, first.split):
            raise DatasetError(
                f"{each.where}: the study {study_id} is of patient {each.patient} and split "
                f"{each.split!r}, of {first.patient} and {first.split!r} before. Use the file as "
                "downloaded."
            )
    places = {path: place for place, path in enumerate(sizes)}
    categories = dict.fromkeys(each.category for each in annotations)
    return Study(
        study_id=study_id,
        patient_id=first.patient,
        source=SOURCE,
        radiographs=tuple(
            Radiograph(path=path, width=width, height=height)
            for path, (width, height) in sizes.items()
        ),
        findings=tuple(Finding(name=name, value=Assertion.PRESENT) for name in categories),
        boxes=tuple(
            box_of(each, places[each.path], sizes[each.path], tally) for each in annotations
        ),
        split=split_of(first),
        licence=LICENCE,
    )


def box_of(annotation: Annotation, place: int, size: tuple[int, int], tally: Tally) -> Box:
    """A box in pixels of the stored image, cut off at its edges."""
    if size != (annotation.width, annotation.height):
        tally.add("boxes brought to images of another size than was annotated", annotation.where)
    if not annotation.phrase:
        tally.add("boxes without a phrase", annotation.where)
    across, down = size[0] / annotation.width, size[1] / annotation.height
    x1, y1, x2, y2 = annotation.corners
    return Box(
        radiograph=place,
        label=annotation.category,
        x1=max(0.0, x1 * across),
        y1=max(0.0, y1 * down),
        x2=min(float(size[0]), x2 * across),
        y2=min(float(size[1]), y2 * down),
        phrase=annotation.phrase or None,
    )


def split_of(annotation: Annotation) -> str | None:
    """The split in our words; None where the form of the release has none.

    Raises:
        DatasetError: the word is unknown.
    """
    word = annotation.split.lower()
    if word and word not in SPLIT_NAMES:
        raise DatasetError(
            f"{annotation.where}, split: found {annotation.split!r}, expected one of "
            f"{', '.join(SPLIT_NAMES)}. Use the file as downloaded."
        )
    return SPLIT_NAMES.get(word)


MS_CXR = Dataset(
    name="ms-cxr",
    source="Boecking et al., ECCV 2022, arXiv:2204.09817, doi:10.13026/b90j-vb87 "
    "(images: MIMIC-CXR-JPG)",
    licence=LICENCE,
    layout=("files/",),
    read=read_ms_cxr,
    write=write_ms_cxr,
    counts={"radiographs": 881, "patients": 851},
    second_root="the folder of MS-CXR, or its .csv or .json (the images' folder comes first)",
)
