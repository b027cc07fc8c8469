"""A slice of the official numbers that every clone has: the query network asked about reports."""

import sys
from pathlib import Path

import numpy as np
import torch

from carina.conversion.kad import DECODER_TABLE
from carina.conversion.sizes import decoder_config
from carina.conversion.table import load_exactly, translate
from carina.encoders.query_decoder import QueryDecoder

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import weight

SLIM = Path(__file__).with_name("kad_slim.npz")
LAYER = {
    "self_attn.in_proj_weight": (2304, 768),
    "self_attn.in_proj_bias": (2304,),
    "self_attn.out_proj.weight": (768, 768),
    "self_attn.out_proj.bias": (768,),
    "multihead_attn.in_proj_weight": (2304, 768),
    "multihead_attn.in_proj_bias": (2304,),
    "multihead_attn.out_proj.weight": (768, 768),
    "multihead_attn.out_proj.bias": (768,),
    "linear1.weight": (1024, 768),
    "linear1.bias": (1024,),
    "linear2.weight": (768, 1024),
    "linear2.bias": (768,),
    **{f"norm{n}.{part}": (768,) for n in (1, 2, 3) for part in ("weight", "bias")},
}


def official_state() -> dict[str, torch.Tensor]:
    shapes = {
        f"decoder.layers.{n}.{name}": shape for n in range(4) for name, shape in LAYER.items()
    }
    shapes |= {"decoder_norm.weight": (768,), "decoder_norm.bias": (768,)}
    shapes |= {"mlp_head.0.weight": (2, 768), "mlp_head.0.bias": (2,), "logit_scale": ()}
    state = {
        key: weight(
            key, shape, "norm_weight" if "norm" in key and key.endswith("weight") else "param"
        )
        for key, shape in shapes.items()
    }
    for part in ("weight", "bias"):
        state[f"decoder.norm.{part}"] = state[f"decoder_norm.{part}"]
    return state


@torch.no_grad()
def test_parity_kad_slim_query_network() -> None:
    recorded = {name: torch.from_numpy(value) for name, value in np.load(SLIM).items()}
    ours = translate(official_state(), DECODER_TABLE, "formula")
    decoder = QueryDecoder(decoder_config(ours, "formula"))
    prefix = "decoder."
    layers = {k.removeprefix(prefix): v for k, v in ours.items() if k.startswith(prefix)}
    load_exactly(decoder, layers, "formula")
    features = decoder.eval()(recorded["reports"].unsqueeze(1), recorded["queries"]).features
    logits = features @ ours["head.weight"].T + ours["head.bias"]
    torch.testing.assert_close(logits, recorded["logits"], atol=5e-5, rtol=0.0)
