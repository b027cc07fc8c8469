"""MaCo's model and objective at a size of a few numbers."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.report_encoder import Linear, ReportEncoder, ReportEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError, ModelError, TrainingError
from carina.imaging.augmentation import NoAugmentation
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.models.codec import from_json, to_json
from carina.pretraining.image_side import lower_resolution
from carina.pretraining.learnt_temperature import LearntScale, LearntTemperature
from carina.pretraining.maco import (
    MaCoConfig,
    MaCoModel,
    RawProducts,
    ScaledCosines,
)
from carina.pretraining.maco_objective import (
    ImportanceContrast,
    MaCoLosses,
    MaCoObjective,
    NoContrast,
    PlainContrast,
)
from carina.pretraining.report_pieces import ShuffledSome, Single
from carina.studies.batches import ImageBatch
from carina.training.loop import reduce_losses
from carina.training.objective import Place
from carina.zeroshot.prompts import PromptedModel
from carina.zeroshot.protocol import (
    ImageTextModel,
    PhraseGrounder,
    Query,
    WeightedGrounder,
    ZeroShotModel,
)

TEXTS = (
    ("there is pleural effusion.", "no pneumothorax."),
    ("no pneumothorax.",),
    ("there is nodule.", "no mass.", "no pneumothorax."),
    ("lungs are clear.",),
)
CONFIG = MaCoConfig(
    image=MaskedViTConfig(
        vit=ViTConfig(
            size=32, patch=8, dim=16, layers=2, heads=2, hidden=24, channels=1, dropout=0.0
        )
    ),
    decoder=MaskedDecoderConfig(dim=12, layers=1, heads=2, hidden=24),
    text=ReportEncoderConfig(
        vocabulary=80,
        width=16,
        layers=1,
        heads=2,
        hidden=24,
        positions=20,
        max_tokens=20,
        dim=10,
        dropout=0.0,
    ),
    preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
)
LOSSES = MaCoLosses(augmentation=NoAugmentation(resize=Squash()))
ALONE = Place()


def model_of(config: MaCoConfig = CONFIG, seed: int = 0) -> MaCoModel:
    torch.manual_seed(seed)
    words = [piece for pieces in TEXTS for piece in pieces]
    model = MaCoModel.from_config(config, train_wordpiece(words, 80))
    with torch.no_grad():  # so that places differ
        model.importance.weight.normal_()
    return model


def objective_of(losses: MaCoLosses = LOSSES, config: MaCoConfig = CONFIG) -> MaCoObjective:
    return MaCoObjective(model_of(config), TEXTS, losses)


def batch_of(place: Place = ALONE, step: int = 0) -> ImageBatch:
    """The share of a global batch of the four images."""
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (4, 1, 64, 64), generator=generator).to(torch.uint8)
    places = place.rows(4)
    rows = torch.arange(4)[places.start : places.stop]
    return ImageBatch(
        pixels=pixels[rows],
        sizes=torch.full((len(rows), 2), 64),
        rows=rows,
        names=tuple(f"s{row}" for row in rows.tolist()),
        seed=5,
        step=step,
        places=places,
        batch_size=4,
    )


def pictures(count: int = 2) -> Tensor:
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def loss_and_gradients(
    objective: MaCoObjective, seed: int = 0
) -> tuple[dict[str, float], dict[str, Tensor]]:
    torch.manual_seed(seed)
    total, values = reduce_losses(objective.losses(batch_of()), 1)
    total.backward()
    found = {n: p.grad for n, p in objective.named_parameters() if p.grad is not None}
    return values, found


def in_double(objective: MaCoObjective) -> MaCoObjective:
    objective.double()
    encoder = objective.model.image_encoder
    encoder.register_forward_pre_hook(lambda module, given: (given[0].double(), *given[1:]))
    return objective


def test_the_model_fulfils_what_it_says() -> None:
    model = model_of()
    for kind in (ZeroShotModel, PromptedModel, ImageTextModel, PhraseGrounder, WeightedGrounder):
        assert isinstance(model, kind)


def test_a_config_comes_back_from_json() -> None:
    other = replace(
        CONFIG,
        scale=LearntTemperature(),
        comparison=ScaledCosines(),
        importance_bias=False,
        text=replace(CONFIG.text, pooling=Linear()),
    )
    for config in (CONFIG, other):
        assert from_json(MaCoConfig, to_json(config)) == config


def test_the_image_vector_is_the_mean_of_its_patches_without_the_class_token() -> None:
    model = model_of().eval()
    with torch.no_grad():
        tokens = model.image_encoder(pictures())
        expected = torch.stack([model.project(tokens[:, n]) for n in range(1, 17)]).mean(0)
        torch.testing.assert_close(model.pooled(tokens), expected, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_scores_compare_presence_with_absence() -> None:
    for comparison in (RawProducts(), ScaledCosines()):
        model = model_of(replace(CONFIG, comparison=comparison)).eval()
        encoded = model.encode_queries([Query("nodule"), Query("mass")])
        answers = model.answer(pictures(), encoded)
        images = model.pooled(model.image_encoder(pictures()))
        present, absent = encoded.features["present"], encoded.features["absent"]
        if comparison.unit:
            images = F.normalize(images, dim=1)
            present, absent = present * 1 / 0.03, absent * 1 / 0.03
        pair = torch.stack([images @ present.T, images @ absent.T], dim=-1)
        torch.testing.assert_close(answers.scores, pair.softmax(-1)[..., 0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_grounded_map_is_the_weight_of_a_patch_times_its_likeness() -> None:
    model = model_of().eval()
    phrases = model.encode_phrases(["nodule.", "no mass."])
    weights = model.patch_weights(0.5)
    by_hand = (model.importance.weight[0] / 0.5).exp()
    torch.testing.assert_close(weights.flatten(), by_hand / by_hand.sum())
    model.weight_temperature = 0.5
    grounded = model.ground(pictures(), phrases)
    likeness = model.patch_likeness(pictures(), phrases)
    torch.testing.assert_close(grounded, weights * likeness)
    tokens = model.image_encoder(pictures())
    one = model.project(tokens[1, 1 + 6]) @ phrases.vectors[0]  # row 1, column 2 of 4
    torch.testing.assert_close(likeness[1, 0, 1, 2], one, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_embeddings_are_unit_vectors() -> None:
    model = model_of()
    for vectors in (model.embed_radiographs(pictures()), model.embed_reports(["nodule", "mass"])):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


def test_the_importance_is_a_softplus_that_never_overflows() -> None:
    model = model_of()
    removed = torch.zeros(1, 16)
    with torch.no_grad():
        model.importance.weight.fill_(0.0)
        model.importance.weight[0, 3] = 2.0
        model.importance.bias.fill_(0.5)
        assert model.importance_of(removed).item() == pytest.approx(math.log(1 + math.exp(2.5)))
        removed[0, 3] = 1.0  # not seen: only the bias is left
        assert model.importance_of(removed).item() == pytest.approx(math.log(1 + math.exp(0.5)))
        model.importance.weight.fill_(100.0)
        assert model.importance_of(removed).item() == pytest.approx(1500.5)
        with torch.autocast("cpu", torch.bfloat16):
            assert model.importance_of(removed).dtype is torch.float32


def test_a_temperature_driven_out_of_range_is_held() -> None:
    temperature = LearntTemperature(start=0.03)
    assert temperature.of(torch.tensor(temperature.first())).item() == pytest.approx(1 / 0.03)
    assert temperature.of(torch.tensor(50.0)).item() == pytest.approx(100)
    assert temperature.of(torch.tensor(-50.0)).item() == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, -3.0, math.nan])
def test_a_scale_driven_out_of_range_is_refused(value: float) -> None:
    objective = objective_of()
    with torch.no_grad():
        objective.model.scale.fill_(value)
    with pytest.raises(TrainingError, match=r"scale of the cosines has become .*expected a"):
        objective.losses(batch_of())


@pytest.mark.parametrize("kind", [LearntScale, LearntTemperature])
def test_a_start_that_is_not_positive_is_refused(kind: type) -> None:
    with pytest.raises(ConfigError, match=r"start must be > 0, got 0"):
        kind(start=0.0)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"takes 32 pixels, the preprocessing gives 48"):
        replace(CONFIG, preprocessing=replace(CONFIG.preprocessing, size=48))
    with pytest.raises(ConfigError, match=r"weight_temperature must be > 0"):
        replace(CONFIG, weight_temperature=0.0)


def test_a_model_that_never_saw_a_report_says_so() -> None:
    model = model_of(replace(CONFIG, reads_reports=False))
    for ask in (model.embed_reports, model.encode_phrases):
        with pytest.raises(ModelError, match=r"never saw a report"):
            ask(["nodule"])
    with pytest.raises(ModelError, match=r"never saw a report"):
        model.encode_queries([Query("nodule")])


def test_terms_are_those_of_the_contrast() -> None:
    both = {"reconstruction", "contrast", "weighted_contrast"}
    assert set(objective_of().losses(batch_of())) == both
    plain = objective_of(replace(LOSSES, contrast=PlainContrast()))
    assert set(plain.losses(batch_of())) == {"reconstruction", "contrast"}
    alone = objective_of(
        replace(LOSSES, contrast=NoContrast()), replace(CONFIG, reads_reports=False)
    )
    assert set(alone.losses(batch_of())) == {"reconstruction"}


@pytest.mark.parametrize(
    ("contrast", "reads"),
    [(NoContrast(), False), (PlainContrast(), True), (ImportanceContrast(), True)],
)
def test_what_is_trained_gets_a_gradient(
    contrast: NoContrast | PlainContrast | ImportanceContrast, reads: bool
) -> None:
    config = replace(CONFIG, reads_reports=reads)
    objective = objective_of(replace(LOSSES, contrast=contrast), config)
    _, found = loss_and_gradients(objective)
    assert set(found) == {n for n, p in objective.named_parameters() if p.requires_grad}


def test_weights_of_the_terms_make_the_total() -> None:
    losses = replace(LOSSES, reconstruction_weight=0.1, contrast_weight=0.9)
    values, _ = loss_and_gradients(objective_of(losses))
    by_hand = (
        0.1 * values["reconstruction"]
        + 0.9 * (values["contrast"] + values["weighted_contrast"]) / 2
    )
    assert values["loss"] == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("draw", [ShuffledSome(), Single(count=3)])
@pytest.mark.parametrize("pieces", [2, 3, 4])
def test_micro_batches_give_the_loss_and_gradients_of_one_batch(
    draw: ShuffledSome | Single, pieces: int
) -> None:
    losses = replace(LOSSES, draw=draw)
    whole = loss_and_gradients(in_double(objective_of(losses)))
    parts = loss_and_gradients(in_double(objective_of(replace(losses, micro_batches=pieces))))
    assert parts[0] == pytest.approx(whole[0], abs=1e-6)
    assert parts[1].keys() == whole[1].keys()
    for name, gradient in whole[1].items():
        torch.testing.assert_close(parts[1][name], gradient, atol=1e-6, rtol=0, msg=name)


def test_dropout_is_the_same_when_a_micro_batch_is_computed_again() -> None:
    # The gradient by the parameter equals a difference quotient, with the same random numbers:
    # so it does not if the second pass drops other values than the first.
    config = replace(CONFIG, text=replace(CONFIG.text, dropout=0.3))
    objective = in_double(objective_of(replace(LOSSES, micro_batches=2), config)).train()
    _, found = loss_and_gradients(objective)
    parameter = objective.model.text_encoder.pooler.weight
    place = (2, 3)
    values = []
    for change in (1e-3, -2e-3):
        with torch.no_grad():
            parameter[place] += change
        torch.manual_seed(0)
        values.append(reduce_losses(objective.losses(batch_of()), 1)[0].item())
    quotient = (values[0] - values[1]) / 2e-3
    gradient = found["model.text_encoder.pooler.weight"][place].item()
    assert gradient == pytest.approx(quotient, rel=1e-3)


def test_half_precision_gives_numbers_that_are_finite() -> None:
    objective = objective_of(replace(LOSSES, micro_batches=2))
    with torch.no_grad():
        objective.model.importance.weight.fill_(50.0)
    with torch.autocast("cpu", torch.bfloat16):
        total, values = reduce_losses(objective.losses(batch_of()), 1)
    total.backward()
    assert all(math.isfinite(value) for value in values.values())
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_the_input_is_the_target_at_half_the_resolution() -> None:
    flat = torch.full((1, 1, 8, 8), 0.7)
    torch.testing.assert_close(lower_resolution(flat, 4), torch.full((1, 1, 4, 4), 0.7))
    assert lower_resolution(flat, 8) is flat


def test_settings_that_cannot_work_are_refused() -> None:
    for ratio in (0.0, 1.0, math.nan):
        with pytest.raises(ConfigError, match=r"mask_ratio must be in \(0, 1\)"):
            MaCoLosses(mask_ratio=ratio)
    with pytest.raises(ConfigError, match=r"Weights of losses must be >= 0"):
        MaCoLosses(contrast_weight=-1.0)
    with pytest.raises(ConfigError, match=r"micro_batches must be at least 1"):
        MaCoLosses(micro_batches=0)
    with pytest.raises(ConfigError, match=r"mask_ratio 0\.99 of 16 patches keeps 0"):
        objective_of(replace(LOSSES, mask_ratio=0.99))


def test_a_report_encoder_refuses_what_cannot_be_built() -> None:
    with pytest.raises(ConfigError, match=r"heads \(5\) must divide width \(384\)"):
        ReportEncoderConfig(heads=5)
    with pytest.raises(ConfigError, match=r"max_tokens must be between 3 and positions \(100\)"):
        ReportEncoderConfig(max_tokens=101)
    with pytest.raises(ConfigError, match=r"dropout must be in"):
        ReportEncoderConfig(dropout=1.0)
    with pytest.raises(ConfigError, match=r"at least 1"):
        ReportEncoderConfig(layers=0)
    with pytest.raises(ConfigError, match=r"entries, more than the report encoder's vocabulary"):
        ReportEncoder(replace(CONFIG.text, vocabulary=8), train_wordpiece(["no nodule"], 80))


def test_a_report_too_long_is_cut_and_said(caplog: pytest.LogCaptureFixture) -> None:
    encoder = model_of().text_encoder
    long = " ".join(["nodule"] * 40)
    found = encoder.encode([long, "nodule", long])
    torch.testing.assert_close(found[0], found[2])
    assert "1 of 2 texts are longer than 20 tokens; their ends were cut." in caplog.text
