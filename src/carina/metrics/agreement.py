"""How far two raters agree beyond chance."""

import numpy as np
from jaxtyping import Float, Integer

from carina.metrics.bounds import least_share
from carina.metrics.statistics import Resampled
from carina.metrics.units import NOTHING

LEVEL = 0.95


def cohen_kappa(
    table: Integer[np.ndarray, "*sets classes classes"],
) -> Float[np.ndarray, "*sets"]:
    """Cohen's kappa of one or more tables of counts.

    Source: Cohen, Educ Psychol Meas 1960: (observed - expected) / (1 - expected), where expected
    is the agreement of two raters with the same frequencies who know nothing of each other.

    Args:
        table: cases by the class that the first rater gives (rows) and the second (columns).

    Returns:
        At most 1; nan where both raters give every case the same one class, or none is there.
    """
    total = table.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.trace(table, axis1=-2, axis2=-1) / total
        expected = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1) / total.astype(float) ** 2
        return np.asarray((observed - expected) / (1 - expected), dtype=np.float64)


def kappa_interval(
    table: Integer[np.ndarray, "classes classes"], replicates: int, seed: int
) -> tuple[float, float]:
    """The 95% interval of kappa over resamples of the cases: see `metrics.acceleration`.

    Drawing cases with replacement is drawing the table's cells by their frequencies. Where the
    raters agree on every case, or on none, no resample has doubts; then it is that of the observed
    agreement, a share of 1 or 0, with the agreement by chance as it is in the data.

    Args:
        table: as for `cohen_kappa`.
        replicates: how many resamples, at least 1.
        seed: of the resamples.

    Returns:
        Lower and upper end; nan where fewer than half of the resamples have a kappa, or where
        leaving one case out leaves none.
    """
    total, value = int(table.sum()), float(cohen_kappa(table))
    if not np.isfinite(value):
        return NOTHING
    if np.trace(table) in (0, total):
        chance = float((table.sum(axis=1) * table.sum(axis=0)).sum()) / total**2
        reach = (1 - least_share(total, LEVEL)) / (1 - chance)
        return (1 - reach, 1.0) if value == 1 else (value, value + reach)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(total, table.ravel() / total, size=replicates)
    cells = np.flatnonzero(table.ravel())
    less = table.ravel() - np.eye(table.size, dtype=table.dtype)[cells]
    found = Resampled(
        value=value,
        replicates=cohen_kappa(drawn.reshape(replicates, *table.shape)),
        left_out=np.repeat(cohen_kappa(less.reshape(-1, *table.shape)), table.ravel()[cells]),
        units=total,
    ).interval(LEVEL)
    return found.low, found.high
