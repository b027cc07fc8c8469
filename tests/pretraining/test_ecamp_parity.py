"""ECAMP at true size gives the official numbers, for weights and inputs made by a formula."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carina.conversion.ecamp import TABLE, ecamp_from_state
from carina.conversion.table import translate
from carina.encoders.masking import PatchMasks
from carina.encoders.positions import OfficialPositions, position_table
from carina.encoders.tokenizer import load_tokenizer
from carina.errors import ConversionError
from carina.losses.reconstruction import patches_of, picture_of, reconstruction_loss
from carina.pretraining.ecamp import ECAMPModel
from carina.pretraining.ecamp_objective import (
    AllPatches,
    AllPositions,
    ECAMPLosses,
    ECAMPObjective,
    Everywhere,
)
from carina.pretraining.entity_maps import SquareWindow
from carina.pretraining.image_side import lower_resolution
from carina.pretraining.masked_text import MaskedTextBatch, MaskedTextConfig, MaskedTexts

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import images, weight

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
BERT = "bert_encoder.model.bert"
OURS = {  # official module -> ours
    f"{BERT}.context_fusion_layer": "language.fusion",
    f"{BERT}.embeddings": "language.embeddings",
    f"{BERT}.encoder": "language.encoder",
    "bert_encoder.model.cls": "language.head",
    "bert_mlp": "project",
    "blocks": "image_encoder.blocks",
    "cls_token": "image_encoder.cls_token",
    "decoder_blocks": "decoder.blocks",
    "decoder_embed": "decoder.embed",
    "decoder_norm": "decoder.norm",
    "decoder_pred": "decoder.pred",
    "mask_token": "decoder.mask_token",
    "norm": "image_encoder.norm",
    "patch_embed": "image_encoder.patch_embed",
    "super_res": "super_resolution",
}


@dataclass(frozen=True)
class Goldens:
    """The folder of recorded outputs."""

    manifest: dict[str, Any]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    def state(self, part: str) -> dict[str, Tensor]:
        """The official state dict, with the tables that the code starts with."""
        entries = {entry["key"]: entry for entry in self.manifest["parts"][part]["entries"]}
        made = {}
        for key, entry in entries.items():
            source = entries[entry.get("alias_of") or key]
            if source["kind"] != "keep":
                made[key] = weight(source["key"], tuple(source["shape"]), source["kind"])
        if part == "classifier":
            return made
        return made | {
            "pos_embed": position_table(OfficialPositions(), 768, 14),
            "decoder_pos_embed": position_table(OfficialPositions(), 512, 14),
            f"{BERT}.embeddings.position_ids": torch.arange(256)[None],
        }

    def pictures(self, name: str) -> Tensor:
        """An image input."""
        batch, size, _ = self.manifest["inputs"]["formula"]["formula_images"][name]
        return images(name, batch, size)

    def output(self, name: str) -> Tensor:
        """A recorded output."""
        return torch.from_numpy(self.outputs[name])

    def texts(self) -> MaskedTextBatch:
        """The two masked reports."""
        ids, labels, mask = (
            torch.from_numpy(self.inputs[name]).long()
            for name in ("ids", "labels", "attention_mask")
        )
        return MaskedTextBatch(
            ids=ids,
            originals=labels,
            attention=mask,
            weights=torch.from_numpy(self.inputs["weights"]),
            chosen=ids != labels,
        )

    def masks(self) -> PatchMasks:
        """The patches that the recorded noise keeps."""
        return PatchMasks.lowest(torch.from_numpy(self.inputs["noise"]), 49)

    def window(self, size: int) -> Tensor:
        """The recorded windows."""
        corners = np.stack([self.inputs["column"], self.inputs["row"]], 1)  # down, across
        return SquareWindow().at(torch.from_numpy(corners), size)


@pytest.fixture(scope="module")
def goldens(parity_dir: Path) -> Goldens:
    folder = parity_dir / "ecamp"
    return Goldens(
        manifest=json.loads((folder / "manifest.json").read_text()),
        inputs=dict(np.load(folder / "inputs.npz")),
        outputs=dict(np.load(folder / "outputs.npz")),
    )


@pytest.fixture(scope="module")
def state(goldens: Goldens) -> dict[str, Tensor]:
    return goldens.state("pretrain")


@pytest.fixture(scope="module")
def model(state: dict[str, Tensor], vocab_dir: Path) -> ECAMPModel:
    return ecamp_from_state(state, load_tokenizer(vocab_dir / "ecamp_mimic_wordpiece.json"))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.detach(), expected, **TOLERANCE)


def test_parity_ecamp_masks_and_positions(goldens: Goldens, model: ECAMPModel) -> None:
    masks = goldens.masks()
    assert masks.kept.tolist() == goldens.inputs["ids_keep"].tolist()
    assert masks.restore.tolist() == goldens.inputs["ids_restore"].tolist()
    assert masks.removed.tolist() == goldens.inputs["mask"].tolist()
    pixels = masks.removed.sum(1) * 16 * 16 * 3
    assert pixels.tolist() == goldens.outputs["pixel_mask_sum"].tolist()
    for name, module in (("pos_embed", model.image_encoder), ("decoder_pos_embed", model.decoder)):
        close(module.get_buffer("pos_embed")[0, ::14, ::16], goldens.output(name))
    close(goldens.window(14)[:, 0], goldens.output("window"))


@torch.no_grad()
def test_parity_ecamp_vision(goldens: Goldens, model: ECAMPModel) -> None:
    pictures, masks = goldens.pictures("ecamp.images"), goldens.masks()
    lower = lower_resolution(pictures, 224)
    close(lower[:, :, ::8, ::8], goldens.output("lowres"))
    tokens = model.image_encoder(lower, masks.kept)
    close(tokens, goldens.output("latent"))
    guessed = model.decoder(tokens, masks.restore)
    close(guessed[:, ::7, ::4], goldens.output("pred"))
    close(guessed.mean(-1), goldens.output("pred_mean"))
    picture = picture_of(guessed, 16)
    close(picture[:, :, ::8, ::8], goldens.output("pred_image"))
    error, _ = reconstruction_loss(guessed, patches_of(lower, 16), masks.removed)
    close(error / masks.removed.numel(), goldens.output("eval.loss_mim"))
    finer = model.super_resolution(picture)
    close(finer[:, :, ::8, ::8], goldens.output("super_resolution"))
    close(finer.mean((2, 3)), goldens.output("super_resolution_mean"))


@torch.no_grad()
def test_parity_ecamp_context_fusion(goldens: Goldens, model: ECAMPModel) -> None:
    language, texts = model.language, goldens.texts()
    fusion = language.fusion
    patches = model.project(goldens.output("latent"))
    close(patches[:, ::4], goldens.output("visual_projection"))
    patches = model.places(goldens.output("latent"))
    seen = texts.attention.bool()[:, None, None]

    def shown(name: str, states: Tensor) -> None:
        close(states[:, ::8, ::2], goldens.output(f"mscf.{name}"))

    words = language.embeddings(texts.ids)
    shown("text_embedding", words)
    text = fusion.attention(words, seen)
    shown("text_self_attention", text)
    local, whole = fusion.context.local(text, patches), fusion.context.whole(text, patches)
    shown("cross_attention", local)
    close(whole, goldens.output("mscf.global_projection"))
    shown("fused", fusion.out_layer(local + whole, text))
    shown("fusion_output", fusion(words, seen, patches))
    # The weights that maps are drawn of are those that the fused kernel pays.
    weights = fusion.local.weights(text, patches)
    values = fusion.local.value(patches).unflatten(-1, (6, -1)).transpose(1, 2)
    shown("cross_attention", (weights @ values).transpose(1, 2).flatten(2))


@torch.no_grad()
def test_parity_ecamp_words(goldens: Goldens, model: ECAMPModel) -> None:
    texts = goldens.texts()
    patches = model.places(goldens.output("latent"))
    logits = model.language.head(model.language(texts.ids, texts.attention, patches).flatten(0, 1))
    logits = logits.unflatten(0, (2, 256))
    close(logits[:, ::8, ::300], goldens.output("mlm_logits"))
    close(logits.mean(-1), goldens.output("mlm_logit_mean"))
    losses = F.cross_entropy(logits.transpose(1, 2), texts.originals, reduction="none")
    close(losses, goldens.output("mlm_token_loss"))


def objective_of(model: ECAMPModel) -> ECAMPObjective:
    """The published code's objective, without dropout."""
    texts = MaskedTexts(model.tokenizer, (), MaskedTextConfig())
    losses = ECAMPLosses(words=AllPositions(), patches=AllPatches(), window=Everywhere())
    return ECAMPObjective(model, texts, losses, Everywhere()).eval()


