from dataclasses import replace
from pathlib import Path

import pytest

from carina.cli.main import main
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph, Report, Study


def one_study(folder: Path, source: str) -> Path:
    folder.mkdir()
    study = Study(
        study_id="1",
        patient_id="1",
        source=source,
        radiographs=(Radiograph(path="a.png", view="PA"),),
        report=Report(text="Clear lungs."),
        split="train",
    )
    write_manifest([study, replace(study, study_id="2")], folder / "m.parquet", folder)
    return folder / "m.parquet"


def test_join_writes_one_manifest_and_says_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = one_study(tmp_path / "a", "here"), one_study(tmp_path / "b", "there")
    out = tmp_path / "both.parquet"
    with pytest.raises(SystemExit) as ended:
        main(["join", str(first), str(second), "--out", str(out)])
    assert ended.value.code in (0, None)
    printed = capsys.readouterr().out
    assert "here: 2 studies\nthere: 2 studies" in printed
    assert [study.radiographs[0].path for study in Manifest.read(out).studies] == [
        *("a/a.png", "a/a.png", "b/a.png", "b/a.png")
    ]


def test_join_of_the_same_manifest_twice_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = one_study(tmp_path / "a", "here")
    with pytest.raises(SystemExit) as ended:
        main(["join", str(first), str(first), "--out", str(tmp_path / "both.parquet")])
    assert ended.value.code == 1
    assert "study '1' of here is in" in " ".join(capsys.readouterr().err.split())


def test_of_many_sources_those_of_most_studies_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = one_study(tmp_path / "a", "here")
    studies = [
        replace(Manifest.read(first).studies[0], source=f"place {i}", study_id=str(i))
        for i in range(30)
    ]
    second = write_manifest(studies, tmp_path / "b.parquet", tmp_path).path
    with pytest.raises(SystemExit):
        main(["join", str(first), str(second), "--out", str(tmp_path / "both.parquet")])
    printed = capsys.readouterr().out
    assert printed.startswith("here: 2 studies\n")
    assert "... and 11 more sources" in printed
