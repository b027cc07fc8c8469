"""MedKLIP at true size gives the official numbers, for weights and inputs made by a formula."""

import copy
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from carina.conversion.medklip import medklip_from_part
from carina.encoders.attention import Attention
from carina.encoders.resnet import ResNetEncoder
from carina.encoders.text import FirstToken, TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.tokens import Tokens
from carina.losses.position import NO_CHOICE
from carina.losses.query import IGNORED
from carina.pretraining.image_side import OwnStatistics
from carina.pretraining.medklip import CLINICAL_BERT_TEXT, MedKLIPConfig, MedKLIPModel
from carina.pretraining.medklip_objective import (
    Drawn,
    MedKLIPLosses,
    MedKLIPObjective,
    NoPositionContrast,
    PositionContrast,
)
from carina.recipes.medklip import medklip_official
from carina.studies.batches import ImageBatch
from carina.training.optimiser import DecayAllButVectors, parameter_groups
from carina.zeroshot.protocol import Query

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import Case, read_case

TENSORS = {"atol": 5e-5, "rtol": 0.0}
MAPS = {"atol": 1e-6, "rtol": 0.0}
OURS = {  # official name of a module -> ours
    "res_features.0": "image_encoder.conv1",
    "res_features.1": "image_encoder.bn1",
    "res_features.4": "image_encoder.layer1",
    "res_features.5": "image_encoder.layer2",
    "res_features.6": "image_encoder.layer3",
    "res_l1": "image_encoder.hidden",
    "res_l2": "image_encoder.project",
    "disease_embedding_layer": "embed_query",
    "cl_fc": "position",
    "classifier": "existence",
}
TINY_TEXT = TextEncoderConfig(
    vocabulary=40, width=768, layers=1, heads=12, hidden=8, positions=8, max_tokens=8, dim=8
)


@pytest.fixture(scope="module")
def case(parity_dir: Path) -> Case:
    return read_case(parity_dir / "medklip")


@pytest.fixture(scope="module")
def model(case: Case) -> MedKLIPModel:
    # Texts come as the recorded embeddings; the text encoder is compared by itself.
    encoder = TextEncoder(TINY_TEXT, train_wordpiece(["effusion"], 40))
    return medklip_from_part(case.state("model"), encoder, ())


def test_parity_medklip_accounts_for_every_key(case: Case, model: MedKLIPModel) -> None:
    own = [key for key in model.state_dict() if not key.startswith("text_encoder.")]
    assert len(own) - len({"finding_features"}) == len(case.state("model"))
    sizes = replace(model.config, text=CLINICAL_BERT_TEXT)
    assert sizes == MedKLIPConfig()


@torch.no_grad()
def test_parity_medklip_text_encoder(case: Case) -> None:
    encoder = TextEncoder(CLINICAL_BERT_TEXT, train_wordpiece(["effusion"], 40)).eval()
    encoder.bert.load_state_dict(case.state("text_encoder"))
    for name in ("disease", "position"):
        tokens = Tokens(ids=case.input(f"{name}_ids"), mask=case.input(f"{name}_mask"))
        close(FirstToken().read(encoder, tokens), case.output(f"text.{name}_cls"))


@torch.no_grad()
def test_parity_medklip_image_encoder(case: Case, model: MedKLIPModel) -> None:
    encoder = model.image_encoder
    assert isinstance(encoder, ResNetEncoder)
    pictures = case.pictures("image_224")
    close(encoder.backbone(pictures)[:, ::32], case.output("image.backbone_sub"))
    close(encoder(pictures).tokens, case.output("image.tokens"))


@torch.no_grad()
def test_parity_medklip_all_queries_and_all_maps(case: Case, model: MedKLIPModel) -> None:
    texts = case.output("text.disease_cls")
    close(model.queries(texts), case.output("query"))
    decoded = model.ask(case.output("image.tokens"), texts)
    logits = model.existence(decoded.features)
    close(logits, case.output("logits"))
    close(logits.softmax(-1)[..., 1], case.output("probs"))
    close(decoded.features, case.output("decoder_output"))
    close(decoded.cross_attention, case.output("cross_attention"), **MAPS)
    close(decoded.self_attention[0], case.output("self_attention_first"), **MAPS)


