"""CheXpert as people have it on disk: every quirk of the release on a tiny fake."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from carina.datasets.chexpert import CHEXPERT
from carina.datasets.chexpert_layout import LABELS, MADE_OF, write_chexpert
from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import compared_with_whole, index_release
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.phantom.findings import FINDINGS
from carina.study import Assertion, Study

HEADER = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)
FIRST = "train/patient00001/study1/view1_frontal.jpg"
BATCHES = (
    "CheXpert-v1.0 batch 1 (validate & csv)",
    "CheXpert-v1.0 batch 2 (train 1)",
    "CheXpert-v1.0 batch 3 (train 2)",
)


def line(path: str, **labels: str) -> dict[str, str]:
    """A row as the release has it; labels are named with underscores, unnamed ones are blank."""
    side = "Lateral" if "lateral" in path else "Frontal"
    row = {"Path": path, "Sex": "Female", "Age": "68", "Frontal/Lateral": side}
    row["AP/PA"] = "" if side == "Lateral" else "AP"
    return row | {name.replace("_", " "): value for name, value in labels.items()}


def table(path: Path, rows: Iterable[dict[str, str]], columns: Sequence[str] = HEADER) -> None:
    """Writes a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(row.get(name, "") for name in columns) for row in rows]
    path.write_text("\n".join([",".join(columns), *lines]) + "\n", encoding="utf-8")


