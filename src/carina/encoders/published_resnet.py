"""Weights of a published residual network, such as torchvision's for ImageNet, for our encoders.

Only safetensors are read: a pickle can run code when it is opened.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from carina.encoders.resnet import ResNetStages
from carina.errors import ModelError

CLASSIFIER = re.compile(r"fc\.(weight|bias)")
STAGE = re.compile(r"layer([1-4])\..+")
COUNTER = ".num_batches_tracked"  # not in files of before 2019, and used by nothing of ours
PROJECTION = ("hidden.", "project.")  # ours alone, drawn afresh
SHOWN = 4  # keys in a message


def load_backbone(encoder: ResNetStages, path: Path) -> None:
    """Puts the weights of a file into an encoder; the projection keeps its own.

    Every key of the file is used or left out for a reason: the classifier, and the stages that
    the encoder was cut before (KAD's at 224 px ends with layer 3).

    Args:
        encoder: is changed, its batch norms' statistics included.
        path: safetensors with torchvision's names (conv1, bn1, layer1 ...), as timm's, too.

    Raises:
        ModelError: the file cannot be read, or its network is another one.
    """
    given = backbone_part(read_safetensors(path), stages=len(encoder.config.depths))
    wanted = {
        key: value
        for key, value in encoder.state_dict().items()
        if not key.startswith(PROJECTION) and not key.endswith(COUNTER)
    }
    check_keys(given, wanted, path)
    encoder.load_state_dict(given, strict=False)  # all keys were compared above


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file.

    Raises:
        ModelError: it is missing, damaged, or something else.
    """
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path}: cannot be read as safetensors ({error}). Pickles (.pth) are not read here, "
            "because they can run code; `carina convert imagenet` or `mae` makes one of a "
            "published file."
        ) from error
    return weights


def backbone_part(weights: Mapping[str, Tensor], stages: int) -> dict[str, Tensor]:
    """The weights without classifier, counters, and stages after so many."""

    def used(key: str) -> bool:
        stage = STAGE.fullmatch(key)
        later = stage is not None and int(stage.group(1)) > stages
        return not (later or CLASSIFIER.fullmatch(key) or key.endswith(COUNTER))

    return {key: value for key, value in weights.items() if used(key)}


def check_keys(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights that are not one for one those of the encoder.

    Raises:
        ModelError: names keys that are missing, unknown, or of another shape.
    """
    other = [
        f"{key} {tuple(given[key].shape)} for {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in given and given[key].shape != value.shape
    ]
    for what, keys in (
        ("lacks", sorted(wanted.keys() - given.keys())),
        ("has unknown", sorted(given.keys() - wanted.keys())),
        ("has of another shape", other),
    ):
        if keys:
            shown = ", ".join(keys[:SHOWN]) + (", ..." if len(keys) > SHOWN else "")
            raise ModelError(
                f"{path}: {what} {len(keys)} of the image encoder's weights: {shown}. Give a "
                "residual network of the encoder's depth and channels, with torchvision's names."
            )
