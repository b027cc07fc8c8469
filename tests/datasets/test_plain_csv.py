"""Studies from a table of one's own."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.plain_csv import CSV
from carina.datasets.plain_csv_layout import write_csv
from carina.datasets.tally import Tally
from carina.errors import ConfigError, DatasetError
from carina.study import Study

Folder = Callable[..., Path]


def studies_in(root: Path, table: str | None = None, **columns: str) -> list[Study]:
    return list(read_studies(CSV, Release(root=root, table=table, columns=columns)))


def test_a_table_of_images_alone_is_enough(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    root = folder("image\na.png\n./b.png\n")
    with caplog.at_level(logging.WARNING):
        a, b = studies_in(root)
    assert (a.study_id, a.patient_id, a.source) == ("a.png", "a.png", "release")
    assert b.radiographs[0].path == "b.png"
    assert (a.report.text, a.findings, a.split, a.sex, a.age_years) == ("", (), None, None, None)
    assert "every study is taken as a patient of its own" in caplog.text


def test_every_column_finds_its_place(folder: Folder) -> None:
    root = folder(
        "image,patient_id,study_id,view,report,findings,absent,split,mask,masks,boxes,severity,"
        "width,height,sex,age,source,licence,beds\n"
        'a.png,p,s,AP Supine," Clear. ",Edema,Mass,val,m.png,,'
        '"[{""label"": ""Edema"", ""box"": [1, 2, 3, 4], ""by"": ""x""}]","{""rale"": 3}",'
        "40,32,male,061Y,here,CC0,3\n"
    )
    (study,) = studies_in(root)
    assert (study.study_id, study.patient_id, study.split) == ("s", "p", "validate")
    assert (study.sex, study.age_years, study.source, study.licence) == ("M", 61, "here", "CC0")
    assert study.report.text == " Clear. "  # as the source has it
    assert [finding.name for finding in study.findings] == ["Edema", "Mass"]
    assert study.radiographs[0].view == "AP Supine"
    assert (study.radiographs[0].width, study.radiographs[0].height) == (40, 32)
    assert (study.boxes[0].x2, study.boxes[0].reader) == (3, "x")
    assert (study.masks[0].label, study.severity[0].value) == ("lung", 3)


def test_rows_of_one_study_are_its_radiographs(folder: Folder) -> None:
    root = folder(
        "image,study_id,patient_id,view,report,findings,masks\n"
        'a.png,s1,p,PA,Clear.,Edema,"{""lung"": ""m.png""}"\n'
        "c.png,s2,q,AP,,,\n"
        'b.png,s1,,LATERAL,Clear.,Mass;Edema,"{""lung"": ""n.png""}"\n',
        "a.png",
        "b.png",
        "c.png",
    )
    first, second = studies_in(root)
    assert [radiograph.path for radiograph in first.radiographs] == ["a.png", "b.png"]
    assert [radiograph.view for radiograph in first.radiographs] == ["PA", "LATERAL"]
    assert [finding.name for finding in first.findings] == ["Edema", "Mass"]
    assert [(mask.radiograph, mask.path) for mask in first.masks] == [(0, "m.png"), (1, "n.png")]
    assert (first.patient_id, first.report.text) == ("p", "Clear.")
    assert second.study_id == "s2"


@pytest.mark.parametrize("column", ["patient_id", "report", "split", "licence"])
def test_rows_of_one_study_must_agree(folder: Folder, column: str) -> None:
    root = folder(f"image,study_id,{column}\na.png,s,train\nb.png,s,test\n")
    with pytest.raises(
        DatasetError, match=rf"row 3, {column}: differs from row 2 of the same study 's'"
    ):
        studies_in(root)


def test_columns_go_by_the_names_that_the_caller_gives(folder: Folder) -> None:
    root = folder("file;text;view\na.png;Clear.;PA\n", name="list.csv")
    (study,) = studies_in(root, "list.csv", image="file", report="text")
    assert (study.radiographs[0].path, study.report.text) == ("a.png", "Clear.")
    assert study.radiographs[0].view == "PA"


def test_columns_that_are_not_read_are_told(folder: Folder) -> None:
    root = folder("file,Radiology Report,view\na.png,Clear.,PA\n")
    tally = Tally()
    list(read_studies(CSV, Release(root=root, columns={"image": "file"}), tally))
    (note,) = tally.notes
    assert "not read: Radiology Report. " in note
    assert "--column" in note
    tally = Tally()
    columns = {"image": "file", "report": "Radiology Report"}
    list(read_studies(CSV, Release(root=root, columns=columns), tally))
    assert not tally.notes


def test_a_table_without_images_is_refused_with_its_columns(folder: Folder) -> None:
    with pytest.raises(
        DatasetError, match=r"found the columns file, view, expected image too.*--column image="
    ):
        studies_in(folder("file,view\na.png,PA\n"))


def test_a_column_that_is_not_in_the_table_is_refused(folder: Folder) -> None:
    with pytest.raises(DatasetError, match="found the columns image, expected text too"):
        studies_in(folder("image\na.png\n"), report="text")


def test_a_column_that_carina_has_not_is_refused(folder: Folder) -> None:
    with pytest.raises(ConfigError, match="There is no column picture to rename; columns: image"):
        studies_in(folder("image\na.png\n"), picture="image")


def test_a_table_without_rows_is_refused(folder: Folder) -> None:
    with pytest.raises(DatasetError, match="its table has no rows"):
        studies_in(folder("image,report\n"))


@pytest.mark.parametrize("column", ["image", "study_id"])
def test_an_empty_name_is_refused_with_its_row(folder: Folder, column: str) -> None:
    cells = {"image": "b.png", "study_id": "s2", column: ""}
    root = folder(f"image,study_id\na.png,s1\n{cells['image']},{cells['study_id']}\n")
    with pytest.raises(DatasetError, match=f"row 3, {column}: is empty"):
        studies_in(root)


def test_an_empty_patient_is_refused_with_its_row(folder: Folder) -> None:
    with pytest.raises(DatasetError, match="row 3, patient_id: is empty"):
        studies_in(folder("image,patient_id\na.png,p\nb.png,\n"))


def test_an_image_named_twice_is_refused(folder: Folder) -> None:
    with pytest.raises(DatasetError, match="row 3, image: is named twice in one study"):
        studies_in(folder("image\na.png\na.png\n"))


def test_images_none_of_which_is_there_are_refused(folder: Folder) -> None:
    with pytest.raises(DatasetError, match=r"none of the first 2 images is there, such as .*x\."):
        studies_in(folder("image\nx.png\ny.png\n"))


def test_a_few_missing_images_are_left_to_check(folder: Folder) -> None:
    assert len(studies_in(folder("image\na.png\ngone.png\n"))) == 2


def test_absolute_paths_are_taken_below_the_root(folder: Folder, tmp_path: Path) -> None:
    root = folder("image\na.png\n")
    (root / "manifest.csv").write_text(f"image\n{root.resolve()}/a.png\n")
    assert studies_in(root)[0].radiographs[0].path == "a.png"
    (root / "manifest.csv").write_text(f"image\na.png\n{tmp_path}/elsewhere.png\n")
    with pytest.raises(DatasetError, match="row 3, image: lies outside of the root"):
        studies_in(root)


def test_odd_ages_and_sexes_are_not_known_and_are_counted(folder: Folder) -> None:
    root = folder("image,age,sex\na.png,411,robot\nb.png,unknown,\n")
    tally = Tally()
    a, b = read_studies(CSV, Release(root=root), tally)
    assert (a.age_years, a.sex, b.age_years, b.sex) == (None, None, None, None)
    assert tally.counts == {
        "values of age that are taken as not known": 1,
        "values of sex that are taken as not known": 1,
    }
    assert set(tally.first.values()) == {"row 2"}


def test_a_phantom_in_a_table_of_ones_own_reads_back_as_it_was(
    tmp_path: Path, stand_in: Callable[[Sequence[Sequence[str]]], DrawnCohort]
) -> None:
    cohort = stand_in([("cardiomegaly", "nodule"), ()] * 4)
    write_csv(cohort, tmp_path / "out")
    studies = list(read_studies(CSV, Release(root=tmp_path / "out")))
    for before, after in zip(cohort.studies, studies, strict=True):
        assert set(after.findings) == set(before.findings)
        assert after.boxes == before.boxes
        assert (after.patient_id, after.split, after.sex) == (
            before.patient_id,
            before.split,
            before.sex,
        )
