"""COVIDx as people have it on disk: every quirk of its lists on a tiny fake."""

from collections.abc import Callable
from pathlib import Path

import pytest

from carina.datasets.covidx import COVIDX
from carina.datasets.covidx_layout import MADE_OF
from carina.datasets.declaration import Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import index_release
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.phantom.findings import FINDINGS
from carina.study import Assertion, Study

PRESENT, ABSENT = Assertion.PRESENT, Assertion.ABSENT


def release(root: Path, images: dict[str, str] | None = None, **lists: str) -> Path:
    """Writes lists, and a stand-in for each image; reading a release opens none."""
    root.mkdir(exist_ok=True)
    for name, text in {"train": "", "test": "", **lists}.items():
        (root / f"{name}.txt").write_text(text or f"9 {name}.png negative rsna\n")
    for name in images or {}:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def studies_in(root: Path, tally: Tally | None = None) -> dict[str, Study]:
    return {each.study_id: each for each in read_studies(COVIDX, Release(root=root), tally)}


def said(study: Study) -> dict[str, Assertion]:
    return {item.name: item.value for item in study.findings}


def put(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "")


def test_the_first_line_of_four_columns_is_an_image_and_no_header(tmp_path: Path) -> None:
    root = release(
        tmp_path,
        put("train/a.png", "val/b.png", "test/c.png"),
        train="117 a.png positive cohen\n",
        val="3 b.png negative sirm",
        test="3 c.png negative rsna\r\n",
    )
    studies = studies_in(root)
    assert {name: study.split for name, study in studies.items()} == {
        "a.png": "train",
        "b.png": "validate",
        "c.png": "test",
    }
    assert said(studies["a.png"]) == {"COVID-19": PRESENT}
    assert said(studies["b.png"]) == {"COVID-19": ABSENT}
    # Patient 3 of one collection is not patient 3 of another.
    assert [study.patient_id for study in studies.values()] == ["cohen-117", "sirm-3", "rsna-3"]
    assert studies["a.png"].radiographs[0].path == "train/a.png"


def test_three_columns_and_three_classes(tmp_path: Path) -> None:
    lines = "3 SARS-10.1148-p2.png COVID-19\n4 n.png normal\n5 p.png pneumonia\n"
    names = ("SARS-10.1148-p2.png", "n.png", "p.png", "t.png")
    root = release(tmp_path, put(*names), train=lines, test="9 t.png normal\n")
    studies = studies_in(root)
    assert said(studies["SARS-10.1148-p2.png"]) == {"COVID-19": PRESENT}
    assert said(studies["n.png"]) == {
        "COVID-19": ABSENT,
        "Pneumonia": ABSENT,
        "No Finding": PRESENT,
    }
    assert said(studies["p.png"]) == {"COVID-19": ABSENT, "Pneumonia": PRESENT}
    assert studies["p.png"].patient_id == "5"


def test_two_columns_tell_no_patient(tmp_path: Path) -> None:
    root = release(tmp_path, put("data/train/a.png"), train="a.png normal\n", test="b.png normal\n")
    (study,) = studies_in(root).values()
    assert (study.study_id, study.patient_id) == ("a.png", "a.png")
    assert study.radiographs[0].path == "data/train/a.png"


def test_names_with_blanks_are_taken_apart_from_the_right(tmp_path: Path) -> None:
    lines = "ANON193 CR.1.2 84 x.png negative actmed\n"
    root = release(tmp_path, put("train/CR.1.2 84 x.png"), train=lines)
    (study,) = studies_in(root).values()
    assert (study.study_id, study.patient_id) == ("CR.1.2 84 x.png", "actmed-ANON193")


