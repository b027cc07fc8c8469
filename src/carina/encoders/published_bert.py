"""A published BERT: a local folder, read here, or a name on the hub, fetched by transformers.

Only safetensors are read: a pickle can run code when it is opened.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from carina.encoders.bert import NORM_EPSILON, TOKEN_TYPES, Bert, BertSizes
from carina.errors import ModelError

CONFIG, WEIGHTS, PICKLE = "config.json", "model.safetensors", "pytorch_model.bin"
# What our BERT is built for; a config that lacks an entry means this.
FIXED = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "layer_norm_eps": NORM_EPSILON,
    "type_vocab_size": TOKEN_TYPES,
    "is_decoder": False,
}
# Heads of other tasks, and a constant that older versions saved.
LEFT_OUT = re.compile(r"(cls|classifier|dropout|qa_outputs)\..*|embeddings\.position_ids")


@dataclass(frozen=True, kw_only=True)
class PublishedBert:
    """A BERT, its sizes, and whether the pooler had to be drawn afresh."""

    bert: Bert
    sizes: BertSizes
    fresh_pooler: bool


def read_bert(source: str | Path) -> PublishedBert:
    """Reads a BERT from a folder with config.json and model.safetensors, or from the hub.

    Raises:
        ModelError: the folder is incomplete or holds something else, or the hub cannot be reached.
    """
    folder = Path(source)
    if folder.is_dir():
        config, weights = read_config(folder), read_weights(folder)
    else:
        config, weights = fetch(str(source))
    sizes = sizes_of(config, str(source))
    bert = Bert(sizes)
    fresh_pooler = fill(bert, weights, str(source))
    return PublishedBert(bert=bert, sizes=sizes, fresh_pooler=fresh_pooler)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a folder.

    Raises:
        ModelError: it is missing or no JSON object.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: cannot be read as JSON ({error}). {folder} is no folder with a BERT in "
            f"transformers' layout: expected {CONFIG}, {WEIGHTS} and the tokenizer."
        ) from error
    if not isinstance(config, dict):
        raise ModelError(f"{path}: holds a {type(config).__name__}, expected a JSON object.")
    return config


def read_weights(folder: Path) -> dict[str, Tensor]:
    """model.safetensors of a folder.

    Raises:
        ModelError: it is missing, damaged, or there is a pickle in its place.
    """
    path = folder / WEIGHTS
    if not path.is_file() and (folder / PICKLE).is_file():
        raise ModelError(
            f"{folder}: holds {PICKLE} but no {WEIGHTS}. Pickles are not read, because they can "
            "run code; write the weights as safetensors (transformers' save_pretrained does)."
        )
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path}: cannot be read as safetensors ({error}). {folder} is no folder with a BERT "
            f"in transformers' layout: expected {CONFIG}, {WEIGHTS} and the tokenizer."
        ) from error
    return weights


def fetch(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Config and weights from the hub, or from what was fetched before.

    Raises:
        ModelError: there is no such BERT, or the hub cannot be reached.
    """
    from transformers import BertModel  # takes seconds, and most runs never come here

    try:
        model = BertModel.from_pretrained(name, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{name}: is no folder here, and cannot be fetched from the hub as a BERT in "
            f"safetensors ({type(error).__name__}). Download it and give its folder."
        ) from error
    return model.config.to_dict(), model.state_dict()


def sizes_of(config: Mapping[str, Any], where: str) -> BertSizes:
    """The sizes that a config of transformers names.

    Raises:
        ModelError: it lacks one, or describes something that is computed in another way.
    """
    kind = config.get("model_type", "bert")
    if kind != "bert":
        raise ModelError(f"{where}: is a model of the kind {kind!r}, expected 'bert'.")
    for name, expected in FIXED.items():
        if config.get(name, expected) != expected:
            raise ModelError(
                f"{where}: {name} is {config[name]!r}, expected {expected!r}; only BERTs that "
                "compute like the first one can be read."
            )
    try:
        return BertSizes(
            vocabulary=int(config["vocab_size"]),
            width=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            hidden=int(config["intermediate_size"]),
            positions=int(config["max_position_embeddings"]),
            dropout=float(config.get("hidden_dropout_prob", 0.1)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{where}: its {CONFIG} gives no usable {error}.") from error


def fill(bert: Bert, weights: Mapping[str, Tensor], where: str) -> bool:
    """Loads weights by transformers' names; tells whether the pooler was missing.

    BERTs trained on masked words only are published without a pooler.

    Raises:
        ModelError: any other weight is missing, unknown, or of another shape.
    """
    named = {current_name(key): value for key, value in weights.items()}
    named = {key: value for key, value in named.items() if not LEFT_OUT.fullmatch(key)}
    fresh_pooler = not any(key.startswith("pooler.") for key in named)
    if fresh_pooler:
        named |= {f"pooler.{key}": value for key, value in bert.pooler.state_dict().items()}
    try:
        bert.load_state_dict(named)
    except RuntimeError as error:
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:3])
        raise ModelError(
            f"{where}: the weights do not fit its {CONFIG}: {lines[:300]} Download it again."
        ) from error
    return fresh_pooler


def current_name(key: str) -> str:
    """A weight's name without the prefix of models with a head, and with today's norm names."""
    plain = key.removeprefix("bert.")
    return plain.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )
