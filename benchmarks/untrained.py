"""The same network with weights drawn afresh: what a number is worth without training."""

from pathlib import Path
from typing import Any

import torch

from carina.models.folder import load_model


def pair(folder: Path, seed: int) -> dict[str, Any]:
    """The model of a folder, and one of its config that has learnt nothing, by name."""
    trained: Any = load_model(folder)
    torch.manual_seed(seed)
    fresh = type(trained).from_config(trained.config, trained.tokenizer).eval()
    return {"trained": trained, "untrained": fresh}
