import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from carina.errors import OutputError
from carina.phantom import cohort, layout
from carina.phantom.cohort import PhantomConfig, draw_study, write_cohort
from carina.phantom.findings import FINDINGS

CONFIG = PhantomConfig(studies=36, seed=1, size=64)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cohort") / "phantom"
    write_cohort(CONFIG, out, processes=1)
    return out


def rows(out: Path) -> list[dict[str, str]]:
    with (out / layout.MANIFEST).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_table_has_one_row_a_study_and_all_files(written: Path) -> None:
    table = rows(written)
    assert tuple(table[0]) == layout.COLUMNS
    assert [row["study_id"] for row in table] == [
        draw_study(CONFIG, index).study.study_id for index in range(36)
    ]
    for row in table:
        assert (written / row["image"]).is_file()
        present, absent = row["findings"].split(";"), row["absent"].split(";")
        assert {*present, *absent} - {""} == set(FINDINGS)
        assert (json.loads(row["masks"]) == {}) == (
            row["split"] == "train" or row["findings"] == ""
        )
        for path in json.loads(row["masks"]).values():
            assert set(np.unique(np.asarray(Image.open(written / path)))) == {0, 255}


def test_pictures_are_written_as_drawn_and_say_that_they_are_synthetic(written: Path) -> None:
    drawn = draw_study(CONFIG, 35)
    with Image.open(written / drawn.study.radiographs[0].path) as picture:
        assert np.array_equal(np.asarray(picture), drawn.image)
        assert "Synthetic" in picture.info["Source"]
    assert "no person" in (written / layout.README).read_text()
    assert {row["licence"] for row in rows(written)} == {"synthetic"}
    assert {row["source"] for row in rows(written)} == {"phantom"}


def test_two_runs_do_not_draw_into_one_folder(tmp_path: Path) -> None:
    with cohort.held(tmp_path / "out"), pytest.raises(OutputError, match="another run is drawing"):
        write_cohort(CONFIG, tmp_path / "out", processes=1)
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_cohort(CONFIG, tmp_path / "file" / "out", processes=1)


def test_a_stopped_run_goes_on_with_what_is_missing(
    tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "stopped"
    draw, count = cohort.write_study, []

    def stop_at_twenty(config: PhantomConfig, folder: Path, index: int) -> object:
        if len(count) == 20:
            raise KeyboardInterrupt
        count.append(index)
        return draw(config, folder, index)

    monkeypatch.setattr(cohort, "write_study", stop_at_twenty)
    with pytest.raises(KeyboardInterrupt):
        write_cohort(CONFIG, out, processes=1)
    assert not (out / layout.MANIFEST).exists()
    again: list[int] = []

    def note(config: PhantomConfig, folder: Path, index: int) -> object:
        again.append(index)
        return draw(config, folder, index)

    monkeypatch.setattr(cohort, "write_study", note)
    write_cohort(CONFIG, out, processes=1)
    assert again == list(range(16, 36))  # the first chunk of 16 was complete
    same = (written / layout.MANIFEST).read_bytes()
    assert (out / layout.MANIFEST).read_bytes() == same
    assert not list(out.rglob("*.tmp"))
    assert not (out / layout.PARTS).exists()


def test_a_complete_cohort_is_left_alone(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(cohort, "write_study", refuse)
    assert write_cohort(CONFIG, written) == written / layout.MANIFEST


def test_several_processes_write_the_same_cohort(tmp_path: Path, written: Path) -> None:
    out = tmp_path / "several"
    write_cohort(CONFIG, out, processes=2)
    for path in sorted(written.rglob("*.*")):
        if path.is_file():
            assert (out / path.relative_to(written)).read_bytes() == path.read_bytes()


def test_a_folder_with_another_cohort_is_refused(written: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(written, out)
    with pytest.raises(OutputError, match="holds a cohort with other settings"):
        write_cohort(PhantomConfig(studies=36, seed=2, size=64), out)


def test_a_folder_with_a_foreign_note_is_refused(tmp_path: Path) -> None:
    (tmp_path / layout.README).write_text("mine")
    with pytest.raises(OutputError, match=f"holds a {layout.README} of another"):
        write_cohort(CONFIG, tmp_path)
    assert (tmp_path / layout.README).read_text() == "mine"


def test_a_folder_with_a_foreign_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / layout.MANIFEST).write_text("image\n")
    with pytest.raises(OutputError, match="is no phantom cohort"):
        write_cohort(CONFIG, tmp_path)
    assert (tmp_path / layout.MANIFEST).read_text() == "image\n"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / layout.IMAGES).write_text("a file where a folder should be")
    with pytest.raises(OutputError, match="cannot be written"):
        write_cohort(CONFIG, tmp_path, processes=1)


def test_dicom_files_hold_the_picture_and_say_that_they_are_synthetic(tmp_path: Path) -> None:
    config = PhantomConfig(studies=24, seed=1, size=64, dicom=True)
    write_cohort(config, tmp_path, processes=1)
    kinds, classes = set(), set()
    for index, row in enumerate(rows(tmp_path)):
        dataset = pydicom.dcmread(tmp_path / row["image"])
        pixels = dataset.pixel_array.astype(float)
        kinds.add(dataset.PhotometricInterpretation)
        classes.add(dataset.SOPClassUID.name)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            pixels = 4095 - pixels
        drawn = draw_study(config, index)
        assert np.abs(pixels * 255 / 4095 - drawn.image).max() < 0.5
        assert dataset.PatientName == "SYNTHETIC^PHANTOM"
        assert "Synthetic" in dataset.ImageComments
        assert dataset.PatientID == row["patient_id"]
        assert dataset.ViewPosition == row["view"]
    assert kinds == {"MONOCHROME1", "MONOCHROME2"}
    assert len(classes) == 2
