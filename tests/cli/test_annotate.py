import json
from pathlib import Path

import pytest

from carina.cli.main import main
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph, Report, Study


def write(folder: Path, texts: tuple[str, ...] = ("No effusion.", "")) -> Path:
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


def test_annotate_writes_a_manifest_and_prints_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(SystemExit) as stopped:
        main(["annotate", str(write(tmp_path)), "--out", str(out)])
    assert not stopped.value.code
    shown = capsys.readouterr().out
    assert "2 studies, 1 without a report" in shown
    assert "1 triplets of entity, position and existence; 1 studies have none" in shown
    assert "pleural effusion" in shown
    assert [len(s.report.entities or ()) for s in Manifest.read(out).studies] == [1, 0]


@pytest.mark.parametrize("words", [(), ("--compare", "rules", "umls")])
def test_annotate_refuses_data_without_any_report(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, out = write(tmp_path, ("", " \n ")), tmp_path / "out"
    assert run("annotate", manifest, "--out", out, *words) == 1
    assert "none of 2 studies has a report" in capsys.readouterr().err
    assert not out.exists()


def test_annotate_refuses_an_unknown_extractor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["annotate", str(write(tmp_path)), "--out", "x.parquet", "--extractor", "magic"])
    assert stopped.value.code == 2
    assert "no source of entities 'magic'" in capsys.readouterr().err


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(stopped.value.code or 0)


def test_annotate_takes_a_concept_graph(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text('[finding."pleural effusion"]\nsynonyms = ["effusion"]\n')
    out = tmp_path / "out.parquet"
    words = ("annotate", write(tmp_path), "--out", out, "--extractor", "umls")
    assert run(*words, "--knowledge", tmp_path / "g.toml") == 0
    (entity,) = Manifest.read(out).studies[0].report.entities or ()
    assert (entity.name, str(entity.assertion)) == ("pleural effusion", "absent")


def test_annotate_says_which_reports_radgraph_has_no_record_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entity = {"tokens": "effusion", "label": "OBS-DA", "start_ix": 1, "end_ix": 1, "relations": []}
    records = {"s9": {"text": "No effusion .", "entities": {"1": entity}}}
    (tmp_path / "r.json").write_text(json.dumps(records))
    words = ("annotate", write(tmp_path), "--out", tmp_path / "o.parquet")
    assert run(*words, "--extractor", "radgraph", "--records", tmp_path / "r.json") == 1
    assert "no record is of a study of the manifest" in capsys.readouterr().err
    (tmp_path / "r.json").write_text(json.dumps({"s0": records["s9"], **records}))
    assert run(*words, "--extractor", "radgraph", "--records", tmp_path / "r.json") == 0
    assert "2 studies, 1 without a report, 0 not read" in capsys.readouterr().out


def test_annotate_sends_no_report_to_another_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("annotate", write(tmp_path), "--out", tmp_path / "o.parquet", "--extractor", "llm")
    assert run(*words, "--model", "m", "--server", "https://api.example.com/v1") == 2
    assert "add --allow-remote" in capsys.readouterr().err
    assert not (tmp_path / "o.parquet").exists()


def test_annotate_compares_two_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest, annotated = write(tmp_path), tmp_path / "annotated.parquet"
    assert run("annotate", manifest, "--out", annotated) == 0
    out = tmp_path / "difference"
    assert run("annotate", manifest, "--compare", annotated, "umls", "--out", out) == 0
    shown = capsys.readouterr().out
    assert "2 reports read by both" in shown
    assert "all observations" in shown
    assert {path.name for path in out.iterdir()} == {"comparison.json", "index.html"}


def test_annotate_refuses_to_compare_and_extract_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("annotate", write(tmp_path), "--out", tmp_path / "o", "--extractor", "umls")
    assert run(*words, "--compare", "rules", "umls") == 2
    assert "leave --extractor out" in capsys.readouterr().err


def test_annotate_refuses_an_option_of_another_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("annotate", write(tmp_path), "--out", tmp_path / "o.parquet", "--price-in", "1")
    assert run(*words) == 2
    assert "--price-in is no option of rules" in capsys.readouterr().err
