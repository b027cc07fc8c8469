"""ECAMP's model and objective, with contrast and without, at a size of a few numbers."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from carina.encoders.context_fusion import AddedMean, GlobalOnly
from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_language import MaskedLanguageConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.masking import PatchMasks, draw_masks
from carina.encoders.super_resolution import NoSuperResolution
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError, ModelError
from carina.imaging.augmentation import WarpAugmentation
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.models.codec import from_json, to_json
from carina.pretraining.ecamp import ECAMPConfig, ECAMPModel
from carina.pretraining.ecamp_contrast import ECAMPContrastConfig, ECAMPContrastModel
from carina.pretraining.ecamp_contrast_objective import ECAMPContrastObjective, ReportContrast
from carina.pretraining.ecamp_objective import (
    AllPatches,
    AllPositions,
    ECAMPLosses,
    ECAMPObjective,
    Everywhere,
    Guided,
    NoWords,
    RemovedPatches,
)
from carina.pretraining.entity_maps import EntityMaps, SoftWindow
from carina.pretraining.masked_text import MaskedTextConfig, MaskedTexts
from carina.pretraining.report_pieces import Single
from carina.pretraining.text_composition import TrainingText
from carina.studies.batches import ImageBatch
from carina.training.loop import reduce_losses
from carina.training.objective import Place
from carina.zeroshot.prompts import PromptedModel
from carina.zeroshot.protocol import ImageTextModel, PhraseGrounder, Query, ZeroShotModel

REPORTS = (
    TrainingText(report="a large pleural effusion is seen.", distilled="there is effusion."),
    TrainingText(report="no pneumothorax.", distilled="there is no pneumothorax."),
    TrainingText(report="a small nodule. no mass.", distilled="there is small nodule."),
    TrainingText(report="the lungs are clear."),
)
CONFIG = ECAMPConfig(
    image=MaskedViTConfig(
        vit=ViTConfig(
            size=32, patch=8, dim=16, layers=2, heads=2, hidden=24, channels=1, dropout=0.0
        )
    ),
    decoder=MaskedDecoderConfig(dim=12, layers=1, heads=2, hidden=24, resolution=1),
    language=MaskedLanguageConfig(
        vocabulary=90,
        width=12,
        layers=1,
        heads=2,
        hidden=24,
        positions=30,
        max_tokens=30,
        dropout=0.0,
    ),
    preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
)
STILL = WarpAugmentation(
    scale=(1.0, 1.0), aspect=(1.0, 1.0), rotation_degrees=0.0, brightness=0.0, contrast=0.0
)
LOSSES = ECAMPLosses(augmentation=STILL, window=Everywhere())
CONTRAST = ECAMPContrastConfig(ecamp=CONFIG, dim=10)
ALONE = Place()


def model_of(config: ECAMPConfig = CONFIG, seed: int = 0) -> ECAMPModel:
    torch.manual_seed(seed)
    words = [words for text in REPORTS for words in (text.report, text.distilled)]
    return ECAMPModel.from_config(config, train_wordpiece(words, 90))


def contrast_model(config: ECAMPContrastConfig = CONTRAST) -> ECAMPContrastModel:
    return ECAMPContrastModel(config, model_of(config.ecamp))


def texts_of(model: ECAMPModel) -> MaskedTexts:
    return MaskedTexts(model.tokenizer, REPORTS, MaskedTextConfig(length=30))


def objective_of(losses: ECAMPLosses = LOSSES, config: ECAMPConfig = CONFIG) -> ECAMPObjective:
    model = model_of(config)
    return ECAMPObjective(model, texts_of(model), losses, Everywhere())


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


def loss_and_gradients(objective) -> tuple[dict[str, float], dict[str, Tensor]]:
    total, values = reduce_losses(objective.losses(batch_of()), 1)
    total.backward()
    found = {n: p.grad for n, p in objective.named_parameters() if p.grad is not None}
    return values, found


def test_the_models_fulfil_what_they_say() -> None:
    assert isinstance(model_of(), PhraseGrounder)
    assert not isinstance(model_of(), ZeroShotModel)
    for kind in (ZeroShotModel, PromptedModel, ImageTextModel, PhraseGrounder):
        assert isinstance(contrast_model(), kind)


def test_configs_come_back_from_json() -> None:
    other = replace(
        CONFIG,
        super_resolution=NoSuperResolution(),
        language=replace(CONFIG.language, fusion=AddedMean()),
    )
    for config in (CONFIG, other):
        assert from_json(ECAMPConfig, to_json(config)) == config
    assert from_json(ECAMPContrastConfig, to_json(CONTRAST)) == CONTRAST


@torch.no_grad()
def test_a_phrase_looks_where_its_key_lies_in_the_order_of_the_patches() -> None:
    model = model_of().eval()
    phrases = model.encode_phrases(["large effusion", "no nodule"])
    local = model.language.fusion.local
    # Tokens whose key is the query of the first phrase at one patch, and nothing elsewhere.
    row, column = 2, 1
    places = torch.zeros(1, 16, 12)
    places[0, 4 * row + column] = torch.linalg.lstsq(
        local.key.weight, 50 * phrases.vectors[0] - local.key.bias
    ).solution
    looked = local_maps(model, places, phrases.vectors)
    assert looked.shape == (1, 2, 4, 4)
    torch.testing.assert_close(looked.sum((2, 3)), torch.ones(1, 2))
    assert looked[0, 0].argmax().item() == 4 * row + column


def local_maps(model: ECAMPModel, places: Tensor, queries: Tensor) -> Tensor:
    """The maps of places that are given, as though the image encoder had seen them."""
    model.places = lambda tokens: places  # type: ignore[method-assign]
    return model.looks(torch.zeros(1, 17, 16), queries)


@torch.no_grad()
def test_maps_are_the_attention_that_the_fusion_pays() -> None:
    model = model_of().eval()
    tokens = model.image_encoder(pictures())
    phrases = model.encode_phrases(["nodule", "mass"])
    found = model.ground(pictures(), phrases)
    read = model.tokenize(["nodule", "mass"])
    words = model.language.fusion.read(
        model.language.embeddings(read.ids), read.mask.bool()[:, None, None]
    )
    for number in range(2):
        named = words[number, 1 : int(read.mask[number].sum()) - 1].mean(0)  # no [CLS], no [SEP]
        weights = model.language.fusion.local.weights(named.expand(2, 1, -1), model.places(tokens))
        torch.testing.assert_close(found[:, number].flatten(1), weights.mean(1)[:, 0])


def test_a_model_whose_words_see_no_places_grounds_nothing() -> None:
    for fusion in (GlobalOnly(), AddedMean()):
        model = model_of(replace(CONFIG, language=replace(CONFIG.language, fusion=fusion)))
        with pytest.raises(ModelError, match="has no maps of where they look"):
            model.encode_phrases(["nodule"])


@torch.no_grad()
def test_scores_compare_presence_with_absence() -> None:
    model = contrast_model().eval()
    encoded = model.encode_queries([Query("nodule"), Query("mass")])
    answers = model.answer(pictures(), encoded)
    images = model.embed_radiographs(pictures())
    present = model.embed_reports(["there is nodule.", "there is mass."])
    absent = model.embed_reports(["there is no nodule.", "there is no mass."])
    scale = 1 / 0.03
    pair = scale * torch.stack([images @ present.T, images @ absent.T], dim=-1)
    torch.testing.assert_close(answers.scores, pair.softmax(-1)[..., 0], atol=1e-5, rtol=1e-4)
    assert answers.grids is not None
    torch.testing.assert_close(answers.grids.sum((2, 3)), torch.ones(2, 2))
    for vectors in (images, present):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


def test_a_model_whose_words_see_no_places_answers_without_maps() -> None:
    language = replace(CONFIG.language, fusion=GlobalOnly())
    model = contrast_model(replace(CONTRAST, ecamp=replace(CONFIG, language=language)))
    answers = model.answer(pictures(), model.encode_queries([Query("nodule")]))
    assert answers.scores.shape == (2, 1)
    assert answers.grids is None


def test_the_whole_training_step_reaches_every_weight() -> None:
    values, gradients = loss_and_gradients(objective_of())
    assert set(values) == {"loss", "reconstruction", "super_resolution", "words"}
    assert values["loss"] == pytest.approx(
        values["reconstruction"] + values["super_resolution"] + values["words"], rel=1e-5
    )
    assert {name for name, _ in objective_of().named_parameters()} == set(gradients)


def test_pieces_of_a_batch_give_the_loss_of_the_whole() -> None:
    whole, gradients = loss_and_gradients(objective_of())
    pieces, found = loss_and_gradients(objective_of(replace(LOSSES, micro_batches=3)))
    assert pieces == pytest.approx(whole, rel=1e-5)
    torch.testing.assert_close(found, gradients, atol=1e-5, rtol=1e-4)


def test_shares_of_two_processes_add_up_to_the_whole_batch() -> None:
    objective = objective_of()
    whole = objective.losses(batch_of())
    shares = [objective.losses(batch_of(Place(rank=rank, processes=2))) for rank in (0, 1)]
    for name, term in whole.items():
        torch.testing.assert_close(sum(share[name].count for share in shares), term.count)
        torch.testing.assert_close(sum(share[name].sum for share in shares), term.sum)


def test_an_epoch_later_other_patches_and_words_are_masked() -> None:
    objective = objective_of()
    first, again, later = (objective.losses(batch_of(step=step)) for step in (0, 0, 1))
    for name in first:
        assert first[name].sum.item() == again[name].sum.item()
        assert first[name].sum.item() != later[name].sum.item()


def test_the_published_code_divides_by_all_patches() -> None:
    # 4 of 16 patches are kept: the sum over 12 is divided by 16.
    values = [
        loss_and_gradients(objective_of(replace(LOSSES, patches=patches)))[0]["reconstruction"]
        for patches in (RemovedPatches(), AllPatches())
    ]
    assert values[1] == pytest.approx(values[0] * 12 / 16, rel=1e-5)


def test_the_published_code_counts_every_position() -> None:
    objective = objective_of(replace(LOSSES, words=AllPositions()))
    texts = objective.texts.of(torch.arange(4), range(4), seed=5, step=0)
    term = objective.losses(batch_of())["words"]
    assert term.count.item() == texts.ids.numel()
    masked = objective_of().losses(batch_of())["words"]
    assert masked.count.item() == texts.chosen.sum().item() < texts.ids.numel()


def test_a_masked_autoencoder_reads_nothing() -> None:
    config = replace(CONFIG, super_resolution=NoSuperResolution())
    values, gradients = loss_and_gradients(objective_of(replace(LOSSES, words=NoWords()), config))
    assert set(values) == {"loss", "reconstruction"}
    assert not [name for name in gradients if "language" in name or "project" in name]


def test_pixels_count_where_the_map_is_also_when_the_picture_is_flipped() -> None:
    # All of the map lies in the left upper quarter; a flip takes it to the right.
    maps = torch.zeros(4, 4, 4)
    maps[:, :2, :2] = 4.0
    keys = ("a", "b", "c", "d")
    held = EntityMaps(keys, maps.half().numpy(), torch.ones(4, dtype=torch.bool).numpy())
    guide = Guided(held, keys, SoftWindow())
    objective = objective_of()
    objective.guide = guide
    batch = batch_of()
    for flip, across in ((0.0, slice(0, 16)), (1.0, slice(48, 64))):
        weights = guide.weights(batch, replace(STILL, flip=flip), 64)
        assert weights.shape == (4, 1, 64, 64)
        torch.testing.assert_close(weights.mean((1, 2, 3)), torch.ones(4))
        assert (weights[:, :, slice(0, 16), across] > 3).all()
        assert (weights[:, :, 48:] == 0).all()
    everywhere = objective_of().losses(batch_of())["super_resolution"].sum
    assert objective.losses(batch_of())["super_resolution"].sum.item() != everywhere.item()


def test_contrast_is_added_to_the_losses_and_reaches_its_weights() -> None:
    model = contrast_model()
    masked = ECAMPObjective(model.ecamp, texts_of(model.ecamp), LOSSES, Everywhere())
    pieces = [("effusion.",), ("no pneumothorax.",), ("a nodule.", "no mass."), ("clear.",)]
    settings = ReportContrast(draw=Single(count=2), weight=0.5)
    objective = ECAMPContrastObjective(model, masked, pieces, settings)
    values, gradients = loss_and_gradients(objective)
    parts = sum(values[name] for name in ("reconstruction", "super_resolution", "words"))
    assert values["loss"] == pytest.approx(parts + 0.5 * values["contrast"], rel=1e-5)
    named = {name for name, _ in objective.named_parameters()}
    assert named == set(gradients)
    # Where all texts have one vector, an image has log 4 to find its own, and a text no less.
    with torch.no_grad():
        model.of_text.weight.zero_()
        model.of_text.bias.fill_(1.0)
    term = objective.losses(batch_of())["contrast"]
    assert (term.sum / term.count).item() >= math.log(4) - 1e-6


def test_masks_keep_a_quarter_of_the_patches() -> None:
    objective = objective_of()
    assert objective.kept == 4
    masks = draw_masks(seed=0, step=0, places=range(2), patches=16, kept=objective.kept)
    assert isinstance(masks, PatchMasks)
    assert masks.removed.sum(1).tolist() == [12.0, 12.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_ratio": 1.0}, r"mask_ratio must be in \(0, 1\)"),
        ({"words_weight": -1.0}, "Weights of losses must be >= 0"),
        ({"micro_batches": 0}, "micro_batches must be at least 1"),
    ],
)
def test_losses_that_make_no_sense_are_refused(settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ECAMPLosses(**settings)


def test_a_ratio_that_leaves_nothing_to_see_is_refused() -> None:
    with pytest.raises(ConfigError, match="keeps 0; expected at least one to see"):
        objective_of(replace(LOSSES, mask_ratio=0.99))


def test_other_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="more than the language model's vocabulary of 10"):
        ECAMPModel(
            replace(CONFIG, language=replace(CONFIG.language, vocabulary=10)),
            model_of().tokenizer,
        )
    with pytest.raises(ConfigError, match="dim must be at least 1, got 0"):
        ECAMPContrastConfig(dim=0)
    with pytest.raises(ConfigError, match="weight of the contrast must be >= 0"):
        ReportContrast(weight=-0.1)
