"""What fine-tuning begins with: image encoders out of model folders, and one that knows nothing."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from carina.encoders.image_configs import ImageConfig
from carina.encoders.supervised import DenseNetConfig, PlainResNetConfig
from carina.errors import ConfigError, ModelError
from carina.finetuning.classifier import HasImageEncoder
from carina.finetuning.query_classifier import HasQueryNetwork
from carina.imaging.preprocessing import IMAGENET_224, Preprocessing
from carina.models.folder import load_model

RANDOM = "random"
"""The name of a start that has learnt nothing: the first start's encoder with fresh weights."""

BASELINES: Mapping[str, PlainResNetConfig | DenseNetConfig] = {
    "resnet-50": PlainResNetConfig(),
    "densenet-121": DenseNetConfig(),
}
"""Starts of a supervised baseline: networks with fresh weights, named in place of a folder."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A pre-trained image encoder: its name in tables, its config and its weights.

    `path` is the folder that it came out of; `pretrained` is False for fresh weights.
    """

    name: str
    path: Path
    pretrained: bool
    image: ImageConfig
    preprocessing: Preprocessing
    weights: Mapping[str, torch.Tensor]
    digest: str

    def encoder(self) -> nn.Module:
        """The image encoder by itself."""
        module: nn.Module = self.image.build()
        module.load_state_dict(self.weights)
        return module

    def put_into(self, model: nn.Module) -> None:
        """Gives the image encoder of a fresh model these weights."""
        model.get_submodule("image_encoder").load_state_dict(self.weights)


def opened_starts(models: Sequence[Path], *, random_start: bool) -> list[Start]:
    """The starts, each under a name of its own.

    A name of `BASELINES` stands for a supervised baseline where no folder is called so. It sees
    pictures as the first pre-trained start does, so that both see the same.
    """
    pretrained = {path: opened_start(path) for path in models if not is_baseline(path)}
    seen = next((start.preprocessing for start in pretrained.values()), IMAGENET_224)
    starts = [pretrained.get(path) or baseline_start(path, seen) for path in models]
    if random_start:
        first = starts[0]
        torch.manual_seed(0)
        fresh = first.image.build().state_dict()
        starts.append(replace(first, name=RANDOM, pretrained=False, weights=fresh, digest=RANDOM))
    names = [start.name for start in starts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"Two starts are both called {twice[0]!r} (the last part of the folder's name); "
            "expected names that differ. Copy or rename one of the folders."
        )
    return starts


def is_baseline(path: Path) -> bool:
    """Whether a path is the name of a supervised baseline, and no folder."""
    return str(path) in BASELINES and not path.exists()


def baseline_start(path: Path, preprocessing: Preprocessing) -> Start:
    """A network of the supervised baseline with fresh weights, the same ones each time."""
    channels = preprocessing.channels
    image = with_channels(BASELINES[str(path)], channels)
    torch.manual_seed(0)
    return Start(
        name=str(path),
        path=path,
        pretrained=False,
        image=image,
        preprocessing=preprocessing,
        weights=image.build().state_dict(),
        digest=f"{path}, {channels} channels",
    )


def with_channels(
    image: PlainResNetConfig | DenseNetConfig, channels: int
) -> PlainResNetConfig | DenseNetConfig:
    """The network for pictures of another number of channels."""
    if isinstance(image, PlainResNetConfig):
        return replace(image, stages=replace(image.stages, channels=channels))
    return replace(image, channels=channels)


def opened_start(path: Path) -> Start:
    """The image encoder of a model folder.

    Raises:
        ModelError: the folder holds a model without one.
    """
    model: Any = load_model(path)
    if not isinstance(model, HasImageEncoder):
        raise ModelError(
            f"{path}: holds a {type(model).__name__}, which has no image encoder; expected a "
            "model that was pre-trained on radiographs. Name the folder of a whole run."
        )
    weights = {name: value.clone() for name, value in model.image_encoder.state_dict().items()}
    image_config: Any = model.image_encoder.config
    return Start(
        name=slug(path),
        path=path,
        pretrained=True,
        image=image_config,
        preprocessing=model.preprocessing,
        weights=weights,
        digest=digest_of_weights(weights),
    )


def query_network_of(start: Start) -> HasQueryNetwork:
    """The model that a start came out of, with its query network.

    Raises:
        ModelError: it has none.
    """
    model: Any = load_model(start.path)
    if not isinstance(model, HasQueryNetwork):
        raise ModelError(
            f"{start.path}: holds a {type(model).__name__}, which has no query network; expected "
            "a KAD or MedKLIP model. Fine-tune it with the task classification or linear-probe."
        )
    return model


def any_start(start: Start) -> None:
    """Tasks that need an image encoder alone take every start."""


def start_with_queries(start: Start) -> None:
    """Refuses a start that has no query network.

    Raises:
        ModelError: says what to do with it instead.
    """
    query_network_of(start)


def slug(path: Path) -> str:
    """What a start is called: the folder's own name, or its parent's for `model`."""
    resolved = path.resolve()
    name = resolved.parent.name if resolved.name == "model" else resolved.name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name) or "start"


def digest_of_weights(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of names and values."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].contiguous().cpu().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
