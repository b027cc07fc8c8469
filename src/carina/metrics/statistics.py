"""How sure a number is: bootstrap intervals, of images or whole patients, and paired tests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from carina.errors import EvaluationError
from carina.metrics.classification import Statistic
from carina.metrics.ranking import Counts, ones

BLOCK = 128
"""Resamples handled together: enough to be fast, few enough to bound the memory."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its percentile bootstrap interval.

    `value`, `low` and `high` are nan where undefined. `undefined` is the number of resamples in
    which the metric could not be computed, such as those that drew no positive: they are left
    out of the interval, and counted here.
    """

    value: float
    low: float
    high: float
    undefined: int = 0


class Resamples:
    """Resamples of a list of images, the same for everything computed on it.

    Args:
        images: how many images there are.
        replicates: how many resamples are drawn.
        seed: the same seed draws the same images.
        patients: the patient of each image, to draw whole patients; None draws single images.

    Raises:
        EvaluationError: there is nothing to draw from, or `patients` is of another length.
    """

    def __init__(
        self, images: int, replicates: int, seed: int, patients: Sequence[str] | None = None
    ) -> None:
        if images < 1 or replicates < 1:
            raise EvaluationError(
                f"A bootstrap needs at least one image and one replicate, got {images} and "
                f"{replicates}."
            )
        if patients is not None and len(patients) != images:
            raise EvaluationError(
                f"There are {len(patients)} patient names for {images} images; expected one each."
            )
        self.images, self.replicates, self.seed = images, replicates, seed
        self._unit = _units(images, patients)

    @property
    def units(self) -> int:
        """How many images, or whole patients, each resample draws."""
        return int(self._unit.max()) + 1

    def blocks(self, size: int = BLOCK) -> Iterator[Counts]:
        """Yields how often each image was drawn, `size` resamples at a time."""
        generator = np.random.default_rng(self.seed)
        for start in range(0, self.replicates, size):
            columns = min(size, self.replicates - start)
            counts = np.empty((self.units, columns), dtype=np.uint16)
            for column in range(columns):
                drawn = generator.integers(0, self.units, self.units, dtype=np.int64)
                counts[:, column] = np.bincount(drawn, minlength=self.units)
            yield counts[self._unit]


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Metrics of several findings: on the data, and on every resample.

    `values[metric]` is [findings], `replicates[metric]` is [findings, replicates].
    """

    values: Mapping[str, Float[np.ndarray, " findings"]]
    replicates: Mapping[str, Float[np.ndarray, "findings replicates"]]

    def interval(self, metric: str, finding: int, level: float = 0.95) -> Interval:
        """The interval of one finding."""
        return percentile_interval(
            float(self.values[metric][finding]), self.replicates[metric][finding], level
        )

    def mean_values(self, metric: str) -> tuple[float, Float[np.ndarray, " replicates"]]:
        """The mean over the findings that are defined on the data, and in every resample.

        The findings of a resample stand on the same images, so their errors go together as they
        should. Where a resample leaves one of them undefined the mean is over the others.
        """
        defined = np.isfinite(self.values[metric])
        if not defined.any():
            return float("nan"), np.full(self.replicates[metric].shape[1], np.nan)
        rows = self.replicates[metric][defined]
        known = np.isfinite(rows)
        total = np.where(known, rows, 0.0).sum(axis=0)
        counted = known.sum(axis=0)
        mean = np.divide(total, counted, out=np.full(total.shape, np.nan), where=counted > 0)
        return float(self.values[metric][defined].mean()), mean

    def mean_interval(self, metric: str, level: float = 0.95) -> Interval:
        """The interval of the mean over findings; `undefined` counts incomplete resamples."""
        value, mean = self.mean_values(metric)
        interval = percentile_interval(value, mean, level)
        defined = np.isfinite(self.values[metric])
        incomplete = ~np.isfinite(self.replicates[metric][defined]).all(axis=0)
        return Interval(
            value=value, low=interval.low, high=interval.high, undefined=int(incomplete.sum())
        )


