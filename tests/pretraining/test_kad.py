from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from carina.encoders.modes import batch_norms
from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.synchronised import SynchronisedBatchNorm
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError
from carina.imaging.augmentation import NoAugmentation, standardise
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.pretraining import image_side, pair_contrast
from carina.pretraining.contrast import ContrastConfig, ContrastModel, ContrastObjective
from carina.pretraining.image_side import FrozenStatistics, OwnStatistics, SynchronisedStatistics
from carina.pretraining.kad import KADConfig, KADModel
from carina.pretraining.kad_objective import (
    BothMemories,
    ImageMemory,
    KADLosses,
    KADObjective,
    RandomSelect,
)
from carina.pretraining.pair_contrast import CosineContrast, ScaledDotContrast
from carina.pretraining.query_side import AllLayers, LastLayer
from carina.pretraining.text_side import FrozenText, TrainedText
from carina.studies.batches import ImageBatch
from carina.training.objective import Losses, Place
from carina.zeroshot.protocol import Query

TEXTS = ("pleural effusion present", "no pneumothorax", "heart large", "lungs clear")
QUERIES = ("pleural effusion", "pneumothorax", "cardiomegaly")
IMAGE = ResNetConfig(block=Basic(), depths=(1, 1), widths=(6, 8), stem_width=4, channels=1, dim=16)
TEXT = TextEncoderConfig(
    vocabulary=80, width=16, layers=1, heads=2, hidden=24, positions=24, max_tokens=20, dim=16
)
CONFIG = KADConfig(
    image=IMAGE,
    text=TEXT,
    decoder=QueryDecoderConfig(dim=16, layers=2, heads=2, hidden=24, dropout=0.0),
    preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
)
LOSSES = KADLosses(augmentation=NoAugmentation(resize=Squash()), batch_norm=FrozenStatistics())
LABELS = torch.tensor([[1, 0, 0], [0, 0, -1], [0, 0, 1], [0, 0, 0]])


def model_of(config: KADConfig = CONFIG, seed: int = 0) -> KADModel:
    torch.manual_seed(seed)
    return KADModel.from_config(config, train_wordpiece([*TEXTS, *QUERIES], 80))


def objective_of(losses: KADLosses = LOSSES, *, trained: bool = False) -> KADObjective:
    model = model_of()
    text = (
        TrainedText(QUERIES, TEXTS)
        if trained
        else FrozenText.of(model.text_encoder, QUERIES, TEXTS)
    )
    return KADObjective(model, text, LABELS, losses)


ALONE = Place()


def batch_of(place: Place = ALONE, step: int = 0) -> ImageBatch:
    """The share of a global batch of the four images."""
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
        step=step,
        places=places,
        batch_size=4,
    )


def total(terms: Losses) -> Tensor:
    return torch.stack([term.weight * term.sum / term.count for term in terms.values()]).sum()


def radiographs(count: int = 2) -> Tensor:
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def test_answers_equal_the_plain_way() -> None:
    model = model_of().eval()
    for norm in batch_norms(model.image_encoder):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    answers = model.answer(radiographs(), model.encode_queries([Query(name) for name in QUERIES]))
    with torch.no_grad():
        tokens = model.image_encoder(radiographs()).tokens
        texts = model.text_encoder.encode(QUERIES)
        plain = model.logits(tokens, texts).softmax(-1)[..., 1]
        maps = model.decoder(tokens, texts).cross_attention.mean(0)
    torch.testing.assert_close(answers.scores, plain, atol=1e-5, rtol=0)
    assert answers.grids is not None
    torch.testing.assert_close(answers.grids.flatten(2), maps, atol=1e-5, rtol=0)


def test_answers_are_the_same_in_training_mode_and_leave_it() -> None:
    model = model_of(replace(CONFIG, decoder=replace(CONFIG.decoder, dropout=0.5)))
    queries = [Query(name) for name in QUERIES]
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = model.answer(radiographs(), model.encode_queries(queries))
    assert model.training
    assert model.image_encoder.bn1.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    second = model.eval().answer(radiographs(), model.encode_queries(queries))
    torch.testing.assert_close(first.scores, second.scores)


def test_a_description_changes_what_is_asked() -> None:
    model = model_of()
    encoded = model.encode_queries([Query("cardiomegaly"), Query("cardiomegaly", "heart large")])
    assert not torch.allclose(encoded.features["text"][0], encoded.features["text"][1])


def test_queries_are_seen_from_the_middle_of_those_that_were_trained() -> None:
    plain = model_of()
    model = model_of(replace(CONFIG, standardised_queries=True))
    trained = plain.text_encoder.encode(QUERIES)
    model.query_norm.fit(trained)
    seen = model.query_norm(trained)
    torch.testing.assert_close(seen.mean(0), torch.zeros(16), atol=1e-3, rtol=0)
    assert float(seen.square().mean().sqrt()) == pytest.approx(1)
    pictures = torch.rand(2, 1, 32, 32)
    asked = model.answer(pictures, model.encode_queries([Query(name) for name in QUERIES]))
    logits = plain.logits(plain.eval().image_encoder(pictures).tokens, seen)
    torch.testing.assert_close(asked.scores, logits.softmax(-1)[..., 1], atol=1e-5, rtol=1e-4)
    kept = model_of(replace(CONFIG, standardised_queries=True), seed=1)
    kept.load_state_dict(model.state_dict())
    assert torch.equal(kept.query_norm(trained), seen)


