"""A residual network of ImageNet, published for training to start from."""

from collections.abc import Mapping

import torch
from torch import Tensor

from carina.conversion.sizes import stages_config
from carina.conversion.table import Rule, check_fits
from carina.encoders.resnet import ResNetStages

STAGES = 4
TABLE = (
    Rule(r"((?:conv1|bn1|layer[1-4])\..+)", r"\1"),
    Rule(r"fc\..+", None, "the classifier of ImageNet, which training leaves out"),
)
"""The names are torchvision's and timm's, and every one stays as it is."""


def check_whole(state: Mapping[str, Tensor], where: str) -> None:
    """Makes sure that all four stages are there, as training needs them.

    Raises:
        ConversionError: weights are missing, or of sizes that do not fit one another.
    """
    with torch.device("meta"):  # names and sizes alone
        stages = ResNetStages(stages_config(state, STAGES, where, dim=1))
    check_fits(stages, state, where)
