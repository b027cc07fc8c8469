"""What every system is asked, to prove that each key of its checkpoint goes to its place."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from tokenizers import Tokenizer, models
from torch import Tensor, nn

from carina.conversion.checks_finetuned import FINETUNED_CHECKS
from carina.conversion.ecamp import ecamp_from_state
from carina.conversion.gloria import gloria_from_state
from carina.conversion.kad import kad_from_parts, text_from_part
from carina.conversion.maco import maco_from_state
from carina.conversion.medklip import medklip_from_part
from carina.conversion.recorded_answers import (
    Answers,
    Check,
    Checkpoint,
    Numbers,
    official_state,
    pictures_of,
    tokens_of,
)
from carina.conversion.table import part
from carina.encoders.masking import PatchMasks
from carina.encoders.positions import OfficialPositions, position_table
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.losses.local_alignment import SummedWords, local_likeness, paired_maps
from carina.losses.reconstruction import picture_of
from carina.pretraining.image_side import lower_resolution


def kad_checkpoint(image: str) -> Callable[[Numbers], Checkpoint]:
    """As published: an image encoder, the text encoder and the query network."""

    def made(recorded: Numbers) -> Checkpoint:
        parts = {"image_encoder": image, "text_encoder": "text_encoder", "model": "model"}
        return {name: official_state(recorded, part) for name, part in parts.items()}

    return made


def kad_model(checkpoint: Checkpoint) -> nn.Module:
    """KAD with words of its own: what is asked comes as recorded tokens."""
    return kad_from_parts(
        checkpoint["image_encoder"],
        checkpoint["text_encoder"],
        checkpoint["model"],
        train_wordpiece(["pleural effusion"], 30),
    )


def kad_asked(model: Any, recorded: Numbers, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the last layer's maps of 14 findings."""
    texts = model.text_encoder(tokens_of(recorded, "query_ids", "query_mask"))
    decoded = model.decoder(model.image_encoder(pictures).tokens, texts)
    return model.head(decoded.features), decoded.cross_attention[-1]


def kad_224_answers(model: Any, recorded: Numbers) -> Answers:
    """Of two pictures."""
    logits, maps = kad_asked(model, recorded, pictures_of(recorded, 224))
    return {"logits": logits, "maps": maps}


def kad_512_answers(model: Any, recorded: Numbers) -> Answers:
    """Of one picture, which is 256 pixels wide: the network takes any size."""
    picture = pictures_of(recorded, 266, name="512.picture", batch=1, crop=256)
    logits, maps = kad_asked(model, recorded, picture)
    return {"512.logits": logits, "512.maps": maps}


def kad_vit_answers(model: Any, recorded: Numbers) -> Answers:
    """The class token and some numbers of some patches of one picture."""
    picture = pictures_of(recorded, 392, name="vit.picture", batch=1, crop=384)
    features = model.image_encoder(picture)
    return {"vit.pooled": features.pooled, "vit.tokens": features.tokens[:, ::48, ::8]}


def kad_text_checkpoint(recorded: Numbers) -> Checkpoint:
    """Stage 1 as published."""
    return {"state_dict": official_state(recorded, "text_encoder")}


def kad_text_model(checkpoint: Checkpoint) -> nn.Module:
    """The knowledge encoder with words of its own."""
    words = train_wordpiece(["pleural effusion"], 30)
    return text_from_part(checkpoint["state_dict"], words, where="formula")


def kad_text_answers(model: Any, recorded: Numbers) -> Answers:
    """Some numbers of the vectors of 14 findings."""
    return {"texts": model(tokens_of(recorded, "query_ids", "query_mask"))[:, ::8]}


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


def ecamp_checkpoint(recorded: Numbers) -> Checkpoint:
    """As released, where the fusion layer is called otherwise than in the code."""
    state = {
        key.replace("context_fusion_layer", "cross_attn_layer"): value
        for key, value in official_state(recorded, "pretrain").items()
    }
    return {
        "model": state
        | {
            "pos_embed": position_table(OfficialPositions(), 768, 14),
            "decoder_pos_embed": position_table(OfficialPositions(), 512, 14),
            "bert_encoder.model.bert.embeddings.position_ids": torch.arange(256)[None],
        }
    }


def ecamp_model(checkpoint: Checkpoint) -> nn.Module:
    """ECAMP with words of its own: the reports come as recorded tokens."""
    return ecamp_from_state(checkpoint["model"], train_wordpiece(["no nodule."], 40))


