"""GLoRIA at true size gives the official numbers, for weights and inputs made by a formula."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models
from torch import Tensor

from carina.conversion.gloria import TABLE, gloria_from_state
from carina.conversion.table import translate
from carina.encoders.features import ImageFeatures
from carina.encoders.local_global import enlarged
from carina.encoders.tokens import Tokens
from carina.encoders.words import Words, gathered
from carina.imaging.preprocessing import prepare_levels
from carina.losses.local_alignment import (
    AveragedWords,
    SummedWords,
    local_likeness,
    matched,
    paired_maps,
    word_maps,
)
from carina.pretraining.entity_maps import SquareWindow
from carina.pretraining.gloria_comparison import (
    CharacterLengths,
    PublishedComparison,
    WordLengths,
    best_of,
    filled,
    standardised,
)
from carina.pretraining.gloria_text import OfficialCleaning, OfficialSentences
from carina.pretraining.local_alignment import GLORIA_224, GLoRIAModel
from carina.pretraining.local_alignment_objective import Captions, GLoRIALosses, GLoRIAObjective
from carina.study import Report
from carina.training.objective import Losses

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import images, sample, weight

TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}
ENTRIES = 97


@dataclass(frozen=True)
class Goldens:
    """The folder of recorded outputs."""

    manifest: dict[str, Any]
    scalars: dict[str, Any]
    text: dict[str, Any]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @property
    def prefix(self) -> str:
        """What is put before every name, so that another case has other weights."""
        return self.manifest.get("seed_prefix") or ""

    def state(self) -> dict[str, Tensor]:
        """The official state dict as a released checkpoint names it."""
        return {
            f"gloria.{entry['key']}": weight(
                entry["key"], tuple(entry["shape"]), entry["kind"], self.prefix
            )
            for part in ("image_encoder", "text_encoder")
            for entry in self.manifest["parts"][part]["entries"]
            if entry["kind"] != "keep"
        }

    def pictures(self, name: str) -> Tensor:
        """An image input."""
        spec = self.manifest["inputs"]["images"][name]
        return images(spec["name"], spec["batch"], spec["size"], self.prefix)

    def small(self, name: str) -> Tensor:
        """An input of the bare functions."""
        spec = self.manifest["inputs"]["small"][name]
        made = sample(f"{self.prefix}input:{spec['name']}", tuple(spec["shape"]))
        return made * spec.get("factor", 1.0)

    def output(self, name: str) -> Tensor:
        """A recorded output."""
        return torch.from_numpy(self.outputs[name])

    def tokens(self, start: str = "") -> Tokens:
        """Captions as token ids."""
        ids, mask = (
            torch.from_numpy(self.inputs[f"{start}{name}"]).long()
            for name in ("caption_ids", "attention_mask")
        )
        return Tokens(ids=ids, mask=mask)


@pytest.fixture(scope="module")
def goldens(parity_dir: Path) -> Goldens:
    folder = parity_dir / "gloria"
    manifest, scalars, text = (
        json.loads((folder / f"{name}.json").read_text())
        for name in ("manifest", "scalars", "text")
    )
    return Goldens(
        manifest=manifest,
        scalars=scalars,
        text=text,
        inputs=dict(np.load(folder / "inputs.npz")),
        outputs=dict(np.load(folder / "outputs.npz")),
    )


def formula_tokenizer(size: int) -> Tokenizer:
    """A vocabulary in which the pieces that the formula makes go on with a word do so."""
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    pieces = {
        special.get(n, f"##{n}" if n >= 1000 and n % 4 == 3 else f"word{n}"): n for n in range(size)
    }
    return Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))


@pytest.fixture(scope="module")
def model(goldens: Goldens) -> GLoRIAModel:
    size = goldens.manifest["bert_config"]["vocab_size"]
    return gloria_from_state(goldens.state(), formula_tokenizer(size))


@pytest.fixture(scope="module")
def features(goldens: Goldens, model: GLoRIAModel) -> ImageFeatures:
    with torch.no_grad():
        found: ImageFeatures = model.image_encoder(goldens.pictures("images"))
    return found


@pytest.fixture(scope="module")
def words(goldens: Goldens, model: GLoRIAModel) -> Words:
    with torch.no_grad():
        found: Words = model.text_encoder(goldens.tokens())
    return found


def close(found: Tensor, expected: Tensor, **tolerance: float) -> None:
    torch.testing.assert_close(found.detach(), expected, **(TOLERANCE | tolerance))


def losses_of(
    model: GLoRIAModel, features: ImageFeatures, words: Words, choices: GLoRIALosses | None = None
) -> Losses:
    objective = GLoRIAObjective(model, [], choices or GLoRIALosses())
    objective.eval()
    captions = Captions(words=words, rows=torch.arange(len(words.lengths))[None])
    return objective.terms(features, captions, first=0)


def logits_of(
    features: ImageFeatures, words: Words, pooling: SummedWords | AveragedWords | None = None
) -> tuple[Tensor, Tensor]:
    local = local_likeness(
        features.tokens,
        words.vectors,
        words.counted,
        temperature=4.0,
        pooling=pooling or SummedWords(),
        captions_at_once=2,
    )
    whole = F.normalize(features.pooled, dim=1) @ F.normalize(words.reports, dim=1).T
    return 10 * local, 10 * whole


def test_parity_gloria_every_key_is_accounted_for(goldens: Goldens, model: GLoRIAModel) -> None:
    state = goldens.state()
    assert len(state) == 520
    named = translate(state, TABLE, "goldens")
    assert named.keys() == model.state_dict().keys()
    assert len(state) - len(named) == 2  # of the pooler


@torch.no_grad()
def test_parity_gloria_image_encoder(
    goldens: Goldens, model: GLoRIAModel, features: ImageFeatures
) -> None:
    pictures = goldens.pictures("images")
    larger = enlarged(pictures, 299)
    close(larger[:, 0, ::13, ::13], goldens.output("image.upsampled"))
    maps = model.image_encoder.stages.pyramid(larger)
    close(maps[-2][:, ::64], goldens.output("image.layer3"))
    close(maps[-1].mean((2, 3)), goldens.output("image.pooled"))
    local = features.grid.permute(0, 3, 1, 2)
    close(local[:, ::8], goldens.output("image.local"))
    close(local.mean((2, 3)), goldens.output("image.local_mean"))
    close(features.pooled, goldens.output("image.global"))


@torch.no_grad()
def test_parity_gloria_text_encoder(goldens: Goldens, model: GLoRIAModel, words: Words) -> None:
    tokens = goldens.tokens()
    numbers = torch.from_numpy(goldens.inputs["word_index"]).long()
    assert model.text_encoder.entries(tokens).equal(numbers)
    assert (words.lengths - 1).tolist() == goldens.inputs["cap_lens"].tolist()
    padded = F.pad(words.vectors, (0, 0, 0, ENTRIES - words.vectors.shape[1]))
    close(padded.transpose(1, 2)[:, ::4], goldens.output("text.words"))
    # The published code divides by all 97 positions, which no cosine feels.
    share = tokens.mask.sum(1, keepdim=True) / ENTRIES
    close(words.reports * share, goldens.output("text.global"))


@torch.no_grad()
def test_parity_gloria_maps(goldens: Goldens, features: ImageFeatures, words: Words) -> None:
    everyone = word_maps(features.tokens, words.vectors, words.counted, 4.0)
    paired = paired_maps(features.tokens, words.vectors, words.counted, 4.0)
    for number in range(3):
        expected = goldens.output(f"attention.{number}")
        own = paired[number, : len(expected)].unflatten(1, (19, 19))
        close(own, expected, rtol=2e-4, atol=2e-5)
        torch.testing.assert_close(everyone[number, number], paired[number])


@torch.no_grad()
def test_parity_gloria_logits_and_losses(
    goldens: Goldens, model: GLoRIAModel, features: ImageFeatures, words: Words
) -> None:
    local, whole = logits_of(features, words)
    close(local, goldens.output("logits.local"))
    close(whole, goldens.output("logits.global"))
    found = losses_of(model, features, words)
    recorded = goldens.scalars["losses"]["eval"]
    for name, expected in {
        "image_to_words": recorded["local_image_to_text"],
        "words_to_image": recorded["local_text_to_image"],
        "contrast": recorded["global_image_to_text"] + recorded["global_text_to_image"],
    }.items():
        assert (found[name].sum / found[name].count).item() == pytest.approx(expected, rel=1e-5)


def variants(goldens: Goldens, model: GLoRIAModel, words: Words) -> dict[str, Words]:
    """The captions with one option of the published code changed."""
    tokens = goldens.tokens()
    encoder = model.text_encoder
    pieces = encoder.pieces(tokens)
    alone = torch.where(tokens.mask.bool(), tokens.mask.cumsum(1) - 1, -1)
    # Without grouping, the published code takes padding for pieces in the mean of the report.
    ungrouped = replace(gathered(pieces, alone, tokens.mask), reports=pieces.mean(1))
    quarter = Words(vectors=words.vectors / 4, lengths=words.lengths, reports=words.reports / 4)
    unit = Words(
        vectors=F.normalize(words.vectors, dim=2),
        lengths=words.lengths,
        reports=F.normalize(words.reports, dim=1),
    )
    return {
        "agg_mean": words,
        "tokens": ungrouped,
        "layer_mean": quarter,
        "text_norm": unit,
        "last_2_layers": last_layers(model, tokens, 2),
    }


def last_layers(model: GLoRIAModel, tokens: Tokens, layers: int) -> Words:
    encoder = model.text_encoder
    hidden, kept = encoder.embeddings(tokens.ids), []
    for layer in encoder.encoder.layer:
        hidden = layer(hidden, tokens.mask.bool()[:, None, None])
        kept.append(hidden)
    summed = torch.stack(kept[-layers:]).sum(0)
    return gathered(summed, encoder.entries(tokens), tokens.mask)


@torch.no_grad()
def test_parity_gloria_options(
    goldens: Goldens, model: GLoRIAModel, features: ImageFeatures, words: Words
) -> None:
    for name, changed in variants(goldens, model, words).items():
        pooling = AveragedWords() if name == "agg_mean" else SummedWords()
        local, whole = logits_of(features, changed, pooling)
        close(local, goldens.output(f"{name}.logits_local"))
        close(whole, goldens.output(f"{name}.logits_global"))
        recorded = goldens.scalars["losses"][name]
        for logits, start in ((local, "local"), (whole, "global")):
            for direction, way in ((logits, "image_to_text"), (logits.T, "text_to_image")):
                total, count = matched(direction, first=0)
                expected = recorded[f"{start}_{way}"]
                assert (total / count).item() == pytest.approx(expected, rel=1e-5), name


def test_parity_gloria_bare_functions(goldens: Goldens) -> None:
    context, words = goldens.small("context"), goldens.small("words")
    lengths = torch.tensor(goldens.manifest["inputs"]["small"]["lengths"])
    places = context.flatten(2).transpose(1, 2).contiguous().requires_grad_()
    captions = words.transpose(1, 2).contiguous().requires_grad_()
    everything = torch.ones(captions.shape[:2], dtype=torch.bool)
    for temperature in (1, 4, 10):
        maps = paired_maps(places, captions, everything, float(temperature))
        close(maps.unflatten(2, (14, 14)), goldens.output(f"small.map_t{temperature}"))
        close((maps @ places).transpose(1, 2), goldens.output(f"small.context_t{temperature}"))
    counted = torch.arange(12) < lengths[:, None]
    cases = {
        "default": (4.0, SummedWords(), 10.0),
        "mean": (4.0, AveragedWords(), 10.0),
        "temps_1_2_3": (1.0, SummedWords(temperature=2.0), 3.0),
    }
    for name, (temperature, pooling, scale) in cases.items():
        logits = scale * local_likeness(
            *(places, captions, counted),
            temperature=temperature,
            pooling=pooling,
            captions_at_once=4,
        )
        close(logits, goldens.output(f"small.logits_{name}"))
        both = [matched(one, first=0)[0] / 4 for one in (logits, logits.T)]
        expected = goldens.scalars["small"][name]
        assert [one.item() for one in both] == pytest.approx(expected, rel=1e-5)
        if name == "default":
            sum(both).backward()
            close(captions.grad.transpose(1, 2), goldens.output("small.grad_words"), rtol=2e-3)
            grad = places.grad.transpose(1, 2).unflatten(2, (14, 14))
            close(grad[:, ::4], goldens.output("small.grad_context"), rtol=2e-3)
            assert captions.grad[~counted].abs().max() == 0


@torch.no_grad()
def test_parity_gloria_zero_shot(goldens: Goldens, model: GLoRIAModel) -> None:
    features = model.image_encoder(goldens.pictures("zeroshot"))
    found: dict[str, list[Tensor]] = {"scores": [], "scores_words": []}
    for name in goldens.text["classes"]:
        words = model.text_encoder(goldens.tokens(f"zeroshot.{name}."))
        prompts = goldens.text["zeroshot"][name]["prompts"]
        lengths = [row.tolist() for row in WordLengths().counted(words, prompts).sum(1)]
        assert lengths == goldens.text["zeroshot"][name]["cap_lens_words"]
        for ending, rule in (("", CharacterLengths()), ("_words", WordLengths())):
            comparison = PublishedComparison(lengths=rule)
            counted = rule.counted(words, prompts)
            vectors = filled(words.vectors, counted.shape[1])
            counted = filled(counted, vectors.shape[1])
            local = local_likeness(
                *(features.tokens, vectors, counted),
                temperature=4.0,
                pooling=comparison.pooling,
                captions_at_once=9,
            )
            whole = F.normalize(features.pooled, dim=1) @ F.normalize(words.reports, dim=1).T
            close(local, goldens.output(f"zeroshot.{name}.local{ending}"))
            close(whole, goldens.output(f"zeroshot.{name}.global"))
            both = comparison.score(local, whole)
            if not ending:
                close(both, goldens.output(f"zeroshot.{name}.both"))
            owners = torch.zeros(len(prompts), dtype=torch.long)
            found[f"scores{ending}"].append(best_of(both, owners, 1))
    for name, classes in found.items():
        scores = torch.cat(classes, 1)
        close(standardised(scores), goldens.output(f"zeroshot.{name}"), atol=1e-3)
    single = torch.cat(found["scores"], 1)[:1]
    close(standardised(single), goldens.output("zeroshot.scores_single_image"), atol=1e-3)


def test_parity_gloria_windows(goldens: Goldens) -> None:
    window = SquareWindow()
    for number, entity in enumerate(goldens.text["entities"]):
        maps = goldens.output(f"attention.{number}")[entity["word_index"]].mean(0)[None, None]
        sums = window.sums(maps)[0]
        close(sums, goldens.output("window.sums")[number], atol=1e-5)
        assert window.corners(maps)[0].tolist() == goldens.outputs["window.corner"][number].tolist()


def test_parity_gloria_texts(goldens: Goldens) -> None:
    cleaning = OfficialCleaning()
    for case in goldens.text["process_text"]:
        assert cleaning.of(case["raw"]) == case["clean"]
    for case in goldens.text["zeroshot"].values():
        assert [cleaning.of(text) for text in case["prompts"]] == case["clean"]


def test_parity_gloria_sentences(goldens: Goldens) -> None:
    for case in goldens.text["sentences"]:
        if not case["removed"]:  # that code leaves such studies out; ours keep their words
            found = OfficialSentences().of(Report(text=case["raw"]), [])
            assert list(found) == case["sentences"]


def test_parity_gloria_preprocessing(goldens: Goldens) -> None:
    for number, spec in enumerate(goldens.text["preprocess"]):
        down, across = np.mgrid[: spec["height"], : spec["width"]]
        grey = 110 + 70 * np.sin(across / 7 + spec["shift"]) + 40 * np.cos(down / 11)
        levels = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
        found, _ = prepare_levels(levels, GLORIA_224)
        # One grey level is 0.0078: both round the means over areas, each in its own way.
        close(found[0, ::4, ::4], goldens.output(f"preprocess.{number}"), atol=0.009, rtol=0)


def norms_of(model: GLoRIAModel) -> dict[str, float]:
    """The norms of the gradients of the official modules."""
    parts = {
        "img_encoder.model": model.image_encoder.stages,
        "img_encoder.global_embedder": model.image_encoder.global_embedder,
        "img_encoder.local_embedder": model.image_encoder.local_embedder,
        "text_encoder.model": model.text_encoder,
        "all": model,
    }
    return {
        name: torch.stack([p.grad.norm() for p in part.parameters()]).norm().item()
        for name, part in parts.items()
    }


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_parity_gloria_gradients(goldens: Goldens, mode: str) -> None:
    size = goldens.manifest["bert_config"]["vocab_size"]
    model = gloria_from_state(goldens.state(), formula_tokenizer(size))
    model.image_encoder.train(mode == "train")
    features = model.image_encoder(goldens.pictures("images"))
    terms = losses_of_trained(model, features, model.text_encoder(goldens.tokens()))
    total = sum(one.sum / one.count for one in terms.values())
    assert total.item() == pytest.approx(goldens.scalars["losses"][mode]["total"], rel=1e-5)
    total.backward()
    assert norms_of(model) == pytest.approx(goldens.scalars["gradient_norms"][mode], rel=2e-3)
    local = model.image_encoder.local_embedder.weight.grad[::64, ::64, 0, 0]
    close(local, goldens.output(f"grad_{mode}.local_embedder"), rtol=2e-3)
    bias = model.image_encoder.global_embedder.bias.grad
    close(bias, goldens.output(f"grad_{mode}.global_embedder_bias"), rtol=2e-3)
    if mode == "train":
        grid = features.grid.permute(0, 3, 1, 2)
        close(grid[:, ::64], goldens.output("train.local"), atol=5e-4)
        close(features.pooled, goldens.output("train.global"))
        norm = model.image_encoder.stages.bn1
        close(norm.running_mean, goldens.output("train.bn1_running_mean"))
        close(norm.running_var, goldens.output("train.bn1_running_var"))


def losses_of_trained(model: GLoRIAModel, features: ImageFeatures, words: Words) -> Losses:
    objective = GLoRIAObjective(model, [], GLoRIALosses(captions_at_once=2))
    captions = Captions(words=words, rows=torch.arange(len(words.lengths))[None])
    return objective.terms(features, captions, first=0)
