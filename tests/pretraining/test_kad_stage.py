from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError, ManifestError, ReportError
from carina.imaging.augmentation import NoAugmentation
from carina.imaging.building import build_store
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.imaging.store import ImageStore
from carina.knowledge.chest import chest_graph
from carina.pretraining.contrast import ContrastConfig
from carina.pretraining.contrast_stage import ContrastStage
from carina.pretraining.image_source import PublishedResNet
from carina.pretraining.kad import KADConfig
from carina.pretraining.kad_objective import KADLosses
from carina.pretraining.kad_stage import AlignmentStage
from carina.pretraining.report_targets import (
    NORMAL,
    OFFICIAL_QUERIES,
    PAPER_QUERIES,
    AnnotatedEntities,
    EntitySequence,
    FrequentObservations,
    Label,
    LabelPolicy,
    OfficialEntitySequence,
    OfficialQueries,
    PaperQueries,
    RawReport,
    RuleEntities,
    SentenceRuleEntities,
    default_extractor,
    label_table,
    positive_weights,
)
from carina.pretraining.stage import StageInputs
from carina.pretraining.text_side import FrozenText, TrainedText
from carina.pretraining.text_source import BertText, FinishedStage
from carina.studies.manifest import write_manifest
from carina.study import Assertion, Entity, EntityKind, Radiograph, Report, Study
from carina.training.objective import Place
from carina.training.settings import TrainingSettings

REPORTS = (
    "There is a large right pleural effusion. No pneumothorax.",
    "No pleural effusion or pneumothorax. The lungs are clear.",
    "Moderate cardiomegaly. Possible pneumothorax.",
    "",
)
TEXT = TextEncoderConfig(
    vocabulary=200, width=16, layers=1, heads=2, hidden=24, positions=64, max_tokens=48, dim=16
)
GREY = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))
IMAGE = ResNetConfig(block=Basic(), depths=(1, 1), widths=(6, 8), stem_width=4, channels=1, dim=16)
STAGE = AlignmentStage(
    training=TrainingSettings(batch_size=2, steps=1),
    model=KADConfig(
        image=IMAGE,
        text=TEXT,
        decoder=QueryDecoderConfig(dim=16, layers=1, heads=2, hidden=24),
        preprocessing=GREY,
    ),
    losses=KADLosses(augmentation=NoAugmentation(resize=Squash())),
    text=BertText(),
    queries=FrequentObservations(count=3),
    store_size=32,
)

CONTRAST_STAGE = ContrastStage(
    training=STAGE.training,
    model=ContrastConfig(image=IMAGE, text=TEXT, preprocessing=GREY),
    losses=STAGE.losses,
    text=BertText(),
    store_size=32,
)


def study(number: int, **changes: object) -> Study:
    views = (
        Radiograph(path=f"{number}.png", view="PA"),
        Radiograph(path=f"{number}_side.png", view="LATERAL"),
    )
    fields = {
        "study_id": f"s{number}",
        "patient_id": f"p{number}",
        "source": "test",
        "radiographs": views,
        "report": Report(text=REPORTS[number]),
        "split": "train",
    }
    return Study(**{**fields, **changes})


@pytest.fixture
def inputs(tmp_path: Path) -> StageInputs:
    items = []
    for number in range(len(REPORTS)):
        for name in (f"{number}.png", f"{number}_side.png"):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name)
            items.append((name, tmp_path / name))
    build_store(items, tmp_path / "store", 32, 1)
    studies = [study(number) for number in range(len(REPORTS))]
    manifest = write_manifest(studies, tmp_path / "manifest.parquet", tmp_path)
    return StageInputs(
        manifest=manifest,
        store=lambda size: ImageStore.open(tmp_path / "store"),
        graph=chest_graph(),
        finished={},
        load=lambda folder: nn.Identity(),
        folder=tmp_path,
        seed=0,
        device=torch.device("cpu"),
    )


def test_a_stage_asks_what_reports_say_of_frontal_training_images(inputs: StageInputs) -> None:
    prepared = STAGE.prepare(inputs)
    objective = prepared.objective
    # Three training studies have a report; each has one frontal image.
    assert prepared.batches.keys == ("0.png", "1.png", "2.png")
    # Effusion and cardiomegaly are called present; pneumothorax never is.
    assert objective.labels.tolist() == [[0, 1], [0, 0], [1, 0]]
    assert isinstance(objective.text, FrozenText)
    losses = objective.losses(prepared.batches.batch(0, Place()))
    assert all(torch.isfinite(term.sum) for term in losses.values())
    prepared.finish(inputs.folder)
    table = (inputs.folder / "queries.csv").read_text().splitlines()
    assert table[0] == "query,ignored,absent,present"
    assert sorted(table[1:]) == ["cardiomegaly,0,2,1", "pleural effusion,0,2,1"]


def test_standardisation_is_measured_or_as_given(inputs: StageInputs) -> None:
    store = inputs.store(32)
    measured = STAGE.prepare(inputs).trained.preprocessing
    assert measured.mean == pytest.approx((store.mean,))
    assert measured.std == pytest.approx((store.std,))
    given = replace(STAGE, measured_standardisation=False).prepare(inputs)
    assert given.trained.preprocessing == GREY


