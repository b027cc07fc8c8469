"""A slice of the official numbers that every clone has: ECAMP's masks, windows, words and mean."""

import sys
from pathlib import Path

import numpy as np
import torch

from carina.encoders.bert import BertSizes
from carina.encoders.context_fusion import GlobalContext
from carina.encoders.masking import PatchMasks
from carina.encoders.positions import OfficialPositions, position_table
from carina.losses.masked_language import masked_word_loss
from carina.pretraining.entity_maps import SquareWindow

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import weight

SLIM = Path(__file__).with_name("ecamp_slim.npz")
TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
FUSION = "bert_encoder.model.bert.context_fusion_layer"


def recorded() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in np.load(SLIM).items()}


def test_parity_ecamp_slim_masks_windows_and_positions() -> None:
    case = recorded()
    masks = PatchMasks.lowest(case["noise"], 49)
    assert masks.kept.tolist() == case["ids_keep"].tolist()
    assert masks.restore.tolist() == case["ids_restore"].tolist()
    assert (masks.removed.sum(1) * 16 * 16 * 3).tolist() == case["pixel_mask_sum"].tolist()
    corners = torch.stack([case["column"], case["row"]], 1)  # down, across
    torch.testing.assert_close(SquareWindow().at(corners, 14)[:, 0], case["window"])
    for name, width in (("pos_embed", 768), ("decoder_pos_embed", 512)):
        table = position_table(OfficialPositions(), width, 14)[0, ::14, ::16]
        torch.testing.assert_close(table, case[name], **TOLERANCE)


@torch.no_grad()
def test_parity_ecamp_slim_mean_of_the_patches() -> None:
    case = recorded()
    project = weight("bert_mlp.weight", (768, 768), "param")
    patches = case["latent_mean"] @ project.T + weight("bert_mlp.bias", (768,), "param")
    sizes = BertSizes(
        vocabulary=1, width=768, layers=0, heads=6, hidden=1, positions=1, dropout=0.0
    )
    context = GlobalContext(sizes)
    context.mean.weight.copy_(weight(f"{FUSION}.gap_mlp.weight", (768, 768), "param"))
    context.mean.bias.copy_(weight(f"{FUSION}.gap_mlp.bias", (768,), "param"))
    found = context(torch.zeros(2, 1, 768), patches[:, None])
    torch.testing.assert_close(found, case["mscf.global_projection"], **TOLERANCE)


def test_parity_ecamp_slim_words() -> None:
    case = recorded()
    # Two logits a position whose cross-entropy is the one that was recorded.
    errors = case["mlm_token_loss"].flatten().double()
    logits = torch.stack([torch.zeros_like(errors), errors.expm1().log()], 1).float()
    originals = torch.zeros(512, dtype=torch.long)
    total, count = masked_word_loss(lambda rows: rows, logits, originals, case["weights"].flatten())
    torch.testing.assert_close(total / count, case["loss_mlm"], **TOLERANCE)
