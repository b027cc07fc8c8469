import json
from pathlib import Path

import pytest

from carina.cli.main import main
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph, Report, Study


def write(folder: Path, *texts: str) -> Path:
    studies = [
        Study(
            study_id=f"s{i}",
            patient_id=f"p{i}",
            source="test",
            radiographs=(Radiograph(path=f"{i}.png"),),
            report=Report(text=text),
        )
        for i, text in enumerate(texts)
    ]
    return write_manifest(studies, folder / "m.parquet", folder).path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(stopped.value.code or 0)


def test_distill_writes_the_column_the_words_and_the_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write(tmp_path, "No effusion. Possible mild edema. Mass.", "", "Thank you.")
    out, words, pairs = (tmp_path / name for name in ("d.parquet", "w.csv", "p.jsonl"))
    code = run(
        *("distill", manifest, "--out", out, "--descriptions", words),
        *("--pairs", pairs),
    )
    assert code == 0
    shown = capsys.readouterr().out
    assert "3 studies, 1 without a report, 0 not distilled, 1 whose report gave nothing" in shown
    assert "3 sentences: 1 say that something is there, 1 that it is not, 1 that it may" in shown
    assert "reports that name no entity: distilled to nothing (in s2)" in shown
    assert "a denied one counts 1.000 (ECAMP's paper" in shown
    assert [study.report.distilled for study in Manifest.read(out).studies] == [
        "There is no pleural effusion. There may be mild pulmonary edema. There is mass.",
        "",
        "",
    ]
    assert words.read_text() == "words,count,denied\nno,1,1\npossible mild,1,0\n"
    assert len(json.loads(pairs.read_text())["messages"]) == 3


def test_a_tokenizer_knows_the_words_of_distilled_reports(tmp_path: Path) -> None:
    out = tmp_path / "d.parquet"
    run("distill", write(tmp_path, "Heart is enlarged."), "--out", out)
    assert run("tokenizer", out, "--out", tmp_path / "learnt", "--vocabulary", 200) == 0
    pieces = json.loads((tmp_path / "learnt" / "tokenizer.json").read_text())["model"]["vocab"]
    assert {"heart", "there", "cardiomegaly", "[MASK]"} <= set(pieces)


def test_distill_refuses_options_of_the_other_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write(tmp_path, "Mass.")
    out = tmp_path / "d.parquet"
    assert run("distill", manifest, "--out", out, "--server", "http://localhost:1/v1") == 2
    assert "--server is no option of rules" in capsys.readouterr().err
    assert run("distill", manifest, "--out", out, "--by", "llm") == 2
    assert "needs --server and --model" in capsys.readouterr().err
    assert not out.exists()


def test_distill_refuses_a_manifest_without_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("distill", write(tmp_path, "", ""), "--out", tmp_path / "d.parquet") == 1
    assert "none of 2 studies has a report" in capsys.readouterr().err