def ecamp_answers(model: Any, recorded: Numbers) -> Answers:
    """From a quarter of two pictures: the patches, made finer, and the error of every word."""
    lower = lower_resolution(pictures_of(recorded, 448), 224)
    masks = PatchMasks.lowest(torch.from_numpy(recorded["noise"]), 49)
    seen = model.image_encoder(lower, masks.kept)
    guessed = model.decoder(seen, masks.restore)
    tokens = tokens_of(recorded, "ids", "attention_mask")
    states = model.language(tokens.ids, tokens.mask, model.places(seen))
    logits = model.language.head(states.flatten(0, 1))
    originals = torch.from_numpy(recorded["labels"]).long().flatten()
    errors = torch.nn.functional.cross_entropy(logits, originals, reduction="none")
    return {
        "patches": guessed.mean(-1),
        "finer": model.super_resolution(picture_of(guessed, 16)).mean((2, 3)),
        "seen": model.project(seen)[:, ::4, ::16],
        "words": errors.unflatten(0, tuple(tokens.ids.shape)),
    }


def gloria_checkpoint(recorded: Numbers) -> Checkpoint:
    """As Lightning keeps it."""
    parts = (official_state(recorded, name) for name in ("image_encoder", "text_encoder"))
    return {"state_dict": {f"gloria.{key}": value for one in parts for key, value in one.items()}}


def gloria_model(checkpoint: Checkpoint) -> nn.Module:
    """GLoRIA with as many words as it has, of which a quarter goes on with the one before."""
    words = "gloria.text_encoder.model.embeddings.word_embeddings.weight"
    state = checkpoint["state_dict"]
    return gloria_from_state(state, numbered_pieces(len(state[words])))


def numbered_pieces(count: int) -> Tokenizer:
    """Pieces whose number tells whether they go on with a word, as those that were recorded."""
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    pieces = {
        special.get(n, f"##{n}" if n >= 1000 and n % 4 == 3 else f"word{n}"): n
        for n in range(count)
    }
    return Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))


def gloria_answers(model: Any, recorded: Numbers) -> Answers:
    """The likeness of three pictures and three reports, and the maps of one report's words."""
    features = model.image_encoder(pictures_of(recorded, 224, batch=3))
    words = model.text_encoder(tokens_of(recorded, "ids", "attention_mask"))
    given = (features.tokens, words.vectors, words.counted)
    likeness = local_likeness(*given, temperature=4.0, pooling=SummedWords(), captions_at_once=3)
    maps = paired_maps(*given, 4.0)[0, : len(recorded["maps"])]
    reports = torch.nn.functional.normalize(words.reports, dim=1)
    return {
        "whole": features.pooled,
        "local_logits": 10 * likeness,
        "global_logits": 10 * torch.nn.functional.normalize(features.pooled, dim=1) @ reports.T,
        "maps": maps.unflatten(1, recorded["maps"].shape[1:]),
    }


def kad_check(name: str, image: str, answers: Callable[[Any, Numbers], Answers]) -> Check:
    """KAD with one of its image encoders."""
    return Check(
        name=name,
        recorded="kad",
        checkpoint=kad_checkpoint(image),
        model=kad_model,
        answers=answers,
    )


CHECKS: Mapping[str, tuple[Check, ...]] = {
    "kad": (
        kad_check("ResNet-50 for 224 pixels", "image_encoder_224", kad_224_answers),
        kad_check("ResNet-50 for 512 pixels", "image_encoder_512", kad_512_answers),
        kad_check("ViT", "image_encoder_vit", kad_vit_answers),
    ),
    "kad-text": (
        Check(
            name="knowledge encoder",
            recorded="kad",
            checkpoint=kad_text_checkpoint,
            model=kad_text_model,
            answers=kad_text_answers,
        ),
    ),
    "medklip": (
        Check(
            name="MedKLIP",
            recorded="medklip",
            checkpoint=medklip_checkpoint,
            model=medklip_model,
            answers=medklip_answers,
        ),
    ),
    "maco": (
        Check(
            name="MaCo",
            recorded="maco",
            checkpoint=maco_checkpoint,
            model=maco_model,
            answers=maco_answers,
        ),
    ),
    "ecamp": (
        Check(
            name="ECAMP",
            recorded="ecamp",
            checkpoint=ecamp_checkpoint,
            model=ecamp_model,
            answers=ecamp_answers,
        ),
    ),
    "gloria": (
        Check(
            name="GLoRIA",
            recorded="gloria",
            checkpoint=gloria_checkpoint,
            model=gloria_model,
            answers=gloria_answers,
        ),
    ),
    **FINETUNED_CHECKS,
}
"""Every network with recorded answers, by its system's name on the command line."""

UNPROVEN: Mapping[str, tuple[str, ...]] = {
    "kad": (
        "1024 pixels (no answers are recorded; it is the network for 512 on a larger input)",
        "the ViT's way through the query network (only its features are recorded)",
    ),
    "medklip": (
        "the text encoder (the file has none; its vectors are recorded)",
        "the head of positions (no answer asks it)",
    ),
    "maco": ("the importance of places and the scale of training (no recorded answer asks them)",),
    "ecamp-detection": ("narrower bottlenecks (only those for all labels are recorded)",),
}
"""What no recorded answer proves, and why."""
