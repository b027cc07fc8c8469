"""MaCo at true size gives the official numbers, for weights and inputs made by a formula."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from carina.conversion.maco import TABLE, maco_from_state
from carina.conversion.table import translate
from carina.encoders.masking import PatchMasks
from carina.encoders.positions import OfficialPositions, position_table
from carina.encoders.tokenizer import load_tokenizer
from carina.encoders.tokens import Tokens
from carina.errors import ConversionError
from carina.losses.reconstruction import normalised, patches_of, reconstruction_loss
from carina.losses.weighted_contrast import weighted_contrast
from carina.pretraining.image_side import lower_resolution
from carina.pretraining.maco import MaCoModel
from carina.pretraining.maco_objective import MaCoLosses, MaCoObjective
from carina.zeroshot.prompts import PROMPT_SETS
from carina.zeroshot.protocol import EncodedPhrases, Query

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import images, weight

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
TEMPERATURE = 0.03  # of Tpar, which the goldens leave at its start
UNTRAINED = {"logit_scale", "pos_cat", "pos_weight_text"}
OURS = {  # official module -> ours
    "bert_encoder.model.bert.embeddings": "text_encoder.embeddings",
    "bert_encoder.model.bert.encoder": "text_encoder.encoder",
    "bert_encoder.model.bert.pooler": "text_encoder.pooler",
    "blocks": "image_encoder.blocks",
    "cls_token": "image_encoder.cls_token",
    "decoder_blocks": "decoder.blocks",
    "decoder_embed": "decoder.embed",
    "decoder_norm": "decoder.norm",
    "decoder_pred": "decoder.pred",
    "img_mlp": "project",
    "mask_token": "decoder.mask_token",
    "norm": "image_encoder.norm",
    "patch_embed": "image_encoder.patch_embed",
    "pos_weight_img": "importance",
    "Tpar": "scale",
}


@dataclass(frozen=True)
class Goldens:
    """The folder of recorded outputs."""

    folder: Path
    manifest: dict[str, Any]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @property
    def prefix(self) -> str:
        """What is put before every name, so that another case has other weights."""
        return self.manifest.get("seed_prefix") or self.manifest.get("prefix") or ""

    def state(self, part: str) -> dict[str, Tensor]:
        """The official state dict, with the tables and the scale that the code starts with."""
        made = {
            entry["key"]: weight(entry["key"], tuple(entry["shape"]), entry["kind"], self.prefix)
            for entry in self.manifest["parts"][part]["entries"]
            if entry["kind"] != "keep"
        }
        if part == "classifier":
            return made
        table = position_table(OfficialPositions(), 768, 14)
        return made | {
            "pos_embed": table,
            "decoder_pos_embed": table,
            "Tpar": torch.tensor(1 / TEMPERATURE),
            "bert_encoder.model.bert.embeddings.position_ids": torch.arange(100)[None],
        }

    def pictures(self, name: str) -> Tensor:
        """An image input."""
        batch, size, _ = self.manifest["inputs"]["formula"]["formula_images"][name]
        return images(name, batch, size, self.prefix)

    def output(self, name: str) -> Tensor:
        """A recorded output."""
        return torch.from_numpy(self.outputs[name])

    def tokens(self) -> Tokens:
        """The two reports."""
        ids, mask = (torch.from_numpy(self.inputs[n]).long() for n in ("ids", "attention_mask"))
        return Tokens(ids=ids, mask=mask)

    def masks(self) -> PatchMasks:
        """The patches that the recorded noise keeps."""
        return PatchMasks.lowest(torch.from_numpy(self.inputs["noise"]), 98)


@pytest.fixture(scope="module")
def goldens(parity_dir: Path) -> Goldens:
    folder = parity_dir / "maco"
    return Goldens(
        folder=folder,
        manifest=json.loads((folder / "manifest.json").read_text()),
        inputs=dict(np.load(folder / "inputs.npz")),
        outputs=dict(np.load(folder / "outputs.npz")),
    )


@pytest.fixture(scope="module")
def state(goldens: Goldens) -> dict[str, Tensor]:
    return goldens.state("pretrain")


@pytest.fixture(scope="module")
def model(state: dict[str, Tensor], vocab_dir: Path) -> MaCoModel:
    return maco_from_state(state, load_tokenizer(vocab_dir / "maco_mimic_wordpiece.json"))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.detach(), expected, **TOLERANCE)


def test_parity_maco_masks_and_positions(goldens: Goldens, model: MaCoModel) -> None:
    masks = goldens.masks()
    assert masks.kept.tolist() == goldens.inputs["ids_keep"].tolist()
    assert masks.restore.tolist() == goldens.inputs["ids_restore"].tolist()
    assert masks.removed.tolist() == goldens.inputs["mask"].tolist()
    for name, module in (("pos_embed", model.image_encoder), ("decoder_pos_embed", model.decoder)):
        close(module.get_buffer("pos_embed")[0, ::14, ::16], goldens.output(name))


@torch.no_grad()
def test_parity_maco_encoder_and_decoder(goldens: Goldens, model: MaCoModel) -> None:
    pictures, masks = goldens.pictures("maco.images"), goldens.masks()
    lower = lower_resolution(pictures, 224)
    close(lower[:, :, ::8, ::8], goldens.output("lowres"))
    tokens = model.image_encoder(lower, masks.kept)
    close(tokens, goldens.output("latent"))
    close(model.pooled(tokens), goldens.output("image_embedding"))
    whole = model.image_encoder(lower)
    close(whole[:, ::4], goldens.output("latent_full"))
    close(model.pooled(whole), goldens.output("image_embedding_full"))
    guessed = model.decoder(tokens, masks.restore)
    close(guessed[:, ::14, ::8], goldens.output("pred"))
    close(guessed.mean(-1), goldens.output("pred_mean"))
    target = patches_of(pictures, 32)
    close(target[:, ::14, ::8], goldens.output("target"))
    error, count = reconstruction_loss(guessed, normalised(target), masks.removed)
    close(error / count, goldens.output("loss_image_norm_pix"))


@torch.no_grad()
def test_parity_maco_reports_and_importance(goldens: Goldens, model: MaCoModel) -> None:
    reports, masks = goldens.tokens(), goldens.masks()
    padded = goldens.output("text_hidden")
    hidden = model.text_encoder.hidden(reports)[:, ::5]
    seen = reports.mask[:, ::5].bool()
    close(hidden[seen], padded[seen])
    vectors = model.text_encoder(reports)
    close(vectors, goldens.output("text_embedding"))
    raw = model.importance(1 - masks.removed)
    close(raw, goldens.output("importance_raw"))
    importance = model.importance_of(masks.removed)
    close(importance[:, None], goldens.output("importance"))
    v, t = goldens.output("image_embedding"), goldens.output("text_embedding")
    cosines = F.normalize(v, dim=1) @ F.normalize(t, dim=1).T
    close(model.scale * cosines, goldens.output("logits_image"))
    close(model.scale * cosines.T, goldens.output("logits_text"))
    sharpened, weighted = weighted_contrast(
        *(v, t, importance), *(v, t, importance), first=0, scale=model.scale
    )
    for (total, count), kind in ((sharpened, "ce"), (weighted, "wce")):
        both = goldens.output(f"{kind}_image") + goldens.output(f"{kind}_text")
        close(total / count, both / 2)


def test_parity_maco_training_step(
    goldens: Goldens, model: MaCoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = goldens.tokens()
    monkeypatch.setattr(
        model.text_encoder,
        "tokenize",
        lambda texts: Tokens(ids=reports.ids[rows_of(texts)], mask=reports.mask[rows_of(texts)]),
    )
    objective = MaCoObjective(model, [("0",), ("1",)], MaCoLosses()).eval()  # no dropout
    terms = objective.terms(goldens.pictures("maco.images"), goldens.masks(), [("0", "1")], first=0)
    means = {name: term.sum / term.count for name, term in terms.items()}
    close(means["reconstruction"], goldens.output("loss_image"))
    contrast = (means["contrast"] + means["weighted_contrast"]) / 2
    close(contrast, goldens.output("loss_contrastive"))
    total = torch.stack([term.weight * means[name] for name, term in terms.items()]).sum()
    close(total, goldens.output("loss_total"))
    total.backward()
    for official, expected in goldens.manifest["gradient_norms"]["pretrain"].items():
        part: Any = model
        for name in OURS[official].split("."):
            part = getattr(part, name)
        found = [part] if isinstance(part, nn.Parameter) else [*part.parameters()]
        norm = torch.stack([p.grad.norm() for p in found if p.grad is not None]).norm().item()
        assert norm == pytest.approx(expected, rel=1e-3), official
    close_gradients(goldens, model)
    model.zero_grad()


def rows_of(texts: list[str]) -> list[int]:
    return [int(text) for text in texts]


def close_gradients(goldens: Goldens, model: MaCoModel) -> None:
    blocks = model.image_encoder.blocks
    whole = {
        "pos_weight_img.weight": model.importance.weight,
        "pos_weight_img.bias": model.importance.bias,
        "Tpar": model.scale,
        "img_mlp.bias": model.project.bias,
        "blocks.0.attn.qkv.weight": blocks[0].attn.qkv.weight,
        "blocks.11.mlp.fc2.weight": blocks[11].mlp.fc2.weight,
        "bert.pooler.dense.weight": model.text_encoder.pooler.weight,
    }
    steps = {
        "blocks.0.attn.qkv.weight": (96, 32),
        "blocks.11.mlp.fc2.weight": (32, 96),
        "bert.pooler.dense.weight": (32, 16),
    }
    for name, parameter in whole.items():
        gradient = parameter.grad
        if name in steps:
            down, across = steps[name]
            gradient = gradient[::down, ::across]
        expected = goldens.output(f"grad.{name}")
        error = (gradient - expected).abs().max()
        assert error <= 1e-3 * expected.abs().max() + 2e-5, name


@torch.no_grad()
def test_parity_maco_decoder_at_the_inputs_resolution(goldens: Goldens, vocab_dir: Path) -> None:
    tokenizer = load_tokenizer(vocab_dir / "maco_mimic_wordpiece.json")
    model = maco_from_state(goldens.state("pretrain_sr0"), tokenizer)
    assert model.config.decoder.resolution == 1
    lower, masks = lower_resolution(goldens.pictures("maco.images"), 224), goldens.masks()
    tokens = model.image_encoder(lower, masks.kept)
    guessed = model.decoder(tokens, masks.restore)
    close(guessed[:, ::14, ::4], goldens.output("sr0.pred"))
    error, count = reconstruction_loss(guessed, patches_of(lower, 16), masks.removed)
    close(error / count, goldens.output("sr0.loss_image"))


@torch.no_grad()
@pytest.mark.parametrize(
    ("data", "prompts"), [("nih", "maco"), ("rsna", "maco"), ("siim", "maco-pneumothorax")]
)
def test_parity_maco_zero_shot(goldens: Goldens, model: MaCoModel, data: str, prompts: str) -> None:
    model.prompts = PROMPT_SETS[prompts]
    queries = [Query(name) for name in goldens.manifest["zeroshot_prompts"][data]]
    encoded = model.encode_queries(queries)
    close(encoded.features["present"], goldens.output(f"zeroshot.{data}.positive"))
    close(encoded.features["absent"], goldens.output(f"zeroshot.{data}.negative"))
    pictures = goldens.pictures("maco.zeroshot_images")
    answers = model.answer(pictures, encoded)
    close(answers.scores, goldens.output(f"zeroshot.{data}.probability")[..., 0])
    unit = F.normalize(goldens.output("zeroshot.image_embedding"), dim=1)
    close(model.embed_radiographs(pictures), unit)


@torch.no_grad()
def test_parity_maco_grounding(goldens: Goldens, model: MaCoModel) -> None:
    weights = model.patch_weights(model.weight_temperature)
    close(weights.flatten(), goldens.output("grounding.patch_weights"))
    with Image.open(goldens.folder / "grounding_image.png") as file:
        picture = file.resize((224, 224), Image.Resampling.BICUBIC)
    grey = torch.from_numpy(np.array(picture)).float()[None, None] / 255
    standardised = ((grey - 0.4978) / 0.2449).expand(-1, 3, -1, -1)
    close(standardised[:, 0, ::4, ::4], goldens.output("grounding.image"))
    for number, case in enumerate(goldens.manifest["grounding"]):
        phrases = model.encode_phrases([case["sentence"]])
        close(phrases.vectors, goldens.output(f"grounding.{number}.text_embedding"))
        found = model.ground(standardised, phrases)
        close(found[0, 0], goldens.output(f"grounding.{number}.raw"))
        unweighted = model.patch_likeness(standardised, phrases)
        close((weights * unweighted)[0, 0], goldens.output(f"grounding.{number}.raw"))
    assert isinstance(phrases, EncodedPhrases)


@torch.no_grad()
def test_parity_maco_classifier_features(goldens: Goldens, model: MaCoModel) -> None:
    # The fine-tuning network has weights of its own and a learnt table of positions.
    weights = goldens.state("classifier")
    encoder = model.image_encoder
    kept = {key: value.clone() for key, value in encoder.state_dict().items()}
    own = {key: value for key, value in weights.items() if key in kept and key[:5] != "norm."}
    encoder.load_state_dict({**kept, **own, "norm.weight": weights["fc_norm.weight"]})
    tokens = goldens.pictures("maco.zeroshot_images")
    hidden = encoder._embed(tokens, None)
    for block in encoder.blocks:
        hidden = block(hidden)
    encoder.load_state_dict(kept)
    features = F.layer_norm(
        hidden[:, 1:].mean(1), (768,), weights["fc_norm.weight"], weights["fc_norm.bias"], 1e-6
    )
    close(features, goldens.output("classifier.features"))
    logits = features @ weights["head.weight"].T + weights["head.bias"]
    close(logits, goldens.output("classifier.logits"))
    labels = goldens.output("classifier.labels")
    loss = F.binary_cross_entropy_with_logits(logits, labels)
    close(loss, goldens.output("classifier.loss"))


def test_parity_maco_every_key_is_accounted_for(state: dict[str, Tensor]) -> None:
    official = {*state, "WCE.weight"}
    assert len(official) == 328
    ours = translate({**state, "WCE.weight": torch.ones(4)}, TABLE, "case")
    left_out = {key for key in official if not translate({key: torch.zeros(1)}, TABLE, "case")}
    assert len(ours) + len(left_out) == len(official)
    heads = {key for key in left_out if ".cls." in key}
    assert {key.split(".")[0] for key in left_out - heads} == {
        *UNTRAINED,
        "WCE",
        "bert_encoder",
    }
    with pytest.raises(ConversionError, match=r"1 keys are in no table, such as visual\.weight"):
        translate({"visual.weight": torch.zeros(1)}, TABLE, "case")
