"""Shared fixtures: shapes are checked as the tests run, real data are found by variable."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

install_import_hook("carina", "beartype.beartype")
settings.register_profile(
    "carina", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("carina")


def folder_named_by(variable: str) -> Path:
    """The folder that a variable names; skips when unset, fails when set to what is not there."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: it names the folder that this test reads")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"{variable}={value} is no folder")
    return folder


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    return folder_named_by("CARINA_PARITY")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    return folder_named_by("CARINA_DATA")


@pytest.fixture(scope="session")
def vocab_dir() -> Path:
    return folder_named_by("CARINA_VOCAB")


@pytest.fixture(scope="session")
def publish() -> Callable[..., Path]:
    """Writes the BERT of a text encoder to a folder, as transformers lays one out."""

    def write(encoder, folder: Path, **changed: object) -> Path:
        from safetensors.torch import save_file  # brings torch, which many tests do without

        config = encoder.config
        entries = {
            "model_type": "bert",
            "vocab_size": config.vocabulary,
            "hidden_size": config.width,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "intermediate_size": config.hidden,
            "max_position_embeddings": config.positions,
            "hidden_dropout_prob": config.dropout,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(entries | changed))
        save_file(encoder.bert.state_dict(), folder / "model.safetensors")
        encoder.tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return write


@pytest.fixture(scope="session")
def tiny_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of 24 phantom studies at 96 px."""
    from carina.datasets.declaration import Release
    from carina.datasets.indexing import index_release
    from carina.datasets.registry import dataset_named
    from carina.phantom.cohort import PhantomConfig, write_cohort

    folder = tmp_path_factory.mktemp("tiny_cohort")
    write_cohort(PhantomConfig(studies=24, seed=1, size=96), folder / "cohort", processes=1)
    release = Release(root=folder / "cohort")
    index_release(dataset_named("phantom"), release, folder / "cohort.parquet")
    return folder / "cohort.parquet"


@pytest.fixture(scope="session")
def tiny_settings() -> tuple[str, ...]:
    """What makes kad_small a matter of a few steps, as words of --set."""
    return (
        *("knowledge.training.steps=3", "alignment.training.steps=6", "batch_size=4"),
        *("checkpoint_every=2", "log_every=1", "alignment.queries.count=5"),
        *("preprocessing.size=64", "store_size=72"),
    )


@pytest.fixture(scope="session")
def tiny_run(
    tiny_cohort: Path, tiny_settings: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a finished run; tests that change it copy it first."""
    from carina.recipes.catalogue import find_recipe
    from carina.recipes.override import with_settings
    from carina.runs.run import pretrain
    from carina.studies.manifest import Manifest

    out = tmp_path_factory.mktemp("tiny_run") / "run"
    recipe = with_settings(find_recipe("kad_small"), tiny_settings)
    pretrain(recipe, Manifest.read(tiny_cohort), out)
    return out
