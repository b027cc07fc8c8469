"""GLoRIA's model, objective and stage at a size of a few numbers."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from carina.encoders.features import ImageFeatures
from carina.encoders.local_global import LocalGlobalResNetConfig, LocalGlobalViTConfig
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.vit import ViTConfig
from carina.encoders.words import WordEncoderConfig
from carina.errors import ConfigError
from carina.imaging.augmentation import NoAugmentation
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.losses.local_alignment import AveragedWords
from carina.models.codec import from_json, to_json
from carina.models.folder import load_model, save_model
from carina.pretraining.entity_maps import EntityMapper, EntityText
from carina.pretraining.gloria_comparison import (
    CharacterLengths,
    PublishedComparison,
    TrainedComparison,
    WordLengths,
    best_of,
    standardised,
)
from carina.pretraining.gloria_text import AsWritten, OfficialCleaning, OfficialSentences
from carina.pretraining.local_alignment import GLoRIAConfig, GLoRIAModel
from carina.pretraining.local_alignment_objective import (
    Captions,
    GLoRIALosses,
    GLoRIAObjective,
)
from carina.pretraining.local_alignment_stage import GLoRIAStage
from carina.pretraining.report_pieces import Single
from carina.studies.batches import ImageBatch
from carina.study import Report
from carina.training.loop import reduce_losses
from carina.training.objective import Place, Term
from carina.training.settings import TrainingSettings
from carina.zeroshot.prompts import PROMPT_SETS, PromptedModel
from carina.zeroshot.protocol import ImageTextModel, PhraseGrounder, Query, ZeroShotModel

TEXTS = (
    ("there is pleural effusion.", "there is no pneumothorax."),
    ("there is no pneumothorax.",),
    ("there is nodule.", "there is mild mass."),
    ("lungs are clear.",),
)
CONFIG = GLoRIAConfig(
    image=LocalGlobalResNetConfig(
        resnet=ResNetConfig(
            block=Basic(),
            depths=(1, 1, 1),
            widths=(4, 6, 8),
            stem_width=4,
            channels=1,
            dim=8,
            output_norm=True,
        ),
        enlarged=None,
    ),
    text=WordEncoderConfig(
        vocabulary=80,
        width=8,
        layers=2,
        heads=2,
        hidden=12,
        positions=20,
        max_tokens=20,
        dropout=0.0,
        last_layers=2,
    ),
    preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
    cleaning=AsWritten(),
    prompts=PROMPT_SETS["there-is"],
)
LOSSES = GLoRIALosses(augmentation=NoAugmentation(resize=Squash()), draw=Single(count=2))


def model_of(config: GLoRIAConfig = CONFIG) -> GLoRIAModel:
    torch.manual_seed(0)
    words = [piece for pieces in TEXTS for piece in pieces]
    return GLoRIAModel.from_config(config, train_wordpiece(words, 80))


def batch_of() -> ImageBatch:
    generator = torch.Generator().manual_seed(3)
    return ImageBatch(
        pixels=torch.randint(0, 256, (4, 1, 40, 40), generator=generator).to(torch.uint8),
        sizes=torch.full((4, 2), 40),
        rows=torch.arange(4),
        names=("a", "b", "c", "d"),
        seed=5,
        step=0,
        places=range(4),
        batch_size=4,
    )


def pictures(count: int = 2) -> Tensor:
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def test_the_model_fulfils_what_it_says() -> None:
    for kind in (ZeroShotModel, PromptedModel, ImageTextModel, PhraseGrounder, EntityMapper):
        assert isinstance(model_of(), kind)


def test_a_config_comes_back_from_json() -> None:
    vit = LocalGlobalViTConfig(
        vit=ViTConfig(size=32, patch=8, dim=8, layers=1, heads=2, hidden=8, channels=1)
    )
    for changed in (
        CONFIG,
        replace(CONFIG, comparison=TrainedComparison(), cleaning=OfficialCleaning()),
        replace(CONFIG, image=vit, comparison=PublishedComparison(lengths=WordLengths())),
    ):
        assert from_json(GLoRIAConfig, to_json(changed)) == changed


@torch.no_grad()
def test_a_model_folder_gives_the_same_answers(tmp_path: Path) -> None:
    model = model_of().eval()
    save_model(model, tmp_path / "model", card="")
    again = load_model(tmp_path / "model")
    queries = [Query("nodule"), Query("mass")]
    scores = [one.answer(pictures(), one.encode_queries(queries)).scores for one in (model, again)]
    assert torch.equal(*scores)


@torch.no_grad()
@pytest.mark.parametrize(
    "comparison",
    [PublishedComparison(lengths=WordLengths()), PublishedComparison(), TrainedComparison()],
)
def test_a_score_compares_the_best_prompt_of_each_side(
    comparison: PublishedComparison | TrainedComparison,
) -> None:
    model = model_of(replace(CONFIG, comparison=comparison)).eval()
    queries = model.encode_queries([Query("nodule"), Query("mass")])
    answers = model.answer(pictures(), queries)
    features = model.image_encoder(pictures())
    fitting = []
    for name in ("nodule", "mass"):
        for text in (f"there is {name}.", f"there is no {name}."):
            words = model.words([text])
            counted = comparison.counted(words, [text])
            vectors = F.pad(words.vectors, (0, 0, 0, counted.shape[1] - words.vectors.shape[1]))
            fitting.append(model.fitting(features, vectors, counted, words.reports)[:, 0])
    margin = torch.stack([fitting[0] - fitting[1], fitting[2] - fitting[3]], 1)
    torch.testing.assert_close(answers.scores, margin.sigmoid(), atol=1e-5, rtol=1e-4)
    assert answers.grids is not None
    assert answers.grids.shape == (2, 2, 4, 4)


@torch.no_grad()
def test_characters_for_words_lets_no_prompt_fall_below_zero() -> None:
    # Zeros fit every place with a cosine of 0: the slip of the published code.
    words = model_of().words(["mass"])
    counted = CharacterLengths().counted(words, ["mass"])
    assert counted.shape == (1, 97)
    assert counted[0].nonzero()[:, 0].tolist() == [1, 2, 3, 4]
    long = CharacterLengths().counted(words, ["m" * 200])
    assert long.sum().item() == 96
    assert WordLengths().counted(words, ["mass"]).sum().item() == 1


def test_of_no_prompt_the_best_is_zero() -> None:
    fitting = torch.tensor([[-2.0, -1.0, -3.0]])
    assert best_of(fitting, torch.tensor([0, 0, 2]), 4).tolist() == [[-1.0, 0.0, -3.0, 0.0]]


def test_scores_are_standardised_by_finding_over_the_images() -> None:
    scores = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    assert standardised(scores).tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    assert torch.equal(standardised(scores[:1]), scores[:1])
    alike = torch.tensor([[0.5, 1.0], [0.5, 3.0]])
    assert standardised(alike).tolist() == [[0.0, -1.0], [0.0, 1.0]]


@torch.no_grad()
def test_a_phrase_is_grounded_by_the_mean_map_of_its_words() -> None:
    model = model_of().eval()
    grounded = model.ground(pictures(), model.encode_phrases(["pleural effusion", "mass"]))
    torch.testing.assert_close(grounded.sum((2, 3)), torch.ones(2, 2))
    alone = model.ground(pictures(), model.encode_phrases(["mass"]))
    torch.testing.assert_close(alone[:, 0], grounded[:, 1])


@torch.no_grad()
def test_an_entity_map_is_that_of_its_words_in_its_sentence() -> None:
    model = model_of().eval()
    texts = [
        EntityText(text="there is mild mass. there is nodule.", entities=("mass", "nodule")),
        EntityText(text="there is nodule.", entities=()),
    ]
    maps = model.entity_maps(pictures(), texts)
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(2))
    torch.testing.assert_close(maps[1], torch.full((4, 4), 1 / 16))
    alone = [
        model.entity_maps(pictures(1), [EntityText(text=text, entities=(name,))])[0]
        for text, name in (("there is mild mass.", "mass"), ("there is nodule.", "nodule"))
    ]
    torch.testing.assert_close(maps[0], (alone[0] + alone[1]) / 2)
    assert not torch.allclose(alone[0], alone[1])
    elsewhere = EntityText(text="there is mass.", entities=("effusion",))
    torch.testing.assert_close(model.entity_maps(pictures(1), [elsewhere])[0], maps[1])


def test_what_is_trained_gets_a_gradient_and_terms_add_up() -> None:
    objective = GLoRIAObjective(model_of(), TEXTS, replace(LOSSES, local_weight=0.5))
    total, values = reduce_losses(objective.losses(batch_of()), 1)
    total.backward()
    by_hand = (values["image_to_words"] + values["words_to_image"]) / 2 + values["contrast"]
    assert values["loss"] == pytest.approx(by_hand, rel=1e-6)
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_captions_read_once_are_those_read_one_by_one() -> None:
    objective = GLoRIAObjective(model_of(), TEXTS, LOSSES).eval()
    captions = objective.captions(batch_of())
    assert captions.rows.shape == (2, 4)
    assert len(captions.words.lengths) == len({text for parts in TEXTS for text in parts})
    drawn = LOSSES.draw.texts(TEXTS[2], seed=5, step=0, place=2)
    alone = objective.model.words(drawn)
    for draw in range(2):
        one = captions.words.rows(captions.rows[draw, 2:3])
        length = int(one.lengths)
        assert length == int(alone.lengths[draw])
        torch.testing.assert_close(one.vectors[0, :length], alone.vectors[draw, :length])


def test_half_precision_gives_numbers_that_are_finite() -> None:
    objective = GLoRIAObjective(model_of(), TEXTS, replace(LOSSES, captions_at_once=2))
    with torch.autocast("cpu", torch.bfloat16):
        total, values = reduce_losses(objective.losses(batch_of()), 1)
    total.backward()
    assert all(math.isfinite(value) for value in values.values())


def test_the_published_code_cuts_reports_of_just_five_words() -> None:
    cut = Report(text="Small left effusion noted today. Pneumothorax is absent now")
    assert OfficialSentences().of(cut, []) == ("small left effusion noted today",)
    whole = Report(text="Lungs clear\nbilaterally. Effusion. 3.5 cm nodule in right lung.")
    assert OfficialSentences().of(whole, []) == (
        "lungs clear bilaterally",
        "5 cm nodule in right lung",
    )
    assert OfficialSentences().of(Report(text="Normal."), []) == ("normal",)


def test_a_text_of_one_word_keeps_it() -> None:
    assert OfficialCleaning().of("Pneumonia.") == "pneumonia"
    assert OfficialCleaning().of("There is NO edema.\nStable.") == "there is no edema"


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gives 8, the word encoder 12, and no projection"):
        replace(CONFIG, text=replace(CONFIG.text, width=12))
    with pytest.raises(ConfigError, match=r"takes 1 channels, the preprocessing gives 3"):
        replace(
            CONFIG,
            preprocessing=replace(CONFIG.preprocessing, mean=(0.5,) * 3, std=(0.25,) * 3),
        )
    vit = ViTConfig(size=48, patch=8, dim=8, layers=1, heads=2, hidden=8, channels=1)
    with pytest.raises(ConfigError, match=r"ViT takes 48 pixels, the preprocessing gives 32"):
        replace(CONFIG, image=LocalGlobalViTConfig(vit=vit))
    with pytest.raises(ConfigError, match=r"temperature must be > 0"):
        replace(CONFIG, attention_temperature=0.0)
    with pytest.raises(ConfigError, match=r"Weights of losses must be >= 0, got -1"):
        GLoRIALosses(local_weight=-1.0)
    with pytest.raises(ConfigError, match=r"captions_at_once and image_chunks must be at least 1"):
        GLoRIALosses(captions_at_once=0)
    with pytest.raises(ConfigError, match=r"batch_size must be at least 2, got 1"):
        GLoRIAStage(model=CONFIG, store_size=64, training=TrainingSettings(batch_size=1))
    with pytest.raises(ConfigError, match=r"store_size \(16\) must be at least the model's input"):
        GLoRIAStage(model=CONFIG, store_size=16)


def test_averaged_words_are_offered_for_training() -> None:
    found = []
    for pooling in (LOSSES.pooling, AveragedWords()):
        objective = GLoRIAObjective(model_of(), TEXTS, replace(LOSSES, pooling=pooling)).eval()
        found.append(reduce_losses(objective.losses(batch_of()), 1)[1])
    assert found[0]["contrast"] == pytest.approx(found[1]["contrast"])
    assert found[0]["image_to_words"] != pytest.approx(found[1]["image_to_words"])


@torch.no_grad()
def test_the_map_of_a_query_is_that_of_its_own_words() -> None:
    model = model_of().eval()
    grids = model.answer(pictures(), model.encode_queries([Query("mass")])).grids
    texts = [EntityText(text="there is mass.", entities=("mass",))] * 2
    torch.testing.assert_close(grids[:, 0], model.entity_maps(pictures(), texts))
    model.prompts = PROMPT_SETS["gloria"]  # whose prompts of edema say other words, too
    assert model.answer(pictures(), model.encode_queries([Query("edema")])).grids.shape[1] == 1


@torch.no_grad()
def test_two_processes_have_the_losses_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    home = "carina.pretraining.local_alignment_objective"
    objective = GLoRIAObjective(model_of(), TEXTS, LOSSES).eval()
    features = objective.model.image_encoder(pictures(4))
    captions = objective.captions(batch_of())
    whole = objective.terms(features, captions, first=0)
    sent: list[list[Tensor]] = []

    def shares(rank: int) -> dict[str, Term]:
        rows = slice(2 * rank, 2 * rank + 2)
        monkeypatch.setattr(f"{home}.place", lambda: Place(rank=rank, processes=2))
        return objective.terms(
            ImageFeatures(grid=features.grid[rows], pooled=features.pooled[rows]),
            Captions(words=captions.words, rows=captions.rows[:, rows]),
            first=2 * rank,
        )

    def note(rows: Tensor) -> Tensor:
        sent[-1].append(rows)
        return torch.cat([rows, rows])

    for rank in (0, 1):  # what each process sends does not depend on what it gets
        sent.append([])
        monkeypatch.setattr(f"{home}.gather_rows", note)
        shares(rank)
    found = []
    for rank in (0, 1):
        both = iter([torch.cat(pair) for pair in zip(*sent, strict=True)])
        monkeypatch.setattr(f"{home}.gather_rows", lambda rows, both=both: next(both))
        found.append(shares(rank))
    for name, term in whole.items():
        torch.testing.assert_close(found[0][name].sum + found[1][name].sum, term.sum)
        assert found[0][name].count + found[1][name].count == term.count