def test_a_single_trained_query_stays_as_it_is() -> None:
    model = model_of(replace(CONFIG, standardised_queries=True))
    query = model.text_encoder.encode(QUERIES[:1])
    model.query_norm.fit(query)
    assert torch.equal(model.query_norm(query), query)


def test_maps_are_of_all_layers_or_of_the_last() -> None:
    attention = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]])
    assert AllLayers().of(attention).tolist() == [[[0.5, 0.5]]]
    assert LastLayer().of(attention).tolist() == [[[0.0, 1.0]]]


@pytest.mark.parametrize("losses", [LOSSES, replace(LOSSES, memory=BothMemories())])
@pytest.mark.parametrize("trained", [False, True])
def test_two_processes_give_loss_and_gradient_of_one(
    losses: KADLosses, trained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_side, "standardise", lambda *args: standardise(*args).double())
    objective = objective_of(losses, trained=trained).double()
    objective.model.text_encoder.eval()  # no dropout
    whole = objective.losses(batch_of())
    total(whole).backward()
    expected = gradients(objective.model)
    objective.zero_grad()
    features, shares = [], []
    for rank in range(2):  # what the other process would send
        local = batch_of(Place(rank=rank, processes=2))
        features.append(
            image_side.encode_batch(
                objective.model.image_encoder, local, losses, CONFIG.preprocessing
            ).pooled
        )
    reports = objective.text.reports(objective.model.text_encoder, torch.arange(4))
    for rank in range(2):
        gathered = iter([torch.cat(features), reports])
        monkeypatch.setattr(pair_contrast, "gather_rows", lambda rows, all_=gathered: next(all_))
        shares.append(objective.losses(batch_of(Place(rank=rank, processes=2))))
    summed = {
        name: replace(
            whole[name],
            sum=shares[0][name].sum + shares[1][name].sum,
            count=shares[0][name].count + shares[1][name].count,
        )
        for name in whole
    }
    torch.testing.assert_close(total(summed), total(whole), atol=1e-6, rtol=0)
    total(summed).backward()
    # Local rows reach the contrast twice here, as rows and as gathered columns, as in training.
    for name, gradient in gradients(objective.model).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-6, rtol=1e-6, msg=name)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: value.grad.clone()
        for name, value in model.named_parameters()
        if value.grad is not None
    }


def test_a_frozen_text_encoder_stays_frozen_in_training() -> None:
    objective = objective_of()
    objective.train()
    assert objective.model.training
    assert not objective.model.text_encoder.training
    total(objective.losses(batch_of())).backward()
    assert all(value.grad is None for value in objective.model.text_encoder.parameters())
    assert objective.model.image_encoder.conv1.weight.grad is not None


def test_a_trained_text_encoder_gets_gradients() -> None:
    objective = objective_of(trained=True)
    total(objective.losses(batch_of())).backward()
    assert objective.model.text_encoder.bert.embeddings.word_embeddings.weight.grad is not None


def test_equal_reports_are_kept_once() -> None:
    text = FrozenText.of(model_of().text_encoder, QUERIES, ["a", "b", "a"])
    rows = text.reports(model_of().text_encoder, torch.tensor([0, 1, 2]))
    assert torch.equal(rows[0], rows[2])
    assert len(text.get_buffer("_reports")) == 2
    assert not text.state_dict()


@given(seed=st.integers(0, 2**40), step=st.integers(0, 10**6))
def test_random_select_asks_each_row_of_one_side(seed: int, step: int) -> None:
    image, report = RandomSelect().shares(seed=seed, step=step, batch_size=64)
    assert torch.equal(image, ~report)
    again, _ = RandomSelect().shares(seed=seed, step=step, batch_size=64)
    assert torch.equal(image, again)


def test_random_select_is_even() -> None:
    drawn = [
        RandomSelect().shares(seed=1, step=step, batch_size=64)[0].sum().item()
        for step in range(100)
    ]
    # 6,400 fair coins: deviation 40, so 200 is five of them.
    assert abs(sum(drawn) - 3200) < 200
    assert len(set(drawn)) > 5


def test_random_select_takes_one_mean_over_both_sides() -> None:
    image, report = (torch.tensor(2.0), torch.tensor(4.0)), (torch.tensor(6.0), torch.tensor(1.0))
    term = RandomSelect().terms(image, report)["existence"]
    assert (term.sum.item(), term.count.item()) == (8.0, 5.0)


