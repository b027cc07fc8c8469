"""How far two raters agree beyond chance."""

import numpy as np
from jaxtyping import Float, Integer

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
    """The 95% percentile interval of kappa over resamples of the cases.

    Drawing cases with replacement is drawing the table's cells by their frequencies.

    Args:
        table: as for `cohen_kappa`.
        replicates: how many resamples, at least 1.
        seed: of the resamples.

    Returns:
        Lower and upper end; nan where fewer than half of the resamples have a kappa.
    """
    total = int(table.sum())
    if total == 0:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(total, table.ravel() / total, size=replicates)
    kappas = cohen_kappa(drawn.reshape(replicates, *table.shape))
    defined = kappas[np.isfinite(kappas)]
    if 2 * len(defined) < replicates:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
