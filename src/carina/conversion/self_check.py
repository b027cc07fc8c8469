"""Do the key tables still give the official numbers: a check that every installation carries.

A checkpoint of the official names and sizes is filled by a formula, converted, and asked what the
official implementation was asked; its answers are recorded in `recorded/`. It says nothing of
the numbers inside a file that somebody published, only that each of its keys goes to its place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carina.conversion.formula import images, weight
from carina.conversion.kad import kad_from_parts
from carina.conversion.maco import maco_from_state
from carina.conversion.medklip import medklip_from_part
from carina.conversion.table import part
from carina.encoders.masking import PatchMasks
from carina.encoders.positions import OfficialPositions, position_table
from carina.encoders.text import TextEncoder, TextEncoderConfig, Tokens
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConversionError
from carina.pretraining.image_side import lower_resolution

TOLERANCE = 1e-4
"""Other processors and thread counts round otherwise, by up to 1e-5; a key in a wrong place moves
the answers by 1e-2 and more."""

Numbers = Mapping[str, np.ndarray]
Checkpoint = dict[str, dict[str, Tensor]]
Answers = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Each recorded answer's name, and how far ours lies from it at most."""

    differences: Mapping[str, float]

    @property
    def largest(self) -> float:
        """The largest of them."""
        return max(self.differences.values())


def recorded_answers(system: str) -> Numbers:
    """What the official code was asked and gave, and its names and sizes."""
    source = files("carina.conversion") / "recorded" / f"{system}.npz"
    with source.open("rb") as handle:
        return dict(np.load(handle, allow_pickle=False))


@torch.no_grad()
def differences(
    answers: Callable[[Any, Numbers], Answers], model: nn.Module, recorded: Numbers
) -> Checked:
    """How far a model's answers lie from those recorded."""
    given = answers(model, recorded)
    return Checked(
        differences={
            name: float(np.abs(answer.numpy() - recorded[name]).max())
            for name, answer in given.items()
        }
    )


def self_check(system: str) -> Checked:
    """Converts a checkpoint made by a formula and compares with what the official code gave.

    Raises:
        ConversionError: an answer differs by more than `TOLERANCE`, or none is recorded.
    """
    if system not in CHECKS:
        raise ConversionError(
            f"No official answers are recorded for {system}, only for {', '.join(CHECKS)}."
        )
    check, recorded = CHECKS[system], recorded_answers(system)
    model = check.model(check.checkpoint(recorded))
    checked = differences(check.answers, model, recorded)
    if not checked.largest <= TOLERANCE:
        raise ConversionError(
            f"{system}: converted weights give other answers than the official code, by up to "
            f"{checked.largest:.1e}, expected at most {TOLERANCE:.0e}. This installation is not to "
            "be trusted with published weights; please report it."
        )
    return checked


def official_state(recorded: Numbers, part: str) -> dict[str, Tensor]:
    """The official state dict of one part, filled by the formula; aliases share a tensor."""
    columns = (recorded[f"{part}.{name}"].tolist() for name in ("keys", "shapes", "kinds", "alias"))
    rows = {key: (shape, kind, alias) for key, shape, kind, alias in zip(*columns, strict=True)}
    prefix, made = str(recorded["prefix"]), dict[str, Tensor]()
    for key, (_, _, alias) in rows.items():
        source = alias or key
        shape, kind, _ = rows[source]
        if source not in made:
            sizes = tuple(int(size) for size in shape.split("x") if size)
            made[source] = weight(source, sizes, kind, prefix)
        made[key] = made[source]
    return made


def kad_checkpoint(recorded: Numbers) -> Checkpoint:
    """As published: image encoder for 224 pixels, text encoder and query network."""
    parts = {"image_encoder": "image_encoder_224", "text_encoder": "text_encoder"}
    return {
        name: official_state(recorded, part) for name, part in {**parts, "model": "model"}.items()
    }


