"""A slice of the official numbers that every clone has: five queries asked of one image."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from carina.conversion.medklip import TABLE, within
from carina.conversion.sizes import decoder_config
from carina.conversion.table import load_exactly, translate
from carina.encoders.query_decoder import QueryDecoder

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import weight

SLIM = Path(__file__).with_name("medklip_slim.npz")
ATTENTION = {"in_proj_weight": (768, 256), "in_proj_bias": (768,), "out_proj.bias": (256,)}
LAYER = {
    **{f"{kind}.{name}": shape for kind in ("self_attn", "multihead_attn")
       for name, shape in {**ATTENTION, "out_proj.weight": (256, 256)}.items()},
    "linear1.weight": (1024, 256),
    "linear1.bias": (1024,),
    "linear2.weight": (256, 1024),
    "linear2.bias": (256,),
    **{f"norm{n}.{part}": (256,) for n in (1, 2, 3) for part in ("weight", "bias")},
}  # fmt: skip
SHAPES = {
    **{f"decoder.layers.{n}.{name}": shape for n in range(4) for name, shape in LAYER.items()},
    "decoder.norm.weight": (256,),
    "decoder.norm.bias": (256,),
    "disease_embedding_layer.weight": (256, 768),
    "disease_embedding_layer.bias": (256,),
    "classifier.weight": (2, 256),
    "classifier.bias": (2,),
}


@torch.no_grad()
def test_parity_medklip_slim_five_queries() -> None:
    recorded = {name: torch.from_numpy(value) for name, value in np.load(SLIM).items()}
    official = {
        key: weight(
            key, shape, "norm_weight" if "norm" in key and key.endswith("weight") else "param"
        )
        for key, shape in SHAPES.items()
    }
    ours = translate(official, TABLE, "formula")
    decoder = QueryDecoder(decoder_config(ours, "formula"), norms_inputs=False).eval()
    load_exactly(decoder, within(ours, "decoder."), "formula")
    embed, existence = nn.Linear(768, 256), nn.Linear(256, 2)
    load_exactly(embed, within(ours, "embed_query."), "formula")
    load_exactly(existence, within(ours, "existence."), "formula")
    queries = embed(recorded["texts"])
    decoded = decoder(recorded["tokens"], queries)
    logits = existence(decoded.features)
    torch.testing.assert_close(queries, recorded["queries"], atol=5e-5, rtol=0.0)
    torch.testing.assert_close(logits, recorded["logits"], atol=5e-5, rtol=0.0)
    last = decoded.cross_attention[-1]
    torch.testing.assert_close(last, recorded["last_attention"], atol=1e-6, rtol=0.0)