def images(root: Path, *names: str) -> None:
    """Stand-ins for images: reading a release opens none."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def studies_in(root: Path, tally: Tally | None = None, table: str | None = None) -> list[Study]:
    return list(read_studies(CHEXPERT, Release(root=root, table=table), tally))


def values(study: Study) -> dict[str, Assertion]:
    return {finding.name: finding.value for finding in study.findings}


@pytest.mark.parametrize(
    "prefix", ["CheXpert-v1.0/", "CheXpert-v1.0-small/", "", "D:\\sets\\CheXpert-v1.0\\"]
)
def test_what_stands_before_the_part_of_a_path_is_dropped(tmp_path: Path, prefix: str) -> None:
    path = prefix + (FIRST.replace("/", "\\") if "\\" in prefix else FIRST)
    table(tmp_path / "train.csv", [line(path)])
    images(tmp_path, FIRST)
    (study,) = studies_in(tmp_path)
    assert study.radiographs[0].path == FIRST
    assert (study.study_id, study.patient_id) == ("patient00001_study1", "patient00001")
    assert (study.split, study.source, study.sex, study.age_years) == ("train", "chexpert", "F", 68)


def test_the_folder_above_a_version_is_as_good(tmp_path: Path) -> None:
    inner = tmp_path / "CheXpert-v1.0-small"
    table(inner / "train.csv", [line(f"CheXpert-v1.0-small/{FIRST}")])
    images(inner, FIRST)
    (study,) = studies_in(tmp_path)
    assert study.radiographs[0].path == f"CheXpert-v1.0-small/{FIRST}"


def test_batches_are_searched_for_the_patients_that_the_tables_put_elsewhere(
    tmp_path: Path,
) -> None:
    second = "train/patient30000/study2/view1_frontal.jpg"
    valid = "valid/patient64541/study1/view1_frontal.jpg"
    table(
        tmp_path / BATCHES[0] / "train.csv", [line(f"CheXpert-v1.0/{x}") for x in (FIRST, second)]
    )
    table(tmp_path / BATCHES[0] / "valid.csv", [line(f"CheXpert-v1.0/{valid}")])
    images(tmp_path / BATCHES[0], valid)
    images(tmp_path / BATCHES[1], FIRST.removeprefix("train/"))  # patients right in the batch
    images(tmp_path / BATCHES[2], second)  # or a folder deeper
    paths = {study.radiographs[0].path: study.split for study in studies_in(tmp_path)}
    assert paths == {
        f"{BATCHES[1]}/{FIRST.removeprefix('train/')}": "train",
        f"{BATCHES[2]}/{second}": "train",
        f"{BATCHES[0]}/{valid}": "validate",
    }


def test_uncertain_absent_and_blank_are_told_apart(tmp_path: Path) -> None:
    row = line(FIRST, Edema="1.0", Pneumothorax="0.0", Atelectasis="-1.0", Fracture="1")
    table(tmp_path / "train.csv", [row])
    images(tmp_path, FIRST)
    assert values(studies_in(tmp_path)[0]) == {
        "Edema": Assertion.PRESENT,
        "Pneumothorax": Assertion.ABSENT,
        "Atelectasis": Assertion.UNCERTAIN,
        "Fracture": Assertion.PRESENT,
    }  # the ten blank ones are not mentioned, which is not absent


def test_labels_go_by_name_in_whatever_order(tmp_path: Path) -> None:
    row = line(FIRST, Lung_Lesion="1.0", Lung_Opacity="0.0")
    table(tmp_path / "train.csv", [row], HEADER[::-1])
    images(tmp_path, FIRST)
    assert values(studies_in(tmp_path)[0]) == {
        "Lung Opacity": Assertion.ABSENT,
        "Lung Lesion": Assertion.PRESENT,
    }


def test_the_views_of_a_study_are_joined_also_if_their_rows_are_apart(tmp_path: Path) -> None:
    names = [
        "train/patient00001/study1/view1_frontal.jpg",
        "train/patient00001/study2/view1_frontal.jpg",
        "train/patient00001/study1/view2_lateral.jpg",
    ]
    table(tmp_path / "train.csv", [line(name) for name in names])
    images(tmp_path, *names)
    first, second = studies_in(tmp_path)
    assert [radiograph.view for radiograph in first.radiographs] == ["AP", "LATERAL"]
    assert [radiograph.path for radiograph in first.radiographs] == [names[0], names[2]]
    assert second.study_id == "patient00001_study2"


def test_frontal_radiographs_with_a_lateral_view_are_counted(tmp_path: Path) -> None:
    names = [f"train/patient00001/study{i}/view1_frontal.jpg" for i in (1, 2, 3)]
    rows = [line(names[0]) | {"AP/PA": "LL"}, line(names[1]) | {"AP/PA": ""}, line(names[2])]
    table(tmp_path / "train.csv", rows)
    images(tmp_path, *names)
    tally = Tally()
    views = [study.radiographs[0].view for study in studies_in(tmp_path, tally)]
    assert views == ["LL", "FRONTAL", "AP"]
    assert tally.counts == {"frontal radiographs with a lateral view, taken as lateral": 1}
    assert list(tally.first.values()) == ["row 2"]


def test_sex_unknown_and_age_nought_are_not_known(tmp_path: Path) -> None:
    other = "train/patient00002/study1/view1_frontal.jpg"
    rows = [line(FIRST) | {"Sex": "Unknown", "Age": "0"}, line(other) | {"Age": "90"}]
    table(tmp_path / "train.csv", rows)
    images(tmp_path, FIRST, other)
    tally = Tally()
    unknown, oldest = studies_in(tmp_path, tally)
    assert (unknown.sex, unknown.age_years, oldest.sex, oldest.age_years) == (None, None, "F", 90)
    assert tally.counts == {
        "studies whose sex is not known": 1,
        "studies whose age is not known": 1,
    }


def test_the_tables_of_all_parts_are_read_and_tell_the_split(tmp_path: Path) -> None:
    valid = "valid/patient64541/study1/view1_frontal.jpg"
    test = "test/patient64741/study1/view1_frontal.jpg"
    table(tmp_path / "train.csv", [line(FIRST)])
    table(tmp_path / "valid.csv", [line(valid, No_Finding="0.0")])
    table(tmp_path / "test_labels.csv", [line(test, Edema="1.0")], ("Path", *LABELS))
    images(tmp_path, FIRST, valid, test)
    studies = studies_in(tmp_path)
    assert [study.split for study in studies] == ["train", "validate", "test"]
    assert values(studies[1]) == {"No Finding": Assertion.ABSENT}
    assert (studies[2].sex, studies[2].age_years, studies[2].radiographs[0].view) == (
        None,
        None,
        "FRONTAL",
    )


def test_a_table_of_whole_studies_is_filled_from_their_folders(tmp_path: Path) -> None:
    studies = [f"CheXpert-v1.0/test/patient6474{i}/study1" for i in (1, 2)]
    rows = [{"Study": study} | line("", Edema="1.0") for study in studies]
    table(tmp_path / "train.csv", [line(FIRST)])
    table(tmp_path / "groundtruth.csv", rows, ("Study", *LABELS))
    folder = "test/patient64741/study1"
    images(tmp_path, FIRST, f"{folder}/view2_lateral.jpg", f"{folder}/view1_frontal.jpg")
    tally = Tally()
    _, found = studies_in(tmp_path, tally)
    assert [(each.path, each.view) for each in found.radiographs] == [
        (f"{folder}/view1_frontal.jpg", "FRONTAL"),
        (f"{folder}/view2_lateral.jpg", "LATERAL"),
    ]
    assert tally.counts == {"studies left out: none of their images is there": 1}


def test_labels_of_another_labeller_are_named_by_their_table(tmp_path: Path) -> None:
    valid = "valid/patient64541/study1/view1_frontal.jpg"
    table(tmp_path / BATCHES[0] / "train.csv", [line(FIRST, Edema="-1.0")])
    table(tmp_path / BATCHES[0] / "valid.csv", [line(valid)])
    table(tmp_path / "train_visualCheXbert.csv", [line(FIRST, Edema="1.0")])
    images(tmp_path / BATCHES[1], FIRST)
    images(tmp_path / BATCHES[0], valid)
    studies = studies_in(tmp_path, table="train_visualCheXbert.csv")
    assert values(studies[0]) == {"Edema": Assertion.PRESENT}
    assert [study.split for study in studies] == ["train", "validate"]


def test_a_part_of_the_release_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    names = [f"train/patient0000{i}/study1/view1_frontal.jpg" for i in (1, 2, 3)]
    names.append("train/patient00001/study1/view2_lateral.jpg")
    table(tmp_path / "train.csv", [line(name) for name in names])
    images(tmp_path, names[0])
    (tmp_path / names[1]).parent.mkdir(parents=True)
    (tmp_path / names[1]).touch()
    tally = Tally()
    (study,) = studies_in(tmp_path, tally)
    assert [radiograph.path for radiograph in study.radiographs] == [names[0]]
    assert tally.counts == {
        "images that are listed but not there, left out": 2,
        "images of zero bytes, left out": 1,
        "studies left out: none of their images is there": 2,
    }


def test_the_whole_release_is_known_by_its_counts(tmp_path: Path) -> None:
    images(tmp_path, FIRST)
    Image.new("L", (40, 32)).save(tmp_path / FIRST)
    table(tmp_path / "train.csv", [line(FIRST)])
    manifest = index_release(CHEXPERT, Release(root=tmp_path), tmp_path / "m.parquet")
    # Training, validation and test part: studies, images, patients.
    assert compared_with_whole(CHEXPERT, manifest) == {
        "studies": (1, 187_641 + 200 + 500),
        "radiographs": (1, 223_414 + 234 + 668),
        "patients": (1, 64_540 + 200 + 500),
    }
    one = replace(CHEXPERT, counts={"studies": 1, "radiographs": 1, "patients": 1})
    assert compared_with_whole(one, manifest) == {}


def test_a_table_of_another_release_is_refused(tmp_path: Path) -> None:
    images(tmp_path, FIRST)
    table(tmp_path / "train.csv", [], ("subject_id", "study_id", "Edema"))
    with pytest.raises(DatasetError, match=r"found the columns subject_id, study_id.*Path, No Fin"):
        studies_in(tmp_path)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("files/p10/p10000032/s50414267/a.jpg", "train/patient00001/study1/view1_frontal.jpg"),
        ("images/patient00001/study1/view1_frontal.jpg", "train/patient00001/study1/view1"),
        ("CheXpert-v1.0/train/patient00001/study1", "train/patient00001/study1/view1_frontal.jpg"),
    ],
)
def test_a_path_of_something_else_is_refused(tmp_path: Path, path: str, wanted: str) -> None:
    images(tmp_path, FIRST)
    table(tmp_path / "train.csv", [line(path)])
    with pytest.raises(
        DatasetError, match=f"row 2, Path: found '{path}', expected such as {wanted}"
    ):
        studies_in(tmp_path)


def test_a_row_that_cannot_be_right_is_refused(tmp_path: Path) -> None:
    images(tmp_path, FIRST)
    table(tmp_path / "train.csv", [line(FIRST, Edema="2.0")])
    with pytest.raises(DatasetError, match=r"row 2, Edema: found '2\.0', expected 1\.0, 0\.0, -1"):
        studies_in(tmp_path)
    table(tmp_path / "train.csv", [line(FIRST) | {"Frontal/Lateral": "Lateral"}])
    with pytest.raises(DatasetError, match=r"is 'Lateral', but the file is view1_frontal\.jpg"):
        studies_in(tmp_path)
    table(tmp_path / "train.csv", [line(FIRST), line(FIRST)])
    with pytest.raises(DatasetError, match="row 3, Path: is listed a second time"):
        studies_in(tmp_path)


@pytest.mark.parametrize("other", [{"Sex": "Male"}, {"Age": "20"}, {"Edema": "1.0"}])
def test_views_of_a_study_must_agree(tmp_path: Path, other: dict[str, str]) -> None:
    images(tmp_path, FIRST)
    lateral = FIRST.replace("view1_frontal", "view2_lateral")
    table(tmp_path / "train.csv", [line(FIRST), line(lateral) | other])
    with pytest.raises(DatasetError, match="row 3, sex, age or a label: differs from row 2 of the"):
        studies_in(tmp_path)


def test_files_in_the_wrong_place_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"train\.csv or CheXpert\*/train\.csv expected for chex"
    ):
        studies_in(tmp_path)
    table(tmp_path / "train.csv", [line(FIRST)])
    with pytest.raises(
        DatasetError, match="found no folder of a patient, expected such as train/p"
    ):
        studies_in(tmp_path)
    images(tmp_path, "train/patient00777/study1/view1_frontal.jpg")
    with pytest.raises(DatasetError, match="none of the images of the 1 studies in the tables"):
        studies_in(tmp_path)
    images(tmp_path, "old/train/patient00777/study1/view1_frontal.jpg")
    with pytest.raises(DatasetError, match="patient00777 is both in old/train and in train"):
        studies_in(tmp_path)


def test_two_versions_in_one_folder_are_refused(tmp_path: Path) -> None:
    for version in ("CheXpert-v1.0", "CheXpert-v1.0-small"):
        table(tmp_path / version / "train.csv", [line(FIRST)])
    with pytest.raises(
        DatasetError, match=r"train\.csv is in CheXpert-v1\.0, CheXpert-v1\.0-small"
    ):
        studies_in(tmp_path)


def test_a_phantom_in_this_layout_says_what_was_drawn(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort]
) -> None:
    assert {name for parts in MADE_OF.values() for name in parts} <= set(FINDINGS)
    sick = ("pulmonary edema", "nodule", "pacemaker")
    cohort = stand_in([sick, ()] * 24)
    write_chexpert(cohort, tmp_path / "out")
    studies = studies_in(tmp_path / "out")
    assert [study.split for study in studies] == [study.split for study in cohort.studies]
    assert max(study.age_years or 0 for study in studies) == 90
    assert {len(study.radiographs) for study in studies} == {1, 2}
    for drawn, study in zip(cohort.studies, studies, strict=True):
        found = values(study)
        if study.split != "train":
            assert len(found) == len(LABELS)
            assert Assertion.UNCERTAIN not in found.values()
        there = {"Edema", "Lung Lesion", "Lung Opacity", "Support Devices"}
        there = there if "nodule" in drawn_names(drawn) else {"No Finding"}
        said = {name for name, value in found.items() if value is not Assertion.ABSENT}
        assert said == there
    train = [value for study in studies for value in values(study).values()]
    assert set(train) == set(Assertion)


def drawn_names(study: Study) -> set[str]:
    return {item.name for item in study.findings if item.value is Assertion.PRESENT}
