"""Every protocol end to end on the synthetic copy of its release."""

from pathlib import Path

import pytest
from bright_cohort import BrightnessModel

from carina.cli.by_protocol import carried_out
from carina.datasets.declaration import Release
from carina.datasets.indexing import index_release
from carina.datasets.layouts import write_layout
from carina.datasets.registry import DATASETS
from carina.evaluation.protocol import FineTuned, PhrasesGrounded, Protocol
from carina.evaluation.protocol_run import PROTOCOL, How, evaluate_by_protocol
from carina.evaluation.protocols import PROTOCOLS
from carina.phantom.cohort import PhantomConfig
from carina.studies.manifest import Manifest

SECOND = {
    "edema-severity": ("mimic-cxr-jpg", "mimic-cxr-pe-severity"),
    "ms-cxr": ("mimic-cxr-jpg", "ms-cxr"),
}
"""Where a copy has its two downloads, if not in its own folder and in `lists`."""

TRAINED_STUDIES = 200
"""CheXpert validates on a fortieth of its training part, of few studies nobody; and of 120 drawn
studies COVIDx validates on none without a finding."""

STUDIES_FOR_ONE_PERCENT = {
    "rsna-lovt": 1_000,
    "rsna-mrm": 1_000,
    "rsna-mgca": 1_200,
    "covid-rural-lovt": 1_400,
    "covidx": 2_100,
}
"""As docs/protocols.md tells; ChestX-ray14, CheXpert and SIIM take 3,100 to 3,700."""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    return {}


def manifest_of(
    name: str, kept: dict[str, Manifest], folder: Path, studies: int = 40, seed: int = 3
) -> Manifest:
    key = f"{name} {studies}"
    if key not in kept:
        config = PhantomConfig(studies=studies, seed=seed, size=64)
        write_layout(DATASETS[name], config, folder / name, processes=1)
        first, second = SECOND.get(name, (".", "lists"))
        release = Release(
            root=folder / name / first,
            second_root=folder / name / second if DATASETS[name].second_root else None,
        )
        kept[key] = index_release(DATASETS[name], release, folder / f"{name}.parquet")
    return kept[key]


@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol",
    [one for one in PROTOCOLS.values() if not isinstance(one.task, FineTuned | PhrasesGrounded)],
    ids=lambda one: one.name,
)
def test_a_protocol_runs_on_the_synthetic_copy_of_its_release(
    protocol: Protocol,
    manifests: dict[str, Manifest],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # The whole of CheXpert is one release here; the real one comes in two.
    name = next(one for one in protocol.part.datasets if one in DATASETS)
    manifest = manifest_of(name, manifests, tmp_path_factory.mktemp(name))
    found = evaluate_by_protocol(BrightnessModel(), manifest, protocol, How(replicates=20))
    assert found.images > 0
    assert found.settings[PROTOCOL]["dataset"] == name
    assert found.settings[PROTOCOL]["synthetic"]
    assert found.mean[protocol.metrics[0]].value is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol",
    [
        one
        for one in PROTOCOLS.values()
        if isinstance(one.task, FineTuned) and one.task.fraction == 1
    ],
    ids=lambda one: one.name,
)
def test_a_protocol_that_trains_runs_on_the_synthetic_copy_of_its_release(
    protocol: Protocol,
    manifests: dict[str, Manifest],
    tiny_run: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name = next(one for one in protocol.part.datasets if one in DATASETS)
    manifest = manifest_of(name, manifests, tmp_path_factory.mktemp(name), studies=TRAINED_STUDIES)
    model, training = tiny_run / "model", tmp_path / "training"
    found, _ = carried_out(protocol, model, manifest, How(), training, steps=2)
    assert found.images > 0
    assert found.settings[PROTOCOL]["synthetic"]
    assert protocol.metrics[0] in found.mean


@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol",
    [
        one
        for one in PROTOCOLS.values()
        if isinstance(one.task, FineTuned)
        and one.task.fraction == 0.01
        and one.part.datasets[0] in STUDIES_FOR_ONE_PERCENT
    ],
    ids=lambda one: one.name,
)
def test_a_hundredth_of_the_labels_of_as_many_studies_as_the_docs_tell_has_examples(
    protocol: Protocol,
    manifests: dict[str, Manifest],
    tiny_run: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name = protocol.part.datasets[0]
    studies = STUDIES_FOR_ONE_PERCENT[name]
    manifest = manifest_of(name, manifests, tmp_path_factory.mktemp(name), studies, seed=0)
    model, training = tiny_run / "model", tmp_path / "training"
    found, _ = carried_out(protocol, model, manifest, How(), training, steps=2)
    assert found.images > 0
    assert protocol.metrics[0] in found.mean
