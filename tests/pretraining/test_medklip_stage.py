import csv
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.text import FirstToken, Projected, TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError, KnowledgeError, ReportError
from carina.imaging.augmentation import NoAugmentation
from carina.imaging.building import build_store
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.imaging.store import ImageStore
from carina.knowledge.chest import chest_graph
from carina.models.folder import load_model, save_model
from carina.pretraining.finding_texts import KnownDescriptions, known_descriptions
from carina.pretraining.kept_embeddings import kept_embeddings
from carina.pretraining.medklip import BareName, MedKLIPConfig, MedKLIPModel, TrainedFinding
from carina.pretraining.medklip_objective import MedKLIPLosses
from carina.pretraining.medklip_stage import MedKLIPStage
from carina.pretraining.medklip_targets import FrequentTriplets, PaperTriplets
from carina.pretraining.stage import StageInputs
from carina.pretraining.text_source import BertText
from carina.studies.manifest import write_manifest
from carina.study import Radiograph, Report, Study
from carina.training.objective import Place
from carina.training.settings import TrainingSettings
from carina.zeroshot.protocol import Query

REPORTS = (
    "There is a left pleural effusion. No pneumothorax.",
    "No pleural effusion. Nodule in the right upper lobe.",
    "Left and right pleural effusion. Possible pneumothorax.",
    "Comparison with the film of last year.",
)
GREY = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))
TEXT = TextEncoderConfig(
    vocabulary=200, width=16, layers=1, heads=2, hidden=24, positions=64, max_tokens=48, dim=16
)
STAGE = MedKLIPStage(
    training=TrainingSettings(batch_size=2, steps=1),
    model=MedKLIPConfig(
        image=ResNetConfig(
            block=Basic(), depths=(1, 1), widths=(6, 8), stem_width=4, channels=1, dim=16
        ),
        text=TEXT,
        decoder=QueryDecoderConfig(dim=16, layers=1, heads=2, hidden=24),
        preprocessing=GREY,
    ),
    losses=MedKLIPLosses(augmentation=NoAugmentation(resize=Squash())),
    text=BertText(),
    triplets=FrequentTriplets(entities=2, positions=6),
    store_size=32,
)


def inputs_of(folder: Path, reports: tuple[str, ...] = REPORTS) -> StageInputs:
    items, studies = [], []
    for number, text in enumerate(reports):
        name = f"{number}.png"
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
        items.append((name, folder / name))
        studies.append(
            Study(
                study_id=f"s{number}",
                patient_id=f"p{number}",
                source="test",
                radiographs=(Radiograph(path=name, view="PA"),),
                report=Report(text=text),
            )
        )
    build_store(items, folder / "store", 32, 1)
    return StageInputs(
        manifest=write_manifest(studies, folder / "manifest.parquet", folder),
        store=lambda size: ImageStore.open(folder / "store"),
        graph=chest_graph(),
        finished={},
        load=lambda path: nn.Identity(),
        folder=folder,
        seed=0,
        device=torch.device("cpu"),
    )


@pytest.fixture
def inputs(tmp_path: Path) -> StageInputs:
    return inputs_of(tmp_path)