def test_an_eighth_of_the_training_patients_validates_without_a_list(tmp_path: Path) -> None:
    lines = "".join(f"{number // 2} {number}.png negative rsna\n" for number in range(400))
    names = put(*(f"train/{number}.png" for number in range(400)))
    studies = studies_in(release(tmp_path, names, train=lines))
    splits = {study.study_id: study.split for study in studies.values()}
    assert all(splits[f"{n}.png"] == splits[f"{n + 1}.png"] for n in range(0, 400, 2))
    assert 2 * 11 < list(splits.values()).count("validate") < 2 * 39  # 25 of 200, three deviations


def test_lists_of_a_version_are_found_and_versions_are_not_mixed(tmp_path: Path) -> None:
    root = release(tmp_path, put("train/a.png"))
    (root / "train.txt").rename(root / "train_COVIDx9A.txt")
    (root / "train_COVIDx9A.txt").write_text("1 a.png normal cohen\n")
    with pytest.raises(DatasetError, match=r"found train_COVIDx9A\.txt, test\.txt, which are of d"):
        studies_in(root)
    (root / "test.txt").rename(root / "test_COVIDx9A.txt")
    assert list(studies_in(root)) == ["a.png"]
    (root / "train_COVIDx9B.txt").write_text("1 a.png negative cohen\n")
    with pytest.raises(DatasetError, match=r"found train_COVIDx9A\.txt, train_COVIDx9B\.txt, exp"):
        studies_in(root)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "patient_id filename class source\n",
            r"train\.txt, line 1: found 'patient_id filename cl",
        ),
        (
            "1 a.png negative rsna\n2 b.png normal\n",
            "line 2: has 3 columns, but the lines before h",
        ),
        ("1 a.png negative rsna\n1 a.png positive rsna\n", r"line 2: a\.png is listed a second"),
        ("9 test.png negative rsna\n", r"test\.txt, line 1: test\.png is listed a second time, wi"),
        ("negative\n", "line 1: found 'negative', expected the name of an image before the class"),
        (
            "a.png negative rsna\n",
            "line 1: found 'a.png negative rsna', expected the name of an im",
        ),
        (
            "1 a.png sick rsna\n",
            "line 1: found '1 a.png sick rsna', expected a name and one of pos",
        ),
        ("\n", r"train\.txt: is empty, expected a line an image"),
    ],
)
def test_a_line_that_cannot_be_right_is_refused(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        studies_in(release(tmp_path, put("train/a.png", "train/b.png"), train=lines))


def test_a_line_that_stands_twice_is_counted(tmp_path: Path) -> None:
    tally, line = Tally(), "1 a.png negative rsna\n"
    studies = studies_in(
        release(tmp_path, put("train/a.png", "test/test.png"), train=2 * line), tally
    )
    assert list(studies) == ["a.png", "test.png"]
    assert tally.counts == {"lines that repeat an image, left out": 1}


def test_images_that_are_not_there_are_counted(tmp_path: Path) -> None:
    tally = Tally()
    root = release(tmp_path, put("train/train.png"))
    assert len(studies_in(root, tally)) == 1
    assert tally.counts == {"images that are listed but not there, left out": 1}
    (root / "train" / "train.png").unlink()
    with pytest.raises(DatasetError, match="none of the 2 images that are listed is there"):
        studies_in(root)


def test_a_phantom_in_this_layout_says_what_was_drawn(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort]
) -> None:
    assert set(MADE_OF) <= set(FINDINGS)
    cohort = stand_in([("consolidation",), ("mass",), ()] * 8)
    assert COVIDX.write is not None
    COVIDX.write(cohort, tmp_path / "out")
    manifest = index_release(COVIDX, Release(root=tmp_path / "out"), tmp_path / "m.parquet")
    assert any(" " in study.study_id for study in manifest.studies)
    classes = (
        {"COVID-19": PRESENT},
        {"COVID-19": ABSENT, "Pneumonia": PRESENT},
        {"COVID-19": ABSENT, "Pneumonia": ABSENT, "No Finding": PRESENT},
    )
    for drawn, study in zip(cohort.studies, manifest.studies, strict=True):
        assert said(study) == classes[int(drawn.study_id[1:]) % 3]
        assert study.split == drawn.split
