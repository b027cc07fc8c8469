"""`carina knowledge` from the words of the command line to files, and on to pre-training."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from carina.cli.main import main
from carina.knowledge.graph import ConceptGraph
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Assertion, Entity, EntityKind

NAMES = {
    "C0000001": "Lung Diseases",
    "C0000002": "Pneumonia",
    "C0000003": "Pleural effusion",
    "C0000004": "Lung",
    "C0000005": "Hand",
}
RELATIONS = (
    ("C0000001", "CHD", "C0000002", "isa"),
    ("C0000001", "CHD", "C0000003", "isa"),
    ("C0000004", "RO", "C0000002", "has_finding_site"),
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "META"
    folder.mkdir()
    lines = {
        "MRCONSO": [
            f"{cui}|ENG|P|L|PF|S|Y|A||||MSH|MH|D|{name}|0|N||" for cui, name in NAMES.items()
        ],
        "MRREL": [f"{a}||A|{rel}|{b}||A|{rela}|R||MSH|MSH||N|N||" for a, rel, b, rela in RELATIONS],
        "MRDEF": [f"{cui}|A|T||MSH|What {name} is.|N||" for cui, name in NAMES.items()],
    }
    for table, rows in lines.items():
        (folder / f"{table}.RRF").write_text("".join(f"{row}\n" for row in rows))
    return folder


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_a_part_of_a_release_becomes_a_graph_a_page_and_numbers(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page, numbers = tmp_path / "g.parquet", tmp_path / "g.html", tmp_path / "g.json"
    files = ("--out", out, "--page", page, "--json", numbers)
    assert run("knowledge", release, "--seeds", "lung diseases", "--seeds", "moon", *files) == 0
    graph = ConceptGraph.read(out)
    assert [concept.id for concept in graph.concepts] == ["C0000001", "C0000002", "C0000003"]
    told = capsys.readouterr().out
    assert "from 1 concepts, named by 1 seeds" in told
    assert "not in the sources: moon" in told
    assert "3 concepts, 2 relations" in told
    assert "1 components, the largest of 3 concepts; 0 concepts without relation" in told
    assert json.loads(numbers.read_text())["relation_kinds"] == {"is a": 2}
    assert "What Pneumonia is." in page.read_text(encoding="utf-8")


def test_the_chest_part_of_a_release_is_a_graph(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chest.parquet"
    assert run("knowledge", release, "--chest", "--out", out) == 0
    # Lung diseases, the lung, and what is a kind of the one or lies in the other: no hand.
    names = {concept.name for concept in ConceptGraph.read(out).concepts}
    assert names == {"Lung Diseases", "Lung", "Pneumonia", "Pleural effusion"}
    assert "not in the sources: lung disease, pleural disease" in capsys.readouterr().out


def test_reach_without_a_start_is_refused(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("knowledge", release, "--reach", 2, "--out", tmp_path / "g.parquet") == 2
    assert "need --seeds or --chest to start from" in capsys.readouterr().err


def test_a_finished_graph_tells_what_of_a_manifest_it_knows(
    release: Path, tmp_path: Path, tiny_cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("knowledge", release, "--out", tmp_path / "g.parquet", "--link")
    assert run(*words, tiny_cohort) == 1
    assert "carina annotate" in capsys.readouterr().err
    manifest = Manifest.read(tiny_cohort)
    entities = tuple(
        Entity(
            name=n, text=n, kind=EntityKind.OBSERVATION, assertion=Assertion.PRESENT, start=0, end=1
        )
        for n in ("pleural effusions", "moon", "pneumonia", "pneumonia")
    )
    first, *others = manifest.studies
    first = replace(first, report=replace(first.report, entities=entities))
    write_manifest((first, *others), tmp_path / "m.parquet", root=tiny_cohort.parent / "cohort")
    numbers = tmp_path / "g.json"
    assert run(*words, tmp_path / "m.parquet", "--json", numbers) == 0
    told = capsys.readouterr().out
    assert "4 entities: 75.0% linked, 0.0% with several meanings" in told
    assert "1 terms not in the graph: moon (1)" in told
    assert json.loads(numbers.read_text())["links"]["linked"] == 3


def test_pre_training_runs_on_the_graph_of_a_release(
    release: Path, tmp_path: Path, tiny_cohort: Path, tiny_settings: tuple[str, ...]
) -> None:
    graph, out = tmp_path / "g.parquet", tmp_path / "run"
    assert run("knowledge", release, "--out", graph) == 0
    settings = [word for setting in tiny_settings for word in ("--set", setting)]
    data = ("--data", tiny_cohort, "--out", out, "--knowledge", graph)
    assert run("pretrain", "kad_small", *data, *settings) == 0
    record = json.loads((out / "run.json").read_text())
    assert ConceptGraph.read(graph).digest in json.dumps(record)
