"""`carina check`, as typed: 0 when all is well, 1 on trouble."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.cli.main import main
from carina.imaging.building import build_store
from carina.studies.manifest import Manifest, write_manifest
from carina.studies.trained_on import write_trained_on
from carina.study import Radiograph, Study


def cohort(root: Path, seeds: tuple[int, ...], splits: tuple[str, ...]) -> Path:
    studies = []
    for number, (seed, split) in enumerate(zip(seeds, splits, strict=True)):
        levels = np.random.default_rng(seed).integers(0, 256, (32, 40), dtype=np.uint8)
        Image.fromarray(levels).save(root / f"{number}.png")
        studies.append(
            Study(
                study_id=str(number),
                patient_id=str(number),
                source="here",
                radiographs=(Radiograph(path=f"{number}.png"),),
                split=split,
            )
        )
    write_manifest(studies, root / "m.parquet", root)
    return root / "m.parquet"


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["check", *map(str, words)])
    return int(ended.value.code or 0)


def test_a_sound_cohort_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cohort(tmp_path, (0, 1), ("train", "test"))) == 0
    printed = capsys.readouterr().out
    assert "no study has a report" in printed
    assert "No leaks, and every file can be read." in printed


def test_a_leak_ends_with_1_and_is_in_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = cohort(tmp_path, (0, 0), ("train", "test"))
    assert run(manifest, "--json", tmp_path / "found.json") == 1
    assert "LEAK: pictures stand in more than one split" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["leaks"] is True
    assert [place["path"] for place in found["pictures"][0]["places"]] == ["0.png", "1.png"]


def test_a_file_that_cannot_be_read_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = cohort(tmp_path, (0, 1), ("train", "test"))
    (tmp_path / "1.png").write_bytes(b"")
    assert run(manifest) == 1
    assert "1 files cannot be read:\n  1, 1.png: " in capsys.readouterr().out


def test_another_root_may_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = cohort(tmp_path, (0, 1), ("train", "test"))
    assert run(manifest, "--root", tmp_path / "elsewhere") == 1
    assert "2 files are missing" in capsys.readouterr().out
    assert run(manifest, "--root", tmp_path, "--root", tmp_path) == 2


@pytest.mark.parametrize("content", [None, b"image,report\n"])
def test_what_is_no_manifest_ends_with_one_message(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "m.parquet").write_bytes(content)
    assert run(tmp_path / "m.parquet") == 1
    printed = capsys.readouterr().err
    assert printed.startswith("carina: ")
    assert "m.parquet" in printed


def test_a_page_is_written_and_said_to_be_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = cohort(tmp_path, (0, 1), ("train", "test"))
    assert run(manifest, "--page", tmp_path / "check.html") == 0
    assert "it shows patients' pictures and reports" in capsys.readouterr().out
    assert (tmp_path / "check.html").read_text().startswith("<!DOCTYPE html>")


def test_a_store_is_read_and_what_was_seen_is_kept_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = cohort(tmp_path, (0, 1), ("train", "test"))
    build_store([(f"{i}.png", tmp_path / f"{i}.png") for i in (0, 1)], tmp_path / "store", 32, 1)
    assert run(manifest, "--store", tmp_path / "store") == 0
    assert len(list((tmp_path / "store.seen").iterdir())) == 1
    monkeypatch.chdir(tmp_path / "store")
    assert run(manifest, "--store", ".") == 0
    assert not [path for path in tmp_path.rglob("*.seen") if path != tmp_path / "store.seen"]
    assert run(manifest, "--store", tmp_path / "store", "--store", tmp_path / "store") == 2
    assert "--store is given 2 times for 1" in capsys.readouterr().err


def test_the_studies_that_must_not_meet_another_set_are_written_for_exclusion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seeds in (("a", (0, 1)), ("b", (1, 2)), ("c", (3, 4))):
        (tmp_path / name).mkdir()
        cohort(tmp_path / name, seeds, ("train", "train"))
    a, b, c = (tmp_path / name / "m.parquet" for name in "abc")
    assert run(a, b, "--shared", tmp_path / "shared.parquet") == 0  # all of both is to train on
    assert "(2 studies to leave out with --exclude)" in capsys.readouterr().out
    shared = Manifest.read(tmp_path / "shared.parquet")
    assert [study.study_id for study in shared.studies] == ["0", "1"]
    other = Manifest.read(c)
    strangers = [replace(study, source="there") for study in other.studies]
    write_manifest(strangers, c, other.root)
    assert run(a, c, "--shared", tmp_path / "none.parquet") == 0
    assert "none.parquet is not written" in capsys.readouterr().out
    assert not (tmp_path / "none.parquet").exists()


def test_patients_that_a_model_was_trained_on_are_told_and_end_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = cohort(tmp_path, (0, 1, 2), ("train", "test", "test"))
    studies = Manifest.read(manifest).studies
    write_trained_on(studies[:1], tmp_path)
    assert run(manifest, "--model", tmp_path) == 0
    assert "was trained on none of the 2 patients (test)" in capsys.readouterr().out
    write_trained_on(studies[:2], tmp_path)
    assert run(manifest, "--model", tmp_path) == 1
    assert "was trained on 1 of the 2 patients (test)" in capsys.readouterr().out
    assert run(manifest, "--model", tmp_path / "nothing") == 1
    assert "nothing tells what it was trained on" in capsys.readouterr().err
