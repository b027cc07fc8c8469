"""Lists that papers published: names, with or without folders, endings, labels and headers."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from carina.datasets.split_lists import PublishedLists, count_strangers, write_lists
from carina.datasets.tally import Tally
from carina.errors import DatasetError

LISTS = PublishedLists(
    name="Some",
    files={"train": "train.txt", "test": "test.txt"},
    lengths=(2, 1),
    pattern=r"[a-z]\d",
    example="a1",
)
HEADED = replace(LISTS, header="ID")
LABELLED = replace(LISTS, labelled=True)


def folder(tmp_path: Path, train: str, test: str) -> Path:
    (tmp_path / "train.txt").write_text(train)
    (tmp_path / "test.txt").write_text(test)
    return tmp_path


def test_names_are_read_without_folders_endings_and_what_follows(tmp_path: Path) -> None:
    tally = Tally()
    parted = LISTS.read(folder(tmp_path, "images/a1.dcm 0 \na2.png\n", "b1,12;3,1\r\n"), tally)
    assert parted.splits == {"a1": "train", "a2": "train", "b1": "test"}
    assert parted.labels == {}
    digest = hashlib.sha256(b"a1\na2\n").hexdigest()[:16]
    assert tally.notes[0] == f"Some train.txt: 2 images, sha256 {digest}"


def test_labels_behind_the_names_are_kept_where_a_set_has_them(tmp_path: Path) -> None:
    parted = LABELLED.read(folder(tmp_path, "a1 0 \na2 1\n", "b1 1\n"), Tally())
    assert parted.labels == {"a1": False, "a2": True, "b1": True}
    with pytest.raises(DatasetError, match=r"test\.txt, line 1: found '' behind the name, expecte"):
        LABELLED.read(folder(tmp_path, "a1 0\n", "b1\n"), Tally())


def test_a_header_is_no_name(tmp_path: Path) -> None:
    parted = HEADED.read(folder(tmp_path, "ID\na1\n", "ID,boxes,labels\nb1,,\n"), Tally())
    assert parted.splits == {"a1": "train", "b1": "test"}
    with pytest.raises(DatasetError, match=r"line 1: found 'a1', expected the header ID"):
        HEADED.read(folder(tmp_path, "a1\n", "b1\n"), Tally())
    with pytest.raises(DatasetError, match=r"line 1: found 'nothing', expected the header ID"):
        HEADED.read(folder(tmp_path, "", "b1\n"), Tally())


def test_lists_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train\.txt, line 2: found 'one', expected a name su"):
        LISTS.read(folder(tmp_path, "a1\none\n", "b1\n"), Tally())
    with pytest.raises(DatasetError, match=r"names 1 images that train\.txt names too, such as a1"):
        LISTS.read(folder(tmp_path, "a1\na2\n", "a1\n"), Tally())
    (tmp_path / "test.txt").unlink()
    with pytest.raises(DatasetError, match=r"test\.txt: cannot be read"):
        LISTS.read(tmp_path, Tally())


def test_what_lists_and_release_do_not_share_is_counted(tmp_path: Path) -> None:
    tally = Tally()
    parted = LISTS.read(folder(tmp_path, "a1\na1\n", "b1\n"), tally)
    count_strangers(parted, ["a1", "c1", "c2"], tally)
    assert tally.counts == {
        "names that train.txt has twice": 1,
        "images of the lists that the release has not": 1,
        "images in no list: they have no split": 2,
    }
    assert tally.notes[0].startswith("Some train.txt: 1 images (the whole list: 2), sha256 ")


def test_lists_that_are_written_are_the_lists_that_are_read(tmp_path: Path) -> None:
    write_lists(HEADED, {"train": ["a1", "a2"]}, tmp_path)
    assert HEADED.read(tmp_path, Tally()).splits == {"a1": "train", "a2": "train"}
