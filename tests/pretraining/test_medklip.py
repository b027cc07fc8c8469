from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from carina.encoders.modes import batch_norms
from carina.encoders.query_decoder import Alone, QueryDecoderConfig
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.text import FirstToken, Projected, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError, KnowledgeError
from carina.imaging.augmentation import NoAugmentation
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.knowledge.descriptions import Descriptions
from carina.losses.position import NO_CHOICE
from carina.losses.query import IGNORED
from carina.pretraining import image_side
from carina.pretraining.image_side import FrozenStatistics
from carina.pretraining.medklip import (
    BareName,
    MedKLIPConfig,
    MedKLIPModel,
    TrainedFinding,
)
from carina.pretraining.medklip_objective import (
    Drawn,
    MedKLIPLosses,
    MedKLIPObjective,
    NoPositionContrast,
    PositionContrast,
)
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses, Place
from carina.zeroshot.protocol import Query

FINDINGS = (
    TrainedFinding(name="pleural_effusion", text="a veil that fills the angle"),
    TrainedFinding(name="nodule", text="a small round bright spot"),
    TrainedFinding(name="mass", text="a large round bright spot"),
)
WORDS = [finding.text for finding in FINDINGS] + ["pneumothorax", "no lung beyond a thin line"]
CONFIG = MedKLIPConfig(
    image=ResNetConfig(
        block=Basic(), depths=(1, 1), widths=(6, 8), stem_width=4, channels=1, dim=16
    ),
    text=TextEncoderConfig(
        vocabulary=90, width=12, layers=1, heads=2, hidden=24, positions=24, max_tokens=20, dim=10
    ),
    decoder=QueryDecoderConfig(
        dim=16, layers=2, heads=2, hidden=24, dropout=0.0, initial_deviation=0.3
    ),
    preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
    findings=FINDINGS,
)
LOSSES = MedKLIPLosses(augmentation=NoAugmentation(resize=Squash()), batch_norm=FrozenStatistics())
LABELS = torch.tensor([[1, 0, IGNORED], [0, 1, 1], [IGNORED, 0, 0], [IGNORED, IGNORED, 1]])
POSITIONS = torch.randn(4, 12, generator=torch.Generator().manual_seed(5))


def model_of(config: MedKLIPConfig = CONFIG) -> MedKLIPModel:
    torch.manual_seed(0)
    model = MedKLIPModel.from_config(config, train_wordpiece(WORDS, 90))
    texts = [finding.text for finding in config.findings]
    features = model.text_encoder.encode(texts, reading=config.reading)
    model.get_buffer("finding_features").copy_(features)
    return model


def radiographs(count: int = 2) -> Tensor:
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(1))


ASKED = [Query(name) for name in ("pleural effusion", "Nodule")]


def test_answers_are_the_softmax_and_the_mean_of_all_maps() -> None:
    model = model_of().eval()
    for norm in batch_norms(model.image_encoder):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    answers = model.answer(radiographs(), model.encode_queries(ASKED))
    with torch.no_grad():
        tokens = model.image_encoder(radiographs()).tokens
        decoded = model.ask(tokens, model.get_buffer("finding_features")[:2])
        logits = model.existence(decoded.features)
    odds = (logits[..., 1] - logits[..., 0]).sigmoid()
    torch.testing.assert_close(answers.scores, odds, atol=1e-5, rtol=0)
    assert answers.grids is not None
    maps = decoded.cross_attention.mean(0)
    torch.testing.assert_close(answers.grids.flatten(2), maps, atol=1e-5, rtol=0)