def kad_model(checkpoint: Checkpoint) -> nn.Module:
    """KAD with words of its own: what is asked comes as recorded tokens."""
    return kad_from_parts(
        checkpoint["image_encoder"],
        checkpoint["text_encoder"],
        checkpoint["model"],
        train_wordpiece(["pleural effusion"], 30),
    )


def kad_answers(model: Any, recorded: Numbers) -> Answers:
    """Logits and the last layer's maps of 14 findings on two pictures."""
    texts = model.text_encoder(tokens_of(recorded, "query_ids", "query_mask"))
    decoded = model.decoder(model.image_encoder(pictures_of(recorded, 224)).tokens, texts)
    return {"logits": model.head(decoded.features), "maps": decoded.cross_attention[-1]}


def medklip_checkpoint(recorded: Numbers) -> Checkpoint:
    """As published, with the prefix of several GPUs."""
    state = official_state(recorded, "model")
    return {"model": {f"module.{key}": value for key, value in state.items()}}


def medklip_model(checkpoint: Checkpoint) -> nn.Module:
    """MedKLIP with a text encoder that is never asked: what it would say is recorded."""
    tiny = TextEncoderConfig(
        vocabulary=40, width=768, layers=1, heads=12, hidden=8, positions=8, max_tokens=8, dim=8
    )
    encoder = TextEncoder(tiny, train_wordpiece(["effusion"], 40))
    return medklip_from_part(part(checkpoint, "model", "formula"), encoder, ())


def medklip_answers(model: Any, recorded: Numbers) -> Answers:
    """Logits and the last layer's maps of five findings on two pictures."""
    tokens = model.image_encoder(pictures_of(recorded, 224)).tokens
    decoded = model.ask(tokens, torch.from_numpy(recorded["texts"]))
    return {"logits": model.existence(decoded.features), "maps": decoded.cross_attention[-1]}


def maco_checkpoint(recorded: Numbers) -> Checkpoint:
    """As published; the position tables and the scale are those that its code starts with."""
    table = position_table(OfficialPositions(), 768, 14)
    starts = {"pos_embed": table, "decoder_pos_embed": table, "Tpar": torch.tensor(1 / 0.03)}
    return {"model": official_state(recorded, "pretrain") | starts}


def maco_model(checkpoint: Checkpoint) -> nn.Module:
    """MaCo with words of its own: the reports come as recorded tokens."""
    return maco_from_state(checkpoint["model"], train_wordpiece(["no nodule."], 40))


def maco_answers(model: Any, recorded: Numbers) -> Answers:
    """The vectors of two pictures and two reports, and the patches guessed from half of them."""
    lower = lower_resolution(pictures_of(recorded, 448), 224)
    masks = PatchMasks.lowest(torch.from_numpy(recorded["noise"]), 98)
    guessed = model.decoder(model.image_encoder(lower, masks.kept), masks.restore)
    return {
        "reports": model.text_encoder(tokens_of(recorded, "ids", "attention_mask")),
        "pictures": model.pooled(model.image_encoder(lower)),
        "patches": guessed.mean(-1),
    }


def tokens_of(recorded: Numbers, ids: str, mask: str) -> Tokens:
    """Recorded tokens."""
    return Tokens(
        ids=torch.from_numpy(recorded[ids]).long(), mask=torch.from_numpy(recorded[mask]).long()
    )


def pictures_of(recorded: Numbers, size: int) -> Tensor:
    """Two pictures."""
    return images(str(recorded["picture"]), 2, size, str(recorded["prefix"]))


@dataclass(frozen=True, kw_only=True)
class Check:
    """How one system is checked: its checkpoint, the model made of it, and what it is asked."""

    checkpoint: Callable[[Numbers], Checkpoint]
    model: Callable[[Checkpoint], nn.Module]
    answers: Callable[[Any, Numbers], Answers]


CHECKS = {
    "kad": Check(checkpoint=kad_checkpoint, model=kad_model, answers=kad_answers),
    "medklip": Check(checkpoint=medklip_checkpoint, model=medklip_model, answers=medklip_answers),
    "maco": Check(checkpoint=maco_checkpoint, model=maco_model, answers=maco_answers),
}
"""Every system with recorded answers."""
