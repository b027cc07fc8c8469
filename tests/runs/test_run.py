"""A recipe carried out: what a run leaves, and which run may go on."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import carina
from carina.errors import CheckpointError, ConfigError, ManifestError, OutputError, StoreError
from carina.imaging.building import build_store
from carina.models.folder import load_model, save_model
from carina.recipes.catalogue import find_recipe
from carina.recipes.override import with_settings
from carina.recipes.recipe import Recipe
from carina.runs.run import RunOptions, pretrain
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Report
from carina.training.log import read_log


@pytest.fixture
def recipe(tiny_settings: tuple[str, ...]) -> Recipe:
    return with_settings(find_recipe("kad_small"), tiny_settings)


@pytest.fixture
def manifest(tiny_cohort: Path) -> Manifest:
    return Manifest.read(tiny_cohort)


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A finished run that may be changed."""
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def test_data_without_reports_are_refused_before_anything_is_trained(
    recipe: Recipe, manifest: Manifest, tmp_path: Path
) -> None:
    silent = [replace(study, report=Report()) for study in manifest.studies]
    write_manifest(silent, tmp_path / "silent.parquet", manifest.root)
    with pytest.raises(ManifestError, match="to train on has a report"):
        pretrain(recipe, Manifest.read(tmp_path / "silent.parquet"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_leaves_every_stage_and_its_model(tiny_run: Path) -> None:
    found = {path.relative_to(tiny_run).as_posix() for path in tiny_run.rglob("*")}
    model = {"config.json", "model.safetensors", "tokenizer.json", "card.md"}
    for stage in ("knowledge", "alignment"):
        assert {f"{stage}/{name}" for name in ("checkpoint.safetensors", "metrics.csv")} <= found
        assert {f"{stage}/model/{name}" for name in model} <= found
    assert {"run.json", "store/72/store.json", "alignment/queries.csv"} <= found
    assert {path.name for path in (tiny_run / "model").iterdir()} == model
    assert not [name for name in found if name.endswith((".tmp", ".old"))]


def test_the_model_is_what_the_last_step_left(tiny_run: Path) -> None:
    trained = load_file(tiny_run / "alignment" / "checkpoint.safetensors")
    saved = load_file(tiny_run / "model" / "model.safetensors")
    assert saved
    assert all(torch.equal(value, trained[f"module.model.{name}"]) for name, value in saved.items())


def test_the_frozen_text_encoder_is_that_of_the_first_stage(tiny_run: Path) -> None:
    first = load_file(tiny_run / "knowledge" / "model" / "model.safetensors")
    last = load_file(tiny_run / "model" / "model.safetensors")
    assert all(torch.equal(value, last[f"text_encoder.{name}"]) for name, value in first.items())


def test_every_step_is_logged_once(tiny_run: Path) -> None:
    rows = read_log(tiny_run / "alignment" / "metrics.csv")
    assert [row["step"] for row in rows] == list(range(6))
    assert all(np.isfinite(row["loss"]) for row in rows)


def test_the_record_says_what_was_run(tiny_run: Path, manifest: Manifest) -> None:
    record = json.loads((tiny_run / "run.json").read_text())
    train = manifest.split("train")
    assert record["recipe_name"] == "kad_small"
    assert record["stages"]["alignment"]["training"]["steps"] == 6
    assert record["seed"] == 0
    assert (record["studies"], record["data"]) == (len(train), train.digest)
    assert record["environment"]["torch"] == torch.__version__
    assert record["started"][:2] == "20"


def test_a_loaded_model_answers_and_a_copy_of_it_answers_the_same(
    tiny_run: Path, manifest: Manifest, tmp_path: Path
) -> None:
    image = manifest.absolute(manifest.studies[0].radiographs[0].path)
    queries = ["pneumothorax", "cardiomegaly"]
    answer = carina.load(tiny_run).ask([image], queries)
    assert answer.scores.shape == (1, 2)
    assert ((answer.scores >= 0) & (answer.scores <= 1)).all()
    save_model(load_model(tiny_run), tmp_path / "copy", "# copy")
    again = carina.load(tmp_path / "copy").ask([image], queries)
    np.testing.assert_array_equal(answer.scores, again.scores)
    assert answer.grids is not None
    assert again.grids is not None
    np.testing.assert_array_equal(answer.grids, again.grids)


def test_a_run_is_not_written_over_unless_it_is_resumed(
    run: Path, recipe: Recipe, manifest: Manifest
) -> None:
    before = (run / "model" / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(OutputError, match="holds a run already"):
        pretrain(recipe, manifest, run)
    assert (run / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_a_finished_run_that_is_resumed_stays_as_it_is(
    run: Path, recipe: Recipe, manifest: Manifest, tiny_run: Path
) -> None:
    assert pretrain(recipe, manifest, run, RunOptions(resume=True)) == run / "model"
    old, new = (path / "model" / "model.safetensors" for path in (tiny_run, run))
    assert old.read_bytes() == new.read_bytes()


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        (("alignment.training.steps=8",), {}, r"stages\.alignment\.training\.steps: 6, now 8"),
        (("alignment.queries.count=6",), {}, r"stages\.alignment\.queries\.count: 5, now 6"),
        ((), {"seed": 5}, r"seed: 0, now 5"),
        ((), {"split": "test"}, r"split: train, now test"),
        ((), {"devices": 1, "stores": (Path("gone"),)}, r"stores: \[\], now \['missing'\]"),
    ],
)
def test_a_run_is_resumed_with_what_it_was_begun_with_or_not_at_all(
    run: Path,
    recipe: Recipe,
    manifest: Manifest,
    settings: tuple[str, ...],
    options: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(CheckpointError, match=message):
        pretrain(with_settings(recipe, settings), manifest, run, RunOptions(resume=True, **options))


def test_a_run_is_not_resumed_on_other_data(run: Path, recipe: Recipe, manifest: Manifest) -> None:
    fewer = manifest.with_studies(manifest.studies[:-12])
    with pytest.raises(CheckpointError, match=r"studies: \d+, now .*data: "):
        pretrain(recipe, fewer, run, RunOptions(resume=True))


def test_patients_of_other_data_are_left_out_counted_and_recorded(
    tiny_run: Path,
    recipe: Recipe,
    manifest: Manifest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    train = manifest.split("train")
    patient = train.studies[0].patient_id
    gone = [study for study in train.studies if study.patient_id == patient]
    measured = write_manifest(gone[:1], tmp_path / "measured.parquet", manifest.root)
    start = {"knowledge": tiny_run, "alignment": tiny_run}  # nothing is left to be trained
    options = RunOptions(start=start, exclude=(measured.path,))
    pretrain(recipe, manifest, tmp_path / "run", options)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["studies"] == len(train) - len(gone)
    assert record["excluded"] == [
        {
            "manifest": "measured.parquet",
            "digest": measured.digest,
            "patients": 1,
            "studies": len(gone),
        }
    ]
    assert "left out of training: 1 patients" in caplog.text
    again = RunOptions(start=start, resume=True)
    with pytest.raises(CheckpointError, match="studies"):
        pretrain(recipe, manifest, tmp_path / "run", again)


def test_a_record_that_cannot_be_read_is_named(
    run: Path, recipe: Recipe, manifest: Manifest
) -> None:
    (run / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"run\.json: cannot be read"):
        pretrain(recipe, manifest, run, RunOptions(resume=True))


def test_a_stage_is_taken_from_another_run(
    tiny_run: Path, recipe: Recipe, manifest: Manifest, tmp_path: Path
) -> None:
    options = RunOptions(start={"knowledge": tiny_run})
    pretrain(recipe, manifest, tmp_path / "b", options)
    assert not (tmp_path / "b" / "knowledge").exists()
    # The same seed and the same text encoder: the same model as if both stages had been run.
    old, new = (path / "model" / "model.safetensors" for path in (tiny_run, tmp_path / "b"))
    assert old.read_bytes() == new.read_bytes()
    with pytest.raises(CheckpointError, match=r"start\.knowledge: \w+, now none"):
        pretrain(recipe, manifest, tmp_path / "b", RunOptions(resume=True))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (RunOptions(start={"knowlege": Path("a")}), ConfigError, "has the stages"),
        (RunOptions(start={"knowledge": Path("a")}), ConfigError, "holds no finished stage"),
        (RunOptions(devices=0), ConfigError, "at least 1"),
        (RunOptions(devices=3), ConfigError, r"batch of knowledge \(4\) does not divide"),
        (RunOptions(split="validation"), ManifestError, "no study is in the split"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_written(
    recipe: Recipe,
    manifest: Manifest,
    tmp_path: Path,
    options: RunOptions,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        pretrain(recipe, manifest, tmp_path / "run", options)
    assert not (tmp_path / "run").exists()


def test_a_store_of_another_size_is_refused(
    tiny_run: Path, recipe: Recipe, manifest: Manifest, tmp_path: Path
) -> None:
    image = manifest.studies[0].radiographs[0].path
    build_store([(image, manifest.absolute(image))], tmp_path / "store", 32, 1)
    options = RunOptions(stores=(tmp_path / "store",))
    with pytest.raises(StoreError, match=r"has the size \[32\], the recipe wants 72"):
        pretrain(recipe, manifest, tmp_path / "run", options)
    with pytest.raises(StoreError, match="this is no image store"):
        pretrain(recipe, manifest, tmp_path / "run", RunOptions(stores=(tmp_path,)))
    assert not (tmp_path / "run").exists()  # not after an earlier stage was trained


def test_images_that_cannot_be_read_are_counted_and_named(
    tiny_run: Path,
    recipe: Recipe,
    manifest: Manifest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = Path(shutil.copytree(manifest.root, tmp_path / "cohort"))
    train = manifest.split("train")
    broken = train.studies[0].radiographs[0].path
    (root / broken).write_bytes(b"")
    damaged = Manifest(manifest.path, root, studies=manifest.studies)
    pretrain(recipe, damaged, tmp_path / "run", RunOptions(start={"knowledge": tiny_run}))
    assert f"1 of {len(train)} images cannot be read" in caplog.text
    assert broken not in caplog.text  # names of files may tell who somebody is
    assert broken in (tmp_path / "run" / "unreadable.txt").read_text()


def test_a_folder_that_may_not_be_written_is_named(
    recipe: Recipe, manifest: Manifest, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        pretrain(recipe, manifest, tmp_path / "file" / "run", RunOptions())


@pytest.mark.parametrize("held", ["model/notes.txt", "alignment/notes.txt", "config.json"])
def test_a_folder_that_holds_what_a_run_would_replace_is_left_as_it_is(
    recipe: Recipe, manifest: Manifest, tmp_path: Path, held: str
) -> None:
    file = tmp_path / "mine" / held
    file.parent.mkdir(parents=True)
    file.write_text("precious")
    with pytest.raises(OutputError, match=r"and no run \(no run\.json\)"):
        pretrain(recipe, manifest, tmp_path / "mine")
    assert file.read_text() == "precious"
    assert not (tmp_path / "mine" / "run.json").exists()
