"""Listed images that are not there, or are there under another spelling."""

from pathlib import Path

import pytest

from carina.datasets.chestxray14 import places_of
from carina.datasets.chexpert import studies_there
from carina.datasets.chexpert_test import places_of as tables_below
from carina.datasets.covid_rural import patients_in
from carina.datasets.covid_rural_layout import PATIENT_COLUMNS, PATIENTS
from carina.datasets.found_images import check_found
from carina.datasets.object_cxr import OUTLINES, once_each
from carina.datasets.presence import MISSING, hint_at_spelling, is_there
from carina.datasets.table import Row, read_table
from carina.datasets.tally import Tally
from carina.errors import DatasetError


def test_a_file_in_other_letters_is_told_once(tmp_path: Path) -> None:
    for name in ("A.JPG", "b.JPG"):
        (tmp_path / name).write_bytes(b"x")
    tally = Tally()
    assert not any(is_there(tmp_path, name, tally) for name in ("a.jpg", "b.jpg", "c.jpg"))
    assert tally.counts == {MISSING: 3}
    (note,) = tally.notes
    assert note.startswith("a.jpg is not there, but A.JPG is. Large and small letters")
    assert hint_at_spelling(tmp_path, "b.jpg").startswith(" There is b.JPG instead.")
    assert hint_at_spelling(tmp_path, "none/d.jpg") == ""


def test_a_table_without_rows_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"the table lists no image, expected a row each"):
        check_found(tmp_path, 0, 0, "")


def test_images_of_nih_with_endings_in_large_letters_are_found(tmp_path: Path) -> None:
    (tmp_path / "00000001_000.PNG").write_bytes(b"x")
    assert places_of(tmp_path) == {"00000001_000.png": "00000001_000.PNG"}


def test_files_that_another_system_left_beside_a_table_are_not_read(tmp_path: Path) -> None:
    for name in ("bc4.csv", "._bc4.csv"):
        (tmp_path / name).write_text("x")
    assert tables_below(tmp_path, "*.csv") == [tmp_path / "bc4.csv"]


def test_columns_without_a_name_do_not_stand_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("image,x,,,notes\na.png,1,,,seen\n")
    table = read_table(path)
    assert table.columns == ("image", "x", *(f"column {n} without a name" for n in (3, 4)), "notes")
    assert next(table.rows).get("notes") == "seen"


def test_a_row_of_object_cxr_that_repeats_another_is_left_out(tmp_path: Path) -> None:
    rows = [
        Row(tmp_path, number, {"image_name": "a.jpg", OUTLINES: outline})
        for number, outline in ((2, "0 1 1 5 5"), (3, "0 1 1 5 5"), (4, ""))
    ]
    tally = Tally()
    assert once_each(rows[:2], tally) == rows[:1]
    assert tally.counts == {"rows that repeat an image, left out": 1}
    with pytest.raises(DatasetError, match=r"row 4, image_name: a\.jpg is outlined otherwise than"):
        once_each(rows, tally)


def test_tables_of_chexpert_without_rows_are_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the tables have no rows, expected one a study or"):
        list(studies_there(tmp_path, [], Tally()))


def test_a_table_of_patients_without_rows_is_noted(tmp_path: Path) -> None:
    path = tmp_path / PATIENTS
    path.write_text(",".join(PATIENT_COLUMNS) + "\n")
    tally = Tally()
    assert patients_in(path, tally) == {}
    assert tally.notes == [f"{PATIENTS} has no rows: age, sex and COVID-19 are not told."]