def test_image_memory_asks_no_report() -> None:
    objective = objective_of(replace(LOSSES, memory=ImageMemory()))
    terms = objective.losses(batch_of())
    assert set(terms) == {"existence", "contrast"}
    assert terms["existence"].count.item() == 11  # 12 labels, one ignored


def test_weights_reach_the_terms() -> None:
    losses = replace(LOSSES, existence_weight=2.0, contrast_weight=0.5)
    terms = objective_of(losses).losses(batch_of())
    assert {name: term.weight for name, term in terms.items()} == {
        "existence": 2.0,
        "contrast": 0.5,
    }


def test_chunks_do_not_change_the_loss() -> None:
    plain = total(objective_of().losses(batch_of()))
    chunked = total(objective_of(replace(LOSSES, image_chunks=3)).losses(batch_of()))
    torch.testing.assert_close(chunked, plain, atol=1e-4, rtol=1e-4)


def test_frozen_statistics_stay_while_scale_and_shift_learn() -> None:
    objective = objective_of()
    norm = objective.model.image_encoder.bn1
    before = norm.running_mean.clone()
    total(objective.losses(batch_of())).backward()
    assert torch.equal(norm.running_mean, before)
    assert norm.weight.grad is not None
    other = objective_of(replace(LOSSES, batch_norm=OwnStatistics()))
    other.losses(batch_of())
    assert not torch.equal(other.model.image_encoder.bn1.running_mean, before)


def test_statistics_are_synchronised_where_there_are_several_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = SynchronisedStatistics().prepare(nn.Sequential(nn.BatchNorm2d(3)))
    assert type(alone[0]) is nn.BatchNorm2d
    monkeypatch.setattr(image_side, "place", lambda: Place(rank=0, processes=2))
    shared = SynchronisedStatistics().prepare(alone)
    assert isinstance(shared[0], SynchronisedBatchNorm)


def test_training_learns_four_pictures_by_heart() -> None:
    losses = replace(LOSSES, batch_norm=OwnStatistics(), memory=ImageMemory(), contrast_weight=0.0)
    model = model_of()
    text = FrozenText(torch.randn(3, 16), torch.randn(4, 16), torch.arange(4))
    objective = KADObjective(model, text, LABELS, losses)
    trained = [value for value in objective.parameters() if value.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=0.01)
    for step in range(80):
        optimiser.zero_grad()
        loss = total(objective.losses(batch_of(step=step)))
        loss.backward()
        optimiser.step()
    # The best answer that ignores the picture, from each finding's prevalence (1/4, 0, 1/3),
    # gives (4 * 0.562 + 3 * 0.637) / 11 = 0.378.
    assert loss.item() < 0.3


def test_contrast_alone_scores_by_presence_against_absence() -> None:
    config = ContrastConfig(
        image=IMAGE, text=TEXT, preprocessing=CONFIG.preprocessing, temperature=0.5
    )
    model = ContrastModel.from_config(config, train_wordpiece([*TEXTS, *QUERIES], 80)).eval()
    answers = model.answer(radiographs(), model.encode_queries([Query("pneumothorax")]))
    pooled = model.image_encoder(radiographs()).pooled
    texts = model.text_encoder.encode(["pneumothorax", "no pneumothorax"])
    cosines = torch.cosine_similarity(pooled[:, None], texts[None], dim=-1)
    expected = (cosines / 0.5).softmax(1)[:, :1]
    torch.testing.assert_close(answers.scores, expected, atol=1e-5, rtol=0)
    assert answers.grids is not None
    assert answers.grids.shape == (2, 1, 4, 4)
    text = FrozenText.of(model.text_encoder, (), TEXTS)
    terms = ContrastObjective(model, text, LOSSES).losses(batch_of())
    assert set(terms) == {"contrast"}
    assert not model.text_encoder.training


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"text": replace(TEXT, dim=8)}, "must be equal"),
        ({"image": replace(IMAGE, channels=3)}, "3 channels"),
        ({"image": ViTConfig(size=64, dim=16, heads=2, channels=1)}, "takes 64 pixels"),
    ],
)
def test_parts_that_do_not_fit_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **wrong)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CosineContrast(temperature=0.0), "temperature"),
        (lambda: KADLosses(image_chunks=0), "image_chunks"),
        (lambda: KADLosses(existence_weight=-1.0), "Weights of losses"),
        (lambda: ContrastConfig(image=IMAGE, text=replace(TEXT, dim=8)), "must be equal"),
        (
            lambda: ContrastConfig(
                image=IMAGE, text=TEXT, preprocessing=CONFIG.preprocessing, temperature=0.0
            ),
            "temperature",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(build, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


def test_published_contrast_uses_the_logarithm_itself() -> None:
    assert ScaledDotContrast().scale == pytest.approx(2.6593, abs=1e-4)


def test_text_encoder_of_a_model_is_a_text_encoder() -> None:
    assert isinstance(model_of().text_encoder, TextEncoder)
