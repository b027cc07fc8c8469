"""`carina pack`, as typed: build, complete, verify, repair."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.cli.main import main
from carina.imaging.store import ImageStore
from carina.studies.manifest import write_manifest
from carina.study import Radiograph, Study

VIEWS = ("PA", None, "LATERAL")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """One study with a frontal, an unknown and a lateral view."""
    for number in range(len(VIEWS)):
        levels = np.random.default_rng(number).integers(0, 256, (32, 40), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / f"{number}.png")
    radiographs = tuple(
        Radiograph(path=f"{number}.png", view=view) for number, view in enumerate(VIEWS)
    )
    study = Study(study_id="s", patient_id="p", source="here", radiographs=radiographs)
    write_manifest([study], tmp_path / "m.parquet", tmp_path)
    return tmp_path / "m.parquet"


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["pack", *map(str, words)])
    return int(ended.value.code or 0)


def test_pack_stores_frontal_views_and_keeps_what_is_there(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = manifest.parent / "store"
    assert run(manifest, "--size", 16, "--out", out) == 0
    assert "2 images packed, 0 kept." in capsys.readouterr().out
    assert ImageStore.open(out).keys == ("0.png", "1.png")
    assert run(manifest, "--size", 16, "--out", out) == 0
    assert "0 images packed, 2 kept." in capsys.readouterr().out
    assert run(manifest, "--out", out, "--verify") == 0
    assert "all whole" in capsys.readouterr().out


def test_pack_goes_on_after_a_broken_file_and_names_it(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = manifest.parent / "store"
    whole = (manifest.parent / "1.png").read_bytes()
    (manifest.parent / "1.png").write_bytes(whole[:200])
    assert run(manifest, "--size", 16, "--out", out) == 1
    printed = capsys.readouterr().out
    assert "1 images packed, 0 kept." in printed
    assert "1 could not be read:" in printed
    assert "1.png" in printed
    assert run(manifest, "--out", out, "--verify") == 1
    assert "1 not in the store:\n  1.png" in capsys.readouterr().out
    (manifest.parent / "1.png").write_bytes(whole)
    assert run(manifest, "--out", out, "--repair") == 0
    assert run(manifest, "--out", out, "--verify") == 0


def test_pack_tells_of_files_that_are_newer_than_the_store(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = manifest.parent / "store"
    assert run(manifest, "--size", 16, "--out", out) == 0
    os.utime(manifest.parent / "1.png", (2e9, 2e9))
    for words in (("--size", 16), ("--verify",)):
        assert run(manifest, "--out", out, *words) == 0
        printed = capsys.readouterr().out
        assert "1 kept, whose files are newer than their picture in the store:\n  1.png" in printed
        assert "pack again with --repair" in printed


def test_a_damaged_store_is_found_and_repaired(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = manifest.parent / "store"
    run(manifest, "--size", 16, "--out", out)
    key = ImageStore.open(out).keys[0]
    picture = ImageStore.open(out)[key].tobytes()
    shard = next(path for path in (out / "shards").iterdir() if picture in path.read_bytes())
    content = shard.read_bytes()
    shard.write_bytes(content.replace(picture, picture[:-1] + bytes([picture[-1] ^ 1])))
    assert run(manifest, "--out", out, "--verify") == 1
    assert f"1 damaged:\n  {key}" in capsys.readouterr().out
    assert run(manifest, "--out", out, "--repair") == 0
    assert ImageStore.open(out)[key].tobytes() == picture


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--out", "store"), 2, "give --size PX"),
        (("--out", "store", "--verify", "--repair"), 2, "exclude one another"),
        (("--out", "store", "--size", "16", "--root", "gone"), 1, "there is no folder"),
        (("--out", "store", "--verify"), 1, "no image store"),
        (("--out", "store", "--size", "4"), 2, "at least 16 pixels, got 4"),
    ],
)
def test_pack_refuses_what_cannot_work_in_one_message(
    manifest: Path,
    words: tuple[str, ...],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(manifest.parent)
    assert run(manifest, *words) == code
    printed = capsys.readouterr().err
    assert message in " ".join(printed.replace("│", " ").split())
    assert "Traceback" not in printed
    assert not (manifest.parent / "store").exists()


def test_a_manifest_without_frontal_views_is_refused(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Study(
        study_id="s",
        patient_id="p",
        source="here",
        radiographs=(Radiograph(path="2.png", view="LATERAL"),),
    )
    write_manifest([study], manifest, manifest.parent)
    assert run(manifest, "--size", 16, "--out", manifest.parent / "store") == 1
    assert "holds no frontal radiograph" in capsys.readouterr().err
