from pathlib import Path

import pytest

from carina.cli.main import main
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph, Report, Study


def write(folder: Path) -> Path:
    studies = [
        Study(
            study_id=f"s{i}",
            patient_id=f"p{i}",
            source="test",
            radiographs=(Radiograph(path=f"{i}.png"),),
            report=Report(text=text),
        )
        for i, text in enumerate(("No effusion.", ""))
    ]
    return write_manifest(studies, folder / "m.parquet", folder).path


def test_annotate_writes_a_manifest_and_prints_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(SystemExit) as stopped:
        main(["annotate", str(write(tmp_path)), "--out", str(out)])
    assert not stopped.value.code
    shown = capsys.readouterr().out
    assert "2 studies, 1 without a report" in shown
    assert "pleural effusion" in shown
    assert [len(s.report.entities or ()) for s in Manifest.read(out).studies] == [1, 0]


def test_annotate_refuses_an_unknown_extractor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["annotate", str(write(tmp_path)), "--out", "x.parquet", "--extractor", "magic"])
    assert stopped.value.code == 2
    assert "no source of entities 'magic'" in capsys.readouterr().err