def test_a_text_encoder_that_is_trained_on_request(inputs: StageInputs) -> None:
    stage = replace(STAGE, text_is_trained=True, reports=RawReport())
    prepared = stage.prepare(inputs)
    assert isinstance(prepared.objective.text, TrainedText)
    prepared.objective.losses(prepared.batches.batch(0, Place()))


def test_the_text_encoder_comes_from_a_finished_stage(inputs: StageInputs) -> None:
    encoder = TextEncoder(TEXT, train_wordpiece(REPORTS, 200))
    stage = replace(STAGE, text=FinishedStage())
    done = replace(inputs, finished={"knowledge": inputs.folder}, load=lambda folder: encoder)
    assert stage.prepare(done).trained.text_encoder is encoder
    with pytest.raises(ConfigError, match="finished stages: none"):
        stage.prepare(inputs)
    with pytest.raises(ConfigError, match="trained a Identity; expected a text encoder"):
        stage.prepare(replace(done, load=inputs.load))


def test_the_text_encoder_comes_from_a_published_bert(
    inputs: StageInputs, tmp_path: Path, publish: Callable[..., Path]
) -> None:
    encoder = TextEncoder(TEXT, train_wordpiece(REPORTS, 200))
    publish(encoder, tmp_path / "bert")
    stage = replace(STAGE, text=BertText(pretrained=str(tmp_path / "bert")))
    assert stage.prepare(inputs).trained.config.text.width == 16


def test_fresh_weights_where_the_paper_has_published_ones_are_told(
    inputs: StageInputs, caplog: pytest.LogCaptureFixture
) -> None:
    BertText().build(TEXT, inputs)
    assert not caplog.messages
    BertText(paper_weights="somebody/BERT").build(TEXT, inputs)
    assert len(caplog.messages) == 1
    assert "the paper's starts from somebody/BERT" in caplog.messages[0]


def test_contrast_alone_is_prepared_alike(inputs: StageInputs) -> None:
    prepared = CONTRAST_STAGE.prepare(inputs)
    terms = prepared.objective.losses(prepared.batches.batch(0, Place()))
    assert set(terms) == {"contrast"}
    prepared.finish(inputs.folder)


def test_no_image_to_train_on_is_said(inputs: StageInputs) -> None:
    empty = inputs.manifest.with_studies([study(3), study(2, radiographs=())])
    with pytest.raises(ManifestError, match="Of 2 studies 1 have a report"):
        STAGE.prepare(replace(inputs, manifest=empty))


@pytest.mark.parametrize("stage", [AlignmentStage, ContrastStage])
def test_a_store_smaller_than_the_input_is_refused(stage: type) -> None:
    with pytest.raises(ConfigError, match=r"store_size \(100\)"):
        stage(store_size=100)


def test_a_negative_power_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive_weight_power"):
        replace(STAGE, positive_weight_power=-1.0)


def test_positive_weights_are_ratios_to_a_power() -> None:
    labels = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, -1], [0, 0, 1]], dtype=np.int8)
    weights = positive_weights(labels, 0.5)
    assert weights is not None
    assert weights.tolist() == [2.0, 1.0, 1.0]  # sqrt(4 / 1); never present; never absent
    assert positive_weights(labels, 0.0) is None


def entity(name: str, assertion: Assertion) -> Entity:
    return Entity(
        name=name,
        text=name,
        kind=EntityKind.OBSERVATION,
        assertion=assertion,
        start=0,
        end=len(name),
    )


def test_labels_follow_the_policy() -> None:
    found = [
        [entity("nodule", Assertion.PRESENT), entity("hernia", Assertion.UNCERTAIN)],
        [entity("nodule", Assertion.ABSENT)],
    ]
    names = ("nodule", "hernia", "mass", NORMAL)
    kad = label_table(found, names, LabelPolicy())
    assert kad.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    careful = LabelPolicy(uncertain=Label.IGNORED, unmentioned=Label.IGNORED)
    assert label_table(found, names, careful).tolist() == [[1, -1, -1, 0], [0, -1, -1, 1]]


def test_a_report_that_says_normal_is_labelled_normal() -> None:
    found = [[entity(NORMAL, Assertion.PRESENT), entity("mass", Assertion.ABSENT)]]
    assert label_table(found, ("mass", NORMAL), LabelPolicy()).tolist() == [[0, 1]]


def test_a_query_is_looked_up_by_the_lexicons_name_too() -> None:
    present = [[entity("pleural thickening", Assertion.PRESENT)]]
    assert label_table(present, ("pleural thickening",), LabelPolicy()).tolist() == [[1]]


def test_the_lists_of_paper_and_code_are_of_known_length() -> None:
    assert len(OfficialQueries().names([])) == len(set(OFFICIAL_QUERIES)) == 41
    assert len(PaperQueries().names([])) == len(set(PAPER_QUERIES)) == 39
    assert set(OFFICIAL_QUERIES) - set(PAPER_QUERIES) == {"normal", "stent", "device"}


