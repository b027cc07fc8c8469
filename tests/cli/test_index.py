"""`carina index`, as typed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.cli.main import main
from carina.studies.manifest import Manifest


def release(root: Path, table: str) -> Path:
    root.mkdir()
    Image.fromarray(np.arange(1280, dtype=np.uint16).astype(np.uint8).reshape(32, 40)).save(
        root / "a.png"
    )
    (root / "manifest.csv").write_text(table, encoding="utf-8")
    return root


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("words", [("index", "csv", "films"), ("join",), ("annotate",)])
def test_a_manifest_is_called_no_table_before_the_work(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    release(tmp_path / "films", "image,report\na.png,Clear.\n")
    assert run("index", "csv", "films", "--out", "films.parquet") == 0
    asked = words if "films" in words else (*words, "films.parquet")
    assert run(*asked, "--out", "mine.csv") == 1
    assert "mine.csv: ends in .csv, but a manifest is written as Parquet" in capsys.readouterr().err
    assert not Path("mine.csv").exists()


def test_index_writes_a_manifest_and_prints_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = release(tmp_path / "films", "file,text,findings,split\na.png,Clear.,Edema,val\n")
    out = tmp_path / "m.parquet"
    words = ("--column", "image=file", "--column", "report=text", "--out", out)
    assert run("index", "csv", root, *words) == 0
    printed = capsys.readouterr().out
    assert "1 studies of 1 patients, 1 radiographs (1 not known)" in printed
    assert "validate" in printed
    assert "Edema" in printed
    (study,) = Manifest.read(out).studies
    assert (study.report.text, study.radiographs[0].width) == ("Clear.", 40)


def test_index_tells_how_to_split_what_has_no_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = release(tmp_path / "films", "image\na.png\n")
    words = ("index", "csv", root, "--out", tmp_path / "m.parquet")
    assert run(*words) == 0
    assert "part it by patient: the same with --split-seed 0" in capsys.readouterr().out
    assert run(*words, "--split-seed", 0) == 0
    assert "--split-seed" not in capsys.readouterr().out


def test_index_names_an_unknown_dataset_before_it_asks_for_folders(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("index", "mimic_cxr") == 2
    assert "There is no dataset 'mimic_cxr'. Did you mean mimic-cxr" in capsys.readouterr().err


def test_index_tells_what_is_absent_and_uncertain_where_the_source_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "image,findings,absent,split\na.png,Edema,Mass,val\nb.png,,Edema,val\n"
    root = release(tmp_path / "films", table)
    assert run("index", "csv", root, "--out", tmp_path / "m.parquet") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Edema", "1", "/", "1", "/", "0"] in lines
    assert ["Mass", "0", "/", "1", "/", "0"] in lines

    table = "image,findings,split\na.png,Edema,val\nb.png,,val\n"
    root = release(tmp_path / "other", table)
    assert run("index", "csv", root, "--out", tmp_path / "m.parquet") == 0
    assert ["Edema", "1"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_index_list_names_the_datasets(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("index", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    layouts = {line.split()[0]: "a --layout of `carina phantom`" in line for line in lines}
    assert layouts | {"csv": True, "phantom": False, "mimic-cxr": True, "iu-xray": True} == layouts


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("csv", "nowhere", "--out", "m.parquet"), 1, "found nothing, expected the folder"),
        (("scv", ".", "--out", "m.parquet"), 2, "There is no dataset 'scv'"),
        (("csv", "."), 2, "--out MANIFEST"),
        (("csv", ".", "--out", "m.parquet", "--column", "image"), 2, "expected OURS=THEIRS"),
        (("csv", ".", ".", "--out", "m.parquet"), 2, "csv is one download"),
    ],
)
def test_index_refuses_what_cannot_work_in_one_message(
    words: tuple[str, ...],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("index", *words) == code
    printed = capsys.readouterr()
    assert message in " ".join(printed.err.replace("│", " ").split())
    assert "Traceback" not in printed.err
    assert not (tmp_path / "m.parquet").exists()