def test_a_finding_is_asked_by_its_own_text_then_the_trainings_then_ours() -> None:
    model = model_of()

    def embedded(query: Query) -> Tensor:
        return model.encode_queries([query]).features["text"][0]

    def read(text: str) -> Tensor:
        return model.text_encoder.encode([text], reading=FirstToken())[0]

    own = embedded(Query("nodule", "a thin line"))
    assert torch.equal(own, read("a thin line"))
    assert torch.equal(
        embedded(Query("Pleural  effusion")), model.get_buffer("finding_features")[0]
    )

    ours = Descriptions.default().of("pneumothorax").text
    torch.testing.assert_close(embedded(Query("pneumothorax")), read(ours))
    with pytest.raises(KnowledgeError, match="no description of 'wobble'"):
        embedded(Query("wobble"))


def test_without_descriptions_a_finding_is_asked_by_its_name() -> None:
    model = model_of(replace(CONFIG, wording=BareName(), findings=()))
    queries = [Query("wobble"), Query("wobble 2", "a thin line")]
    features = model.encode_queries(queries).features["text"]
    read = model.text_encoder.encode(["wobble", "a thin line"], reading=FirstToken())
    torch.testing.assert_close(features, read)


def test_findings_of_the_training_are_not_embedded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    monkeypatch.setattr(model.text_encoder, "encode", None)  # would fail
    queries = model.encode_queries(ASKED)
    assert torch.equal(queries.features["text"], model.get_buffer("finding_features")[:2])


def test_an_answer_does_not_depend_on_what_else_is_asked_where_queries_are_alone() -> None:
    alone = replace(CONFIG, decoder=replace(CONFIG.decoder, queries=Alone()))
    model = model_of(alone)
    both = model.answer(radiographs(), model.encode_queries(ASKED))
    one = model.answer(radiographs(), model.encode_queries(ASKED[1:]))
    torch.testing.assert_close(both.scores[:, 1:], one.scores)
    assert both.grids is not None
    assert one.grids is not None
    torch.testing.assert_close(both.grids[:, 1:], one.grids)


def test_a_text_is_the_first_token_or_what_the_projection_makes_of_it() -> None:
    model = model_of()
    tokens = model.text_encoder.tokenize(["a thin line"])
    bert = model.text_encoder.eval().bert(tokens.ids, tokens.mask)
    assert torch.equal(FirstToken().read(model.text_encoder, tokens), bert.tokens[:, 0])
    projected = model.text_encoder.project(bert.pooled)
    assert torch.equal(Projected().read(model.text_encoder, tokens), projected)
    assert model_of(replace(CONFIG, reading=Projected())).position.out_features == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"decoder": QueryDecoderConfig(dim=8, heads=2)},
        {"preprocessing": Preprocessing(size=32, resize=Squash(), mean=(0.5,) * 3, std=(1.0,) * 3)},
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(CONFIG, **changes)


def test_losses_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="negatives"):
        PositionContrast(negatives=0)
    with pytest.raises(ConfigError, match="_no_position"):
        PositionContrast(weight=0.0)
    with pytest.raises(ConfigError, match="image_chunks"):
        MedKLIPLosses(image_chunks=0)


class Given:
    """Labels of four images, and where what is present is."""

    def __init__(self, labels: Tensor = LABELS) -> None:
        self.table = labels

    def draw(self, batch: ImageBatch) -> Drawn:
        labels = self.table[batch.rows]
        row, finding = torch.nonzero(labels == 1, as_tuple=True)
        choices = torch.tensor([[2, 0, 1, NO_CHOICE]]).expand(len(row), -1)
        return Drawn(labels=labels, row=row, finding=finding, choices=choices)


ALONE = Place()


def batch_of(place: Place = ALONE) -> ImageBatch:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (4, 1, 32, 32), generator=generator).to(torch.uint8)
    places = place.rows(4)
    rows = torch.arange(4)[places.start : places.stop]
    return ImageBatch(
        pixels=pixels[rows],
        sizes=torch.full((len(rows), 2), 32),
        rows=rows,
        names=tuple(f"study {row}" for row in rows.tolist()),
        seed=0,
        step=0,
        places=places,
        batch_size=4,
    )