def test_frequent_observations_leave_out_what_is_held_out() -> None:
    reports = [
        [entity("nodule", Assertion.PRESENT), entity("mass", Assertion.PRESENT)],
        [entity("nodule", Assertion.PRESENT)],
    ]
    assert FrequentObservations(count=2).names(reports)[0] == "nodule"
    assert FrequentObservations(count=2, held_out=("nodule",)).names(reports) == ("mass",)
    with pytest.raises(ReportError, match="No observation was found in 2 reports"):
        FrequentObservations().names([[], []])
    with pytest.raises(ConfigError, match="count of queries"):
        FrequentObservations(count=0)


def test_a_query_with_a_side_is_labelled_by_side() -> None:
    reports = [
        "FINDINGS: Left pleural effusion. Bilateral pneumothoraces.",
        "FINDINGS: Right pleural effusion. Possible left pneumothorax.",
        "FINDINGS: There is a pleural effusion. No pneumothorax.",
        "FINDINGS: The lungs are clear.",
    ]
    found = [default_extractor().extract(report) for report in reports]
    names = ("left pleural effusion", "left pneumothorax", "right pneumothorax")
    policy = LabelPolicy(uncertain=Label.PRESENT)
    assert label_table(found, names, policy).tolist() == [
        [1, 1, 1],
        [0, 1, 0],
        [-1, 0, 0],  # the report does not say on which side the effusion is
        [0, 0, 0],
    ]


def test_frequent_observations_with_a_side_come_last() -> None:
    reports = [
        default_extractor().extract(report)
        for report in (
            "FINDINGS: Left pneumothorax. Bilateral pleural effusions.",
            "FINDINGS: Left pleural effusion. Cardiomegaly.",
            "FINDINGS: No right pneumothorax.",
        )
    ]
    names = FrequentObservations(count=1, sided=2).names(reports)
    assert names == ("pleural effusion", "left pleural effusion", "left pneumothorax")
    held_out = FrequentObservations(count=1, sided=2, held_out=("pleural effusion",))
    assert held_out.names(reports) == ("cardiomegaly", "left pneumothorax")
    with pytest.raises(ConfigError, match="sided at least 0"):
        FrequentObservations(sided=-1)


def test_sources_of_entities_differ_where_they_should() -> None:
    text = "No change in the large pleural effusion."
    own = (entity("nodule", Assertion.PRESENT),)
    annotated = Report(text=text, entities=own)
    assert AnnotatedEntities().of([annotated]) == (own,)
    rules = {e.name: e.assertion for e in RuleEntities().of([annotated])[0]}
    assert rules["pleural effusion"] is Assertion.PRESENT
    crude = {e.name: e.assertion for e in SentenceRuleEntities().of([annotated])[0]}
    assert crude["pleural effusion"] is Assertion.ABSENT  # "no" denies the whole sentence
    assert AnnotatedEntities().of([Report(text=text)])[0] != ()


def test_a_report_becomes_its_entities_or_itself() -> None:
    report = Report(text="A  nodule\nis seen.")
    found = [entity("nodule", Assertion.PRESENT)]
    assert EntitySequence().of(report, found) == "nodule observation definitely present"
    assert RawReport().of(report, found) == "A nodule is seen."
    assert "[ENT]" in OfficialEntitySequence().of(report, RuleEntities().of([report])[0])


@pytest.mark.parametrize("stage", [STAGE, CONTRAST_STAGE], ids=["asking", "contrast"])
def test_reports_are_embedded_where_the_run_trains(
    stage: AlignmentStage | ContrastStage, inputs: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    encode = TextEncoder.encode

    def moved(encoder: TextEncoder, device: torch.device) -> TextEncoder:
        done.append(device)
        return encoder

    def embedded(encoder: TextEncoder, texts: tuple[str, ...], **how: Any) -> torch.Tensor:
        done.append(how.get("bar", "queries"))
        return encode(encoder, texts, **how)

    monkeypatch.setattr(TextEncoder, "to", moved)
    monkeypatch.setattr(TextEncoder, "encode", embedded)
    stage.prepare(replace(inputs, device=torch.device("cuda", 1)))
    assert done[0] == torch.device("cuda", 1)
    assert done.count(torch.device("cuda", 1)) == done.count("Embedding reports") == 1


@pytest.mark.parametrize("stage", [STAGE, CONTRAST_STAGE], ids=["asking", "contrast"])
def test_the_image_encoder_starts_from_published_weights_where_they_are_given(
    stage: AlignmentStage | ContrastStage, inputs: StageInputs
) -> None:
    weights = {
        key: torch.full_like(value, 2)
        for key, value in stage.model.image.build().state_dict().items()
        if not key.startswith(("hidden", "project"))
    }
    path = inputs.folder / "resnet.safetensors"
    save_file(weights, path)
    started = replace(stage, image_start=PublishedResNet(weights=str(path)))
    model = cast(Any, started.prepare(inputs).trained)
    assert torch.equal(model.image_encoder.conv1.weight, weights["conv1.weight"])