def test_parity_ecamp_training_step(goldens: Goldens, model: ECAMPModel) -> None:
    given = (goldens.pictures("ecamp.images"), goldens.masks(), goldens.texts())
    _, terms = objective_of(model).terms(*given, goldens.window(448))
    means = {name: term.sum / term.count for name, term in terms.items()}
    close(means["reconstruction"], goldens.output("loss_mim"))
    close(means["super_resolution"], goldens.output("loss_sr"))
    close(means["words"], goldens.output("loss_mlm"))
    total = torch.stack([*means.values()]).sum()
    close(total, goldens.output("loss_total"))
    for official, name in (("mim", "reconstruction"), ("sr", "super_resolution"), ("mlm", "words")):
        close(means[name], goldens.output(f"eval.loss_{official}"))
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


def close_gradients(goldens: Goldens, model: ECAMPModel) -> None:
    blocks, context = model.image_encoder.blocks, model.language.fusion.context
    found = {
        "super_res.conv1.weight": model.super_resolution.conv1.weight.grad,
        "blocks.0.attn.qkv.weight": blocks[0].attn.qkv.weight.grad[::96, ::32],
        "blocks.11.mlp.fc2.weight": blocks[11].mlp.fc2.weight.grad[::32, ::96],
        "gap_mlp.weight": context.whole.mean.weight.grad[::32, ::32],
        "cross_query.weight": context.local.query.weight.grad[::32, ::32],
        "mlm_decoder.weight": model.language.head.decoder.weight.grad[::500, ::32],
    }
    for name, gradient in found.items():
        expected = goldens.output(f"grad.{name}")
        error = (gradient - expected).abs().max()
        assert error <= 1e-3 * expected.abs().max() + 2e-5, name


def test_parity_ecamp_every_key_is_accounted_for(state: dict[str, Tensor]) -> None:
    assert len(state) == 350 + 1  # and the constant that older versions keep
    ours = translate(state, TABLE, "case")
    left_out = {key for key in state if not translate({key: torch.zeros(1)}, TABLE, "case")}
    assert left_out == {
        f"{BERT}.embeddings.position_ids",
        f"{BERT}.pooler.dense.weight",
        f"{BERT}.pooler.dense.bias",
    }
    assert len(ours) + len(left_out) == len(state) - 1  # one bias has two names
    released = {
        key.replace("context_fusion_layer", "cross_attn_layer"): value
        for key, value in state.items()
    }
    assert released.keys() != state.keys()
    assert translate(released, TABLE, "case").keys() == ours.keys()
    with pytest.raises(ConversionError, match=r"1 keys are in no table, such as visual\.weight"):
        translate({"visual.weight": torch.zeros(1)}, TABLE, "case")
