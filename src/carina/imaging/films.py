"""What frontal films look like on average, measured once and kept as data.

`films.npz` is made by `python benchmarks/check.py --fit` from the training part of a public set
of frontal films (NIH ChestX-ray14); it holds means and one linear filter, no picture of anybody.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

FILE = "films.npz"
FILTER_SIDE = 16


@dataclass(frozen=True, kw_only=True)
class AverageFilm:
    """Statistics of evened thumbnails of upright frontal films.

    Attributes:
        spectrum: mean of the low frequencies, without the mean grey.
        spectrum_deviation: their standard deviation over films.
        picture: the mean film, of mean 0 and standard deviation 1.
        upright: the filter whose answer is greater, the more upright a film is.
    """

    spectrum: Float32[np.ndarray, " dim"]
    spectrum_deviation: Float32[np.ndarray, " dim"]
    picture: Float32[np.ndarray, "cells cells"]
    upright: Float32[np.ndarray, "cells cells"]


@lru_cache(maxsize=1)
def average_film() -> AverageFilm:
    """Reads the packaged statistics, once."""
    with np.load(Path(__file__).with_name(FILE), allow_pickle=False) as held:
        return AverageFilm(**{name: held[name].astype(np.float32) for name in held.files})
