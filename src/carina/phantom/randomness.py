"""Random numbers that depend on names only, never on the order in which they are asked for."""

import hashlib

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A generator for one purpose, such as (7, "patient", 12, "anatomy").

    The same names give the same numbers on any machine, in any process, after any other draws.
    """
    text = "/".join(str(name) for name in (seed, *names))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))