@torch.no_grad()
def test_parity_medklip_answers(
    case: Case, model: MedKLIPModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a user gets: prepared queries, folded batch norms, the mean of the layers' maps.
    texts = case.output("text.disease_cls")
    monkeypatch.setattr(model, "_embedded", lambda wanted: texts)
    queries = model.encode_queries([Query(f"finding {n}", "text") for n in range(len(texts))])
    answers = model.answer(case.pictures("image_224"), queries)
    close(answers.scores, case.output("probs"))
    close(answers.grids[:, 20], case.output("grounding.query20_14x14"), **MAPS)
    tall = model.answer(case.pictures("image_rect"), queries)
    close(tall.grids[:, ::5].flatten(2), case.output("image_rect.mean_attention"), **MAPS)


@torch.no_grad()
def test_parity_medklip_open_set_and_rectangle(case: Case, model: MedKLIPModel) -> None:
    texts = case.output("text.disease_cls")
    rows = case.scalars["open_set_query_rows"]
    decoded = model.ask(case.output("image.tokens"), texts[rows])
    close(model.existence(decoded.features), case.output("open_set.logits"))
    close(decoded.cross_attention[-1], case.output("open_set.last_attention"), **MAPS)
    tokens = model.image_encoder(case.pictures("image_rect")).tokens
    close(tokens, case.output("image_rect.tokens"))
    decoded = model.ask(tokens, texts)
    close(model.existence(decoded.features), case.output("image_rect.logits"))
    maps = decoded.cross_attention.mean(0)[:, ::5]
    close(maps, case.output("image_rect.mean_attention"), **MAPS)


class GivenTargets:
    """Labels and positions as recorded; `kept` findings count, the others are ignored."""

    def __init__(self, case: Case, kept: list[int] | None) -> None:
        labels = case.input("labels")
        labels = torch.where(labels > 1, IGNORED, labels)
        if kept is not None:
            left_out = torch.ones(labels.shape[1], dtype=torch.bool)
            left_out[kept] = False
            labels[:, left_out] = IGNORED
        row, finding = torch.nonzero(labels == 1, as_tuple=True)
        given = case.input("position_index")[row, finding]
        rest = torch.full((len(given), 51 - given.shape[1]), NO_CHOICE)
        choices = torch.cat([given, rest], 1)
        self.drawn = Drawn(labels=labels, row=row, finding=finding, choices=choices)

    def draw(self, batch: ImageBatch) -> Drawn:
        return self.drawn


BATCH = ImageBatch(
    pixels=torch.zeros(4, 1, 8, 8, dtype=torch.uint8),
    sizes=torch.full((4, 2), 8),
    rows=torch.arange(4),
    names=("a", "b", "c", "d"),
    seed=0,
    step=0,
    places=range(4),
    batch_size=4,
)
VARIANTS = ("", "_no_position_loss", "_exclude_class")


def objective_of(case: Case, model: MedKLIPModel, variant: str) -> MedKLIPObjective:
    position = NoPositionContrast() if "no_position" in variant else PositionContrast()
    excluding = "exclude" in variant
    kept = case.scalars["kept_queries_when_excluding"] if excluding else None
    dtype = model.existence.weight.dtype
    return MedKLIPObjective(
        model,
        case.output("text.disease_cls").to(dtype),
        case.output("text.position_cls").to(dtype),
        GivenTargets(case, kept),
        MedKLIPLosses(position=position, batch_norm=OwnStatistics()),
    )


def means_of(case: Case, objective: MedKLIPObjective) -> dict[str, Tensor]:
    """The terms and their sum, from the recorded pictures."""
    model = objective.model
    pictures = case.pictures("train_image").to(model.existence.weight.dtype)
    terms = objective.asked(model.image_encoder(pictures).tokens, BATCH)
    means = {name: term.weight * term.sum / term.count for name, term in terms.items()}
    return {"position": torch.zeros(()), **means, "total": torch.stack([*means.values()]).sum()}


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_parity_medklip_losses_in_eval_mode(case: Case, model: MedKLIPModel, variant: str) -> None:
    objective = objective_of(case, copy.deepcopy(model), variant).eval()
    assert_losses(means_of(case, objective), case.scalars["losses"][f"eval{variant}"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_parity_medklip_training_step(case: Case, model: MedKLIPModel, variant: str) -> None:
    # In float64: gradients of the stem in float32 change in the third digit with the threads.
    model = without_dropout(copy.deepcopy(model)).double()
    objective = objective_of(case, model, variant).train()
    means = means_of(case, objective)
    assert_losses(means, case.scalars["losses"][f"train{variant}"])
    means["total"].backward()
    for official, expected in case.scalars["gradient_norms"][f"train{variant}"].items():
        norm = gradient_norm(model.get_submodule(OURS.get(official, official)))
        assert (norm is None) == (expected is None), official
        assert norm is None or norm == pytest.approx(expected, rel=1e-3), official
    if not variant:
        encoder = model.image_encoder
        close(encoder.bn1.running_mean, case.output("train.bn1_running_mean"))
        close(encoder.bn1.running_var, case.output("train.bn1_running_var"))
        gradient = model.existence.weight.grad
        close(gradient, case.output("train.grad_classifier_weight"), rtol=1e-3, atol=1e-4)
        expected = case.output("train.grad_cl_fc_weight_sub")
        step = len(model.position.weight) // len(expected)
        close(model.position.weight.grad[::step], expected, rtol=1e-3, atol=1e-4)
        expected = case.output("train.grad_conv1_weight_sub")
        # The recorded gradient of the stem is itself float32: right to some per cent only.
        difference = encoder.conv1.weight.grad[::8] - expected
        assert difference.norm() < 0.02 * expected.norm()


def test_parity_medklip_optimiser_groups(case: Case, model: MedKLIPModel) -> None:
    objective = objective_of(case, copy.deepcopy(model), "")
    groups = parameter_groups(objective, 0.02, DecayAllButVectors())
    for group, name in zip(groups, ("no_decay", "decay"), strict=True):
        expected = case.scalars["optimizer_groups"][name]
        assert group["weight_decay"] == expected["weight_decay"]
        assert len(group["params"]) == expected["tensors"]
        assert sum(value.numel() for value in group["params"]) == expected["elements"]


def test_parity_medklip_learning_rates(parity_dir: Path) -> None:
    recorded = json.loads((parity_dir / "medklip" / "schedule.json").read_text())["medklip"]
    training = medklip_official().stages[-1].training
    per_epoch = recorded["steps_per_epoch"]
    length = training.length(per_epoch)
    assert length.steps == recorded["config"]["epochs"] * per_epoch
    at = dict(recorded["first_epoch"])
    at |= {(epoch + 1) * per_epoch - 1: rate for epoch, rate in recorded["epoch_last_lr"]}
    for step, rate in at.items():
        ours = training.schedule.rate(step, training.optimiser.rate, length)
        assert ours == pytest.approx(rate, rel=1e-9), step


def close(actual: Tensor, expected: Tensor, **tolerance: float) -> None:
    torch.testing.assert_close(actual.to(expected.dtype), expected, **(tolerance or TENSORS))


def assert_losses(means: dict[str, Tensor], expected: dict[str, float]) -> None:
    assert {name: mean.item() for name, mean in means.items()} == pytest.approx(expected, rel=1e-5)


def gradient_norm(module: nn.Module) -> float | None:
    gradients = [value.grad for value in module.parameters() if value.grad is not None]
    if not gradients:
        return None
    return torch.stack([gradient.double().norm() for gradient in gradients]).norm().item()


def without_dropout(module: MedKLIPModel) -> MedKLIPModel:
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        elif isinstance(part, Attention):
            part.dropout = 0.0
    return module