def objective_of(losses: MedKLIPLosses = LOSSES, labels: Tensor = LABELS) -> MedKLIPObjective:
    model = model_of()
    features = model.get_buffer("finding_features")
    return MedKLIPObjective(model, features, POSITIONS, Given(labels), losses)


def total(terms: Losses) -> Tensor:
    return torch.stack(
        [term.weight * term.sum / term.count.clamp(min=1) for term in terms.values()]
    ).sum()


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def test_two_processes_give_loss_and_gradient_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    standardise = image_side.standardise
    monkeypatch.setattr(image_side, "standardise", lambda *args: standardise(*args).double())
    whole = objective_of().double()
    terms = whole.losses(batch_of())
    # 8 labels are known, 4 of them present.
    assert {name: term.count.item() for name, term in terms.items()} == {
        "existence": 8,
        "position": 4,
    }
    total(terms).backward()
    shared = objective_of().double()
    parts = [shared.losses(batch_of(Place(rank=rank, processes=2))) for rank in range(2)]
    joined = torch.zeros((), dtype=torch.float64)
    for name in terms:
        sums = torch.stack([part[name].sum for part in parts]).sum()
        counts = torch.stack([part[name].count for part in parts]).sum()
        assert counts == terms[name].count
        torch.testing.assert_close(sums, terms[name].sum)
        joined = joined + sums / counts
    joined.backward()
    expected = gradients(whole)
    assert any(name.startswith("model.position") for name in expected)
    for name, gradient in gradients(shared).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-9, rtol=1e-6)


def test_a_batch_without_any_finding_trains_nothing_and_is_no_nan() -> None:
    objective = objective_of(labels=torch.where(LABELS == 1, 0, LABELS))
    terms = objective.losses(batch_of())
    assert terms["position"].sum.item() == terms["position"].count.item() == 0
    total(terms).backward()
    assert torch.isfinite(total(terms))
    silent = objective_of(labels=torch.full_like(LABELS, IGNORED))
    terms = silent.losses(batch_of())
    assert total(terms).item() == 0
    total(terms).backward()
    # Every trained weight has a gradient, of zero: processes wait for one another's.
    trained = {name for name, value in silent.named_parameters() if value.requires_grad}
    assert trained == set(gradients(silent))
    assert all(gradient.abs().sum() == 0 for gradient in gradients(silent).values())


def test_without_position_contrast_the_position_head_is_left_alone() -> None:
    objective = objective_of(replace(LOSSES, position=NoPositionContrast()))
    terms = objective.losses(batch_of())
    assert set(terms) == {"existence"}
    total(terms).backward()
    trained = {name for name, value in objective.named_parameters() if value.requires_grad}
    assert trained == set(gradients(objective))
    assert not any("position" in name or "text_encoder" in name for name in trained)


def test_more_negatives_cost_more() -> None:
    one = objective_of(replace(LOSSES, position=PositionContrast(negatives=1)))
    two = objective_of(replace(LOSSES, position=PositionContrast(negatives=2)))
    assert one.losses(batch_of())["position"].sum < two.losses(batch_of())["position"].sum


@given(rows=st.permutations(range(4)))
def test_the_loss_does_not_depend_on_the_order_of_findings(rows: list[int]) -> None:
    # Positions are given for cells, whatever their order.
    objective = objective_of()
    tokens = objective.model.image_encoder(torch.zeros(4, 1, 32, 32)).tokens
    drawn = objective.targets.draw(batch_of())
    decoded = objective.model.ask(tokens, objective.get_buffer("features"))
    terms = LOSSES.position.terms(objective.model, decoded.features, POSITIONS, drawn)
    order = torch.tensor(rows)
    shuffled = Drawn(
        labels=drawn.labels,
        row=drawn.row[order],
        finding=drawn.finding[order],
        choices=drawn.choices[order],
    )
    again = LOSSES.position.terms(objective.model, decoded.features, POSITIONS, shuffled)
    torch.testing.assert_close(terms["position"].sum, again["position"].sum)
