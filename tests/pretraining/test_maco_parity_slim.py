"""A slice of the official numbers that every clone has: MaCo's contrast and its weighting."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from carina.encoders.masking import PatchMasks
from carina.encoders.positions import OfficialPositions, position_table
from carina.losses.weighted_contrast import weighted_contrast
from carina.pretraining.maco import MaCoModel, RawProducts

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import weight

SLIM = Path(__file__).with_name("maco_slim.npz")
TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
SCALE = torch.tensor(1 / 0.03)


def recorded() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in np.load(SLIM).items()}


def test_parity_maco_slim_masks_and_positions() -> None:
    case = recorded()
    masks = PatchMasks.lowest(case["noise"], 98)
    assert masks.kept.tolist() == case["ids_keep"].tolist()
    assert masks.restore.tolist() == case["ids_restore"].tolist()
    table = position_table(OfficialPositions(), 768, 14)[0, ::14, ::16]
    torch.testing.assert_close(table, case["pos_embed"], **TOLERANCE)


def linear(name: str, inputs: int, outputs: int) -> nn.Linear:
    """A layer with the weights of the formula."""
    layer = nn.Linear(inputs, outputs)
    layer.load_state_dict(
        {
            "weight": weight(f"{name}.weight", (outputs, inputs), "param"),
            "bias": weight(f"{name}.bias", (outputs,), "param"),
        }
    )
    return layer.requires_grad_(False)


def test_parity_maco_slim_weighted_contrast() -> None:
    case = recorded()
    removed = PatchMasks.lowest(case["noise"], 98).removed
    # The model's own method, without the rest of a model of 150 million weights.
    parts: Any = SimpleNamespace(importance=linear("pos_weight_img", 196, 1))
    importance = MaCoModel.importance_of(parts, removed)
    torch.testing.assert_close(importance, F.softplus(case["importance_raw"])[:, 0], **TOLERANCE)
    pairs = (case["image_embedding"], case["text_embedding"], importance)
    sharpened, weighted = weighted_contrast(*pairs, *pairs, first=0, scale=SCALE)
    loss = (sharpened[0] / sharpened[1] + weighted[0] / weighted[1]) / 2
    torch.testing.assert_close(loss, case["loss_contrastive"], **TOLERANCE)
    (case_ce, case_wce) = (
        (case[f"{kind}_image"] + case[f"{kind}_text"]) / 2 for kind in ("ce", "wce")
    )
    torch.testing.assert_close(sharpened[0] / sharpened[1], case_ce, **TOLERANCE)
    torch.testing.assert_close(weighted[0] / weighted[1], case_wce, **TOLERANCE)


def test_parity_maco_slim_projection_and_scores() -> None:
    case = recorded()
    parts: Any = SimpleNamespace(project=linear("img_mlp", 768, 768))
    class_token = torch.full_like(case["latent_mean"], 7.0)  # takes no part
    tokens = torch.stack([class_token, case["latent_mean"]], 1)
    vector = MaCoModel.pooled(parts, tokens)
    torch.testing.assert_close(vector, case["image_embedding"], **TOLERANCE)
    apart = case["positive"] - case["negative"]
    margin = RawProducts().margin(case["zeroshot_image_embedding"], apart, SCALE)
    torch.testing.assert_close(margin.sigmoid(), case["probability"], **TOLERANCE)
