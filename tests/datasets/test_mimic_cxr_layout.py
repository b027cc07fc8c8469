"""A phantom cohort as the two downloads of MIMIC-CXR, and read back."""

import gzip
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from carina.cli.main import main
from carina.datasets import registry
from carina.datasets.declaration import Release
from carina.datasets.indexing import index_release
from carina.datasets.layouts import write_layout
from carina.datasets.mimic_cxr import MIMIC_CXR
from carina.datasets.mimic_cxr_layout import number
from carina.phantom.cohort import PhantomConfig, draw_study
from carina.studies.checks import check

CONFIG = PhantomConfig(studies=28, seed=11, size=64)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mimic") / "release"
    write_layout(MIMIC_CXR, CONFIG, folder, processes=1)
    return folder


def table(out: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(out / name, infer_schema=False)


def test_files_lie_where_the_release_has_them(out: Path) -> None:
    metadata = table(out, "mimic-cxr-jpg/mimic-cxr-2.0.0-metadata.csv.gz")
    assert metadata.columns[:6] == [
        "dicom_id",
        "subject_id",
        "study_id",
        "PerformedProcedureStepDescription",
        "ViewPosition",
        "Rows",
    ]
    for row in metadata.iter_rows(named=True):
        subject = row["subject_id"]
        assert re.fullmatch(r"1\d{7}", subject)
        place = f"files/p{subject[:2]}/p{subject}/s{row['study_id']}/{row['dicom_id']}.jpg"
        assert (out / "mimic-cxr-jpg" / place).is_file()
    assert metadata["dicom_id"].n_unique() == len(metadata) > 28  # some have two exposures
    split = table(out, "mimic-cxr-jpg/mimic-cxr-2.0.0-split.csv.gz")
    assert set(split["split"]) == {"train", "validate", "test"}
    labels = table(out, "mimic-cxr-jpg/mimic-cxr-2.0.0-chexpert.csv.gz")
    assert len(labels) == 28
    assert {"1.0", "0.0", "-1.0"} >= set(labels["Edema"].drop_nulls())
    with zipfile.ZipFile(out / "mimic-cxr" / "mimic-cxr-reports.zip") as archive:
        texts = [archive.read(name).decode() for name in archive.namelist()]
    assert all(text.splitlines()[0].strip() == "FINAL REPORT" for text in texts)
    assert all(line.startswith(" ") for text in texts for line in text.splitlines())


def test_everything_says_that_it_is_synthetic(out: Path) -> None:
    picture = next((out / "mimic-cxr-jpg" / "files").rglob("*.jpg"))
    with Image.open(picture) as read:
        assert b"Synthetic" in read.info["comment"]
    metadata = gzip.decompress(
        (out / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-metadata.csv.gz").read_bytes()
    ).decode()
    assert all("SYNTHETIC" in line for line in metadata.splitlines()[1:])
    with zipfile.ZipFile(out / "mimic-cxr" / "mimic-cxr-reports.zip") as archive:
        assert all(
            "synthetic" in archive.read(name).decode().lower() for name in archive.namelist()
        )
    assert "shows no person" in (out / "README.txt").read_text()


def test_what_was_drawn_is_what_is_read(out: Path, tmp_path: Path) -> None:
    release = Release(root=out / "mimic-cxr-jpg", second_root=out / "mimic-cxr")
    manifest = index_release(MIMIC_CXR, release, tmp_path / "m.parquet")
    drawn = [draw_study(CONFIG, index).study for index in range(28)]
    assert [study.split for study in manifest.studies] == [study.split for study in drawn]
    patients = [study.patient_id for study in manifest.studies]
    of_drawn = [study.patient_id for study in drawn]
    assert [patients.index(p) for p in patients] == [of_drawn.index(p) for p in of_drawn]
    for read, study in zip(manifest.studies, drawn, strict=True):
        if read.report.text:
            assert read.report.text.split()[2:] == study.report.text.split()
        assert {image.width for image in read.radiographs} == {64}
    assert check([manifest]).healthy


def test_the_same_settings_give_the_same_bytes(out: Path, tmp_path: Path) -> None:
    write_layout(MIMIC_CXR, CONFIG, tmp_path / "again", processes=1)
    for path in sorted(out.rglob("*")):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(out)).read_bytes() == path.read_bytes()


def test_ids_of_any_number_of_studies_differ() -> None:
    assert len({number(place) for place in range(20_000)}) == 20_000
    assert max(number(place) for place in range(20_000)) < 10_000_000


def test_the_walk_begins_as_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        "phantom mimic --studies 16 --size 64 --layout mimic-cxr --processes 1",
        "index mimic-cxr mimic/mimic-cxr-jpg mimic/mimic-cxr --out mimic.parquet",
        "check mimic.parquet",
    ):
        with pytest.raises(SystemExit) as ended:
            main(words.split())
        assert not ended.value.code
        if words.startswith("phantom"):
            lost = min(tmp_path.rglob("*.jpg"))
            lost.unlink()
    printed = capsys.readouterr().out
    assert "Written: mimic\n" in printed
    assert f"1 images that are listed but not there, left out (first: files/{lost.name}" in (
        printed.replace(f"{lost.parent.relative_to(tmp_path / 'mimic/mimic-cxr-jpg/files')}/", "")
    )
    assert "65,379" in printed
    assert "studies here; the whole release has 227,835." in printed


def test_a_whole_release_is_told_as_such(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = replace(MIMIC_CXR, counts={"studies": 28})
    monkeypatch.setitem(registry.DATASETS, "mimic-cxr", whole)
    folders = [str(out / "mimic-cxr-jpg"), str(out / "mimic-cxr")]
    with pytest.raises(SystemExit) as ended:
        main(["index", "mimic-cxr", *folders, "--out", str(tmp_path / "m.parquet")])
    assert not ended.value.code
    assert "The whole release is here." in capsys.readouterr().out


def test_an_unknown_layout_is_refused_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["phantom", "mimic", "--layout", "mimic"])
    assert ended.value.code == 2
    assert "There is no layout 'mimic'; layouts: csv, mimic-cxr" in capsys.readouterr().err
