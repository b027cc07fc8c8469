"""The two sets of lists that split ChestX-ray14; their test parts must never be mixed.

NIH's own lists part the images in two, and papers that use them draw a validation part. The
other set, published with a re-implementation of CheXNet and taken over by many papers, parts the
same patients 70 / 10 / 20. Both call the test part `test_list.txt`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from carina.datasets.cells import slashes
from carina.datasets.chestxray14_layout import CHEXNET_LISTS, TEST_LIST, TRAIN_LIST
from carina.datasets.declaration import Release
from carina.datasets.table import read_lines
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.studies.splits import SplitShares, split_of_patient

IMAGE = re.compile(r"(?P<patient>\d{8})_(?P<visit>\d{3})\.png")
"""The name of an image: number of the patient, number of the visit."""

WHOLE_LISTS: Mapping[str, Mapping[str, int]] = {
    "official": {TRAIN_LIST: 86_524, TEST_LIST: 25_596},
    "chexnet": {"train_list.txt": 78_468, "val_list.txt": 11_219, "test_list.txt": 22_433},
}
"""How many images the lists name, by the name of the set."""

VALIDATION_SEED = 0
TRAIN_AND_VALIDATE = SplitShares(train=7 / 8, validate=1 / 8, test=0.0)
"""Of NIH's first list: near 70 / 10 / 20 of all, as papers split."""


@dataclass(frozen=True, kw_only=True)
class ImageList:
    """A list of images of one set."""

    path: Path
    names: frozenset[str]

    @property
    def patients(self) -> frozenset[str]:
        """The patients of the images."""
        return frozenset(name[:8] for name in self.names)

    @property
    def digest(self) -> str:
        """SHA-256 of the sorted names, one a line: the same for any order, labels or line ends."""
        lines = "".join(f"{name}\n" for name in sorted(self.names))
        return hashlib.sha256(lines.encode()).hexdigest()


def official_splits(release: Release, tally: Tally) -> dict[str, str]:
    """Image -> split by NIH's two lists; an eighth of the first one's patients validates.

    Raises:
        DatasetError: a list is of another set or release, or a patient is in both.
    """
    train = read_list(release.root / TRAIN_LIST, tally, bare=True)
    test = read_list(release.root / TEST_LIST, tally, bare=True)
    _check_apart(train, test)
    _note("official", (train, test), tally)
    drawn = {
        patient: split_of_patient(patient, VALIDATION_SEED, TRAIN_AND_VALIDATE)
        for patient in train.patients
    }
    return {name: drawn[name[:8]] for name in train.names} | dict.fromkeys(test.names, "test")


def chexnet_splits(release: Release, tally: Tally) -> dict[str, str]:
    """Image -> split by the three lists of the other set, in the second folder.

    Raises:
        DatasetError: a list is missing or of another set, or a patient is in two.
    """
    assert release.second_root is not None
    found = {
        split: read_list(release.second_root / file, tally, bare=False)
        for split, file in CHEXNET_LISTS.items()
    }
    train, validate, test = found.values()
    _check_apart(train, validate)
    _check_apart(train, test)
    _check_apart(validate, test)
    _note("chexnet", tuple(found.values()), tally)
    return {name: split for split, each in found.items() for name in each.names}


def read_list(path: Path, tally: Tally, *, bare: bool) -> ImageList:
    """A list of image names, with or without labels behind them.

    Args:
        path: the list.
        tally: gets the number of names that are listed twice.
        bare: whether labels behind a name show that this is the wrong list.

    Raises:
        DatasetError: a line does not begin with the name of an image, or has labels.
    """
    names: set[str] = set()
    for number, line in enumerate(read_lines(path), start=1):
        first, *labels = line.split()
        name = PurePosixPath(slashes(first)).name
        if not IMAGE.fullmatch(name):
            raise DatasetError(
                f"{path}, line {number}: found {line[:40]!r}, expected the name of an image such "
                "as 00000001_000.png. Take the lists that came with the images."
            )
        if labels and bare:
            raise DatasetError(
                f"{path}, line {number}: found labels behind the name, which NIH's list has not; "
                "this is another set of lists. Put NIH's list here, and give the folder of the "
                "other as: carina index chestxray14-chexnet ROOT LISTS."
            )
        if name in names:
            tally.add(f"names that {path.name} has twice", f"line {number}")
        names.add(name)
    return ImageList(path=path, names=frozenset(names))


def _check_apart(one: ImageList, other: ImageList) -> None:
    """Refuses two lists with a patient in common."""
    both = sorted(one.patients & other.patients)
    if both:
        raise DatasetError(
            f"{len(both)} patients are in {one.path} and in {other.path}, such as {both[0]}; "
            "expected each in one. The lists are of two different sets: take them from one."
        )


def _note(name: str, lists: tuple[ImageList, ...], tally: Tally) -> None:
    """Notes name, length and digest of each list, so that results say what they were measured on.

    Raises:
        DatasetError: a list is as long as that of another set.
    """
    for each in lists:
        whole, file = WHOLE_LISTS[name][each.path.name], each.path.name
        for other, lengths in WHOLE_LISTS.items():
            if other != name and lengths.get(file) == len(each.names):
                raise DatasetError(
                    f"{each.path}: names {len(each.names):,} images, as the {other} {file} does; "
                    f"expected the {name} one, of {whole:,}. Put that one here."
                )
        of_whole = "" if len(each.names) == whole else f" (the whole list: {whole:,})"
        tally.note(
            f"{name} {file}: {len(each.names):,} images{of_whole}, {len(each.patients):,} "
            f"patients, sha256 {each.digest[:16]}"
        )
