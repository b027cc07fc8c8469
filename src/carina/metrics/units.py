"""Images and the patients that they are of: what is drawn together, and what an interval is."""

import numpy as np
from jaxtyping import Bool, Integer

Units = Integer[np.ndarray, " images"]
"""The number of each image's unit: itself, or a whole patient."""

Ends = tuple[float, float]
"""The lower and the upper end of an interval; nan where nothing can be said."""

NOTHING: Ends = (float("nan"), float("nan"))


def units_among(units: Units, images: Bool[np.ndarray, " images"]) -> int:
    """How many units have at least one of some images."""
    return len(np.unique(units[images]))
