"""A slice of the official numbers that every clone has: MaCo's contrast and its weighting."""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from carina.encoders.masking import PatchMasks
from carina.encoders.positions import OfficialPositions, position_table
from carina.losses.weighted_contrast import weighted_contrast

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


def test_parity_maco_slim_weighted_contrast() -> None:
    case = recorded()
    removed = PatchMasks.lowest(case["noise"], 98).removed
    bias = weight("pos_weight_img.bias", (1,), "param")
    scores = (1 - removed) @ weight("pos_weight_img.weight", (1, 196), "param").T + bias
    torch.testing.assert_close(scores, case["importance_raw"], **TOLERANCE)
    pairs = (case["image_embedding"], case["text_embedding"], F.softplus(scores)[:, 0])
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
    project = weight("img_mlp.weight", (768, 768), "param")
    bias = weight("img_mlp.bias", (768,), "param")
    vector = case["latent_mean"] @ project.T + bias
    torch.testing.assert_close(vector, case["image_embedding"], **TOLERANCE)
    images = case["zeroshot_image_embedding"]
    margin = images @ (case["positive"] - case["negative"]).T
    torch.testing.assert_close(margin.sigmoid(), case["probability"], **TOLERANCE)