def bootstrap(statistics: Sequence[Statistic], resamples: Resamples) -> Bootstrap:
    """Computes every metric of every finding on the data and on every resample.

    All findings see the same resamples.

    Args:
        statistics: one per finding, all with the same metrics.
        resamples: of the images that the statistics were made from.
    """
    values = _rows(statistics, ones(resamples.images))
    blocks = [_rows(statistics, counts) for counts in resamples.blocks()]
    return Bootstrap(
        values={name: rows[:, 0] for name, rows in values.items()},
        replicates={name: np.concatenate([b[name] for b in blocks], axis=1) for name in values},
    )


def together(*statistics: Statistic) -> Statistic:
    """One statistic with the metrics of several, of the same finding."""

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        return {name: value for one in statistics for name, value in one(counts).items()}

    return statistic


def mean_statistic(name: str, values: Float[np.ndarray, " images"]) -> Statistic:
    """The mean of a number that each image has, such as an IoU; nan images are left out."""
    known = np.isfinite(values)
    weights = np.stack([np.where(known, values, 0.0), known.astype(np.float64)])

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        total, number = weights @ counts.astype(np.float64)
        mean = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
        return {name: mean}

    return statistic


def ratio_statistic(
    name: str, above: Float[np.ndarray, " images"], below: Float[np.ndarray, " images"]
) -> Statistic:
    """The sum of one number over the sum of another, such as precision: found over claimed.

    Images where either is nan are left out; nan where the lower sum is 0.
    """
    known = np.isfinite(above) & np.isfinite(below)
    weights = np.stack([np.where(known, above, 0.0), np.where(known, below, 0.0)])

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        total, number = weights @ counts.astype(np.float64)
        ratio = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
        return {name: ratio}

    return statistic


def percentile_interval(
    value: float, replicates: Float[np.ndarray, " replicates"], level: float = 0.95
) -> Interval:
    """The middle `level` of the resamples: 2.5% and 97.5% of them lie outside a 95% interval.

    Undefined (nan) where the value is, or where fewer than half of the resamples are defined.
    """
    known = replicates[np.isfinite(replicates)]
    undefined = len(replicates) - len(known)
    if not np.isfinite(value) or 2 * len(known) < len(replicates):
        return Interval(value=value, low=float("nan"), high=float("nan"), undefined=undefined)
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(value=value, low=float(low), high=float(high), undefined=undefined)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much better one model is than another on the same images.

    `value` is the first minus the second, with its interval; `p_value` is two-sided.
    """

    value: float
    low: float
    high: float
    p_value: float
    undefined: int = 0


def paired_difference(
    first: tuple[float, Float[np.ndarray, " replicates"]],
    second: tuple[float, Float[np.ndarray, " replicates"]],
    level: float = 0.95,
) -> Difference:
    """Compares two models by the differences within the same resamples.

    The p value is twice the smaller share of resamples on either side of no difference, those
    at exactly 0 counting on both, with one added to numerator and denominator (Davison and
    Hinkley 1997, section 4.2), so it is never 0.

    Args:
        first: a metric on the data and on every resample.
        second: the same of the other model, in the same resamples.
        level: of the interval.
    """
    differences = first[1] - second[1]
    interval = percentile_interval(first[0] - second[0], differences, level)
    known = differences[np.isfinite(differences)]
    smaller = min(int((known <= 0).sum()), int((known >= 0).sum()))
    p_value = min(1.0, 2.0 * (smaller + 1) / (len(known) + 1))
    return Difference(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        p_value=p_value if np.isfinite(interval.low) else float("nan"),
        undefined=interval.undefined,
    )


def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """P values adjusted for how many tests were made (Holm 1979); nan tests do not count.

    Below 0.05 after adjustment: the chance that any such finding is a false alarm is under 5%.
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def _units(images: int, patients: Sequence[str] | None) -> Integer[np.ndarray, " images"]:
    if patients is None:
        return np.arange(images)
    number: dict[str, int] = {}
    return np.array([number.setdefault(patient, len(number)) for patient in patients])


def _rows(
    statistics: Sequence[Statistic], counts: Counts
) -> dict[str, Float[np.ndarray, "findings replicates"]]:
    rows = [statistic(counts) for statistic in statistics]
    return {name: np.stack([row[name] for row in rows]) for name in (rows[0] if rows else ())}