def test_a_stage_learns_what_and_where_and_counts_reports_without_triplet(
    inputs: StageInputs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    prepared = STAGE.prepare(inputs)
    assert "1 of 4 images have a report without a triplet" in caplog.text
    assert prepared.batches.keys == ("0.png", "1.png", "2.png")
    model = prepared.trained
    assert isinstance(model, MedKLIPModel)
    assert [finding.name for finding in model.config.findings] == ["pleural effusion", "nodule"]
    drawn = prepared.objective.targets.draw(prepared.batches.batch(0, Place()))
    rows = prepared.batches.batch(0, Place()).rows.tolist()
    known = {0: [1, -1], 1: [0, 1], 2: [1, -1]}
    assert drawn.labels.tolist() == [known[row] for row in rows]
    terms = prepared.objective.losses(prepared.batches.batch(0, Place()))
    assert set(terms) == {"existence", "position"}
    assert all(torch.isfinite(term.sum) for term in terms.values())
    prepared.finish(inputs.folder)
    with (inputs.folder / "queries.csv").open() as file:
        counts = list(csv.reader(file))[1:]
    assert counts == [["pleural effusion", "0", "1", "2"], ["nodule", "2", "0", "1"]]


def test_a_saved_model_asks_with_the_descriptions_of_its_training(
    inputs: StageInputs, tmp_path: Path
) -> None:
    model = STAGE.prepare(inputs).trained.eval()
    save_model(model, tmp_path / "model", "A model.")
    loaded: Any = load_model(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())["config"]
    texts = {finding["name"]: finding["text"] for finding in config["findings"]}
    assert texts["nodule"] == known_descriptions(None).of("nodule").text
    asked = [Query("nodule"), Query("a shadow", "round")]
    films = torch.randn(2, 1, 32, 32)
    before = model.answer(films, model.encode_queries(asked))
    after = loaded.answer(films, loaded.encode_queries(asked))
    torch.testing.assert_close(before.scores, after.scores)


def test_texts_are_embedded_once_a_run(
    inputs: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = STAGE.prepare(inputs).objective.get_buffer("features")
    kept = (inputs.folder / "embeddings.safetensors").stat().st_mtime_ns
    torch.manual_seed(0)
    encoder = TextEncoder(TEXT, train_wordpiece(["one two"], 60))
    path = inputs.folder / "own.safetensors"
    made = kept_embeddings(path, encoder, FirstToken(), ["one", "two"])
    torch.testing.assert_close(made, encoder.encode(["one", "two"], reading=FirstToken()))
    other = kept_embeddings(path, encoder, Projected(), ["one", "two"])
    assert not torch.equal(other, made)
    path.write_bytes(b"torn")
    again = kept_embeddings(path, encoder, Projected(), ["one", "two"])
    assert torch.equal(again, other)
    monkeypatch.setattr(TextEncoder, "encode", None)  # would fail
    assert torch.equal(kept_embeddings(path, encoder, Projected(), ["one", "two"]), other)
    with pytest.raises(TypeError):
        kept_embeddings(path, encoder, Projected(), ["two", "one"])
    assert first.shape == (2, 16)
    assert (inputs.folder / "embeddings.safetensors").stat().st_mtime_ns == kept


def test_no_triplet_at_all_is_one_clear_message(tmp_path: Path) -> None:
    stage = replace(STAGE, triplets=PaperTriplets())
    with pytest.raises(ReportError, match="None of 1 reports gives a triplet"):
        stage.prepare(inputs_of(tmp_path, REPORTS[3:]))
    with pytest.raises(ConfigError, match="no report calls anything present"):
        STAGE.prepare(inputs_of(tmp_path, REPORTS[3:]))


def test_findings_that_need_a_description_and_have_none_are_named() -> None:
    with pytest.raises(KnowledgeError, match="1 of 2 findings have no description: wobble"):
        KnownDescriptions(known_descriptions(None)).findings(["nodule", "wobble"])


def test_a_finding_on_a_side_is_asked_by_its_side_and_its_description() -> None:
    nodule = known_descriptions(None).of("nodule").text
    texts = KnownDescriptions(known_descriptions(None))
    assert texts.text("left nodule") == f"On the left: {nodule}"
    assert KnownDescriptions(known_descriptions(None), {"nodule": "A ball."}).findings(
        ["right nodule"]
    ) == (TrainedFinding(name="right nodule", text="On the right: A ball."),)
    with pytest.raises(KnowledgeError, match="no description of 'left wobble'"):
        texts.text("left wobble")


def test_descriptions_of_the_users_own_go_first(inputs: StageInputs, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"nodule": "A small ball."}))
    model = replace(STAGE, descriptions=str(path)).prepare(inputs).trained
    assert TrainedFinding(name="nodule", text="A small ball.") in model.config.findings


def test_bare_names_need_no_description(inputs: StageInputs) -> None:
    stage = replace(STAGE, model=replace(STAGE.model, wording=BareName()))
    model = stage.prepare(inputs).trained
    assert TrainedFinding(name="nodule", text="nodule") in model.config.findings


def test_the_papers_entities_left_out_give_no_loss(inputs: StageInputs) -> None:
    stage = replace(STAGE, triplets=PaperTriplets(left_out=("nodule",)))
    prepared = stage.prepare(inputs)
    drawn = prepared.objective.targets.draw(prepared.batches.batch(0, Place()))
    assert drawn.labels.shape == (2, 75)
    assert (drawn.labels[:, 38] == -1).all()
    assert (drawn.finding != 38).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"store_size": 16}, "store_size"), ({"positive_weight_power": -1.0}, "positive_weight")],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(STAGE, **changes)
