"""Embeddings of texts that are computed once a run and kept in its folder."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from carina.encoders.text import Reading, TextEncoder
from carina.files import atomic_path

DIGEST, EMBEDDINGS = "digest", "embeddings"


def kept_embeddings(
    path: Path, encoder: TextEncoder, reading: Reading, texts: Sequence[str]
) -> Float[Tensor, "texts length"]:
    """The embeddings of texts, from a file where the same encoder has embedded the same before.

    Args:
        path: the file; it is written where it is missing, damaged, or of other texts or weights.
        encoder: embeds what is not known yet.
        reading: how its output becomes one vector.
        texts: in the order of the result.
    """
    digest = digest_of(encoder, reading, texts)
    kept = read_embeddings(path, digest)
    if kept is None:
        kept = encoder.encode(texts, reading=reading, bar="Embedding descriptions")
        data = {EMBEDDINGS: kept.cpu().contiguous()}
        with atomic_path(path) as temporary:
            temporary.write_bytes(save(data, {DIGEST: digest}))
    return kept.to(next(encoder.parameters()).device)


def digest_of(encoder: TextEncoder, reading: Reading, texts: Sequence[str]) -> str:
    """SHA-256 of all that embeddings depend on."""
    digest = hashlib.sha256(json.dumps([repr(reading), repr(encoder.config), *texts]).encode())
    digest.update(encoder.tokenizer.to_str().encode())
    for name, value in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def read_embeddings(path: Path, digest: str) -> Tensor | None:
    """The embeddings of a file, or None where it has none of this digest."""
    try:
        with safe_open(path, "pt") as file:
            known = file.metadata() or {}
            return file.get_tensor(EMBEDDINGS) if known.get(DIGEST) == digest else None
    except (OSError, SafetensorError):
        return None
