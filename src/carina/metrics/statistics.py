"""How sure a number is: bootstrap intervals, of images or whole patients, and paired tests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Integer

from carina.errors import EvaluationError
from carina.metrics.acceleration import NORMAL, Shape, shape_of
from carina.metrics.auc_interval import AucSpread
from carina.metrics.bounds import Bound, Bounded, bounds_of, share_ends, spreads_of
from carina.metrics.classification import Statistic
from carina.metrics.ranges import within_range
from carina.metrics.ranking import Counts, ones
from carina.metrics.units import NOTHING, Ends, Units, units_among

BLOCK = 128
"""Resamples handled together: enough to be fast, few enough to bound the memory."""

ROUNDING = 1e-12
"""Equal metrics of other numbers of images differ by less: a perfect MCC is 1 but for 1e-16."""

GROUPS = 200
"""So many groups of units are left out in turn, to see how a metric hangs on them."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its bootstrap interval.

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

    @property
    def unit_of_images(self) -> Units:
        """The number of each image's unit."""
        return self._unit

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

    def without(self) -> Iterator[Counts]:
        """Yields the images once each but for one group of units, a column a group.

        With up to `GROUPS` units each is a group; else every `GROUPS`-th belongs to the same.
        """
        groups = min(self.units, GROUPS)
        for start in range(0, groups, BLOCK):
            left_out = np.arange(start, min(start + BLOCK, groups))
            yield (self._unit[:, None] % groups != left_out).astype(np.uint16)


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampled:
    """One metric: on the data, on every resample, and without each group of units.

    `units` is how many images, or whole patients, were drawn from. `spread` is of an AUC of one
    finding, whose interval needs no resamples.
    """

    value: float
    replicates: Float[np.ndarray, " replicates"]
    left_out: Float[np.ndarray, " groups"]
    units: int
    spread: AucSpread | None = None

    @property
    def known(self) -> Float[np.ndarray, " known"]:
        """The resamples in which the metric is defined."""
        known: Float[np.ndarray, " known"] = self.replicates[np.isfinite(self.replicates)]
        return known

    @property
    def shape(self) -> Shape | None:
        """How the resamples are to be read; None where they allow no interval.

        That is where the value is undefined, or fewer than half of the resamples are defined, or
        the metric hangs on one unit alone.
        """
        enough = 2 * len(self.known) >= len(self.replicates)
        if not np.isfinite(self.value) or not enough or not np.isfinite(self.left_out).all():
            return None
        return shape_of(self.value, self.known, self.left_out, self.units)

    @property
    def without_doubt(self) -> bool:
        """Whether every resample says the same, so that it tells nothing of how sure that is."""
        apart = np.abs(self.known - self.value)
        return bool(np.isfinite(self.value)) and bool((apart <= ROUNDING).all())

    def interval(self, level: float = 0.95) -> Interval:
        """The BCa interval with quantiles of Student's t; see `carina.metrics.acceleration`.

        None where every resample says the same. An AUC has that of `metrics.auc_interval`. Of fewer
        than 39 resamples none lies beyond 95%, so their interval is too narrow.
        """
        undefined = len(self.replicates) - len(self.known)
        if self.spread is not None:
            low, high = self.spread.ends(level)
            return Interval(value=self.value, low=low, high=high, undefined=undefined)
        shape = self.shape
        if shape is None or self.without_doubt:
            nan = float("nan")
            return Interval(value=self.value, low=nan, high=nan, undefined=undefined)
        z = NORMAL.inv_cdf((1 + level) / 2)
        low, high = np.quantile(self.known, [shape.share(-z), shape.share(z)])
        return Interval(value=self.value, low=float(low), high=float(high), undefined=undefined)

    def minus(self, other: "Resampled") -> "Resampled":
        """The difference to a metric of the same resamples."""
        return Resampled(
            value=self.value - other.value,
            replicates=self.replicates - other.replicates,
            left_out=self.left_out - other.left_out,
            units=self.units,
        )


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Metrics of several findings: on the data, on every resample, and without groups of units.

    `values[metric]` is [findings], `replicates[metric]` is [findings, replicates] and
    `left_out[metric]` is [findings, groups]; `units` is how many images, or whole patients, each
    resample draws. `bounds[finding]` are the intervals of metrics that every resample has alike,
    by the name of the metric, for the unit of each image, `unit_of_images`. `spreads[finding]` are
    of AUCs, by their names: their intervals need no resamples.
    """

    values: Mapping[str, Float[np.ndarray, " findings"]]
    replicates: Mapping[str, Float[np.ndarray, "findings replicates"]]
    left_out: Mapping[str, Float[np.ndarray, "findings groups"]]
    units: int
    bounds: tuple[Mapping[str, Bound], ...] = ()
    spreads: tuple[Mapping[str, AucSpread | None], ...] = ()
    unit_of_images: Units | None = None

    def of(self, metric: str, finding: int) -> Resampled:
        """One metric of one finding."""
        return Resampled(
            value=float(self.values[metric][finding]),
            replicates=self.replicates[metric][finding],
            left_out=self.left_out[metric][finding],
            units=self.units,
            spread=self.spreads[finding].get(metric) if self.spreads else None,
        )

    def interval(self, metric: str, finding: int, level: float = 0.95) -> Interval:
        """The interval of one finding: of the resamples, or, where all are alike, of its bound."""
        interval = self.of(metric, finding).interval(level)
        low, high = self.ends(metric, finding, level)
        return _cut(metric, replace(interval, low=low, high=high) if low < high else interval)

    def ends(self, metric: str, finding: int, level: float) -> Ends:
        """The interval of a metric that every resample has alike; nan where there is none."""
        found = self.of(metric, finding)
        if not found.without_doubt or not self.bounds or self.unit_of_images is None:
            return NOTHING
        if found.spread is not None:
            return found.spread.ends(level)
        bound = self.bounds[finding].get(metric)
        low, high = NOTHING if bound is None else bound(self.unit_of_images, level)
        return (low, high) if low < high else NOTHING

    def only(self, chosen: Bool[np.ndarray, " findings"]) -> "Bootstrap":
        """The same resamples of some of the findings."""
        return Bootstrap(
            values={name: values[chosen] for name, values in self.values.items()},
            replicates={name: rows[chosen] for name, rows in self.replicates.items()},
            left_out={name: rows[chosen] for name, rows in self.left_out.items()},
            units=self.units,
            bounds=tuple(one for one, kept in zip(self.bounds, chosen, strict=False) if kept),
            spreads=tuple(one for one, kept in zip(self.spreads, chosen, strict=False) if kept),
            unit_of_images=self.unit_of_images,
        )

    def mean_of(self, metric: str) -> Resampled:
        """The mean over the findings that are defined on the data, and in every resample.

        The findings of a resample stand on the same images, so their errors go together as they
        should. Where a resample leaves one of them undefined the mean is over the others.
        """
        defined = np.isfinite(self.values[metric])
        if defined.sum() == 1:
            return self.of(metric, int(np.flatnonzero(defined)[0]))
        values = self.values[metric][defined]
        return Resampled(
            value=float(values.mean()) if len(values) else float("nan"),
            replicates=_mean_of_known(self.replicates[metric][defined]),
            left_out=_mean_of_known(self.left_out[metric][defined]),
            units=self.units,
        )

    def mean_interval(self, metric: str, level: float = 0.95) -> Interval:
        """The interval of the mean over findings; `undefined` counts incomplete resamples.

        Findings that every resample has alike give it the width of their own intervals: squared
        distances of independent means add up (Zou and Donner, Stat Med 2008).
        """
        mean, defined = self.mean_of(metric), np.isfinite(self.values[metric])
        if defined.sum() == 1:
            return self.interval(metric, int(np.flatnonzero(defined)[0]), level)
        interval = mean.interval(level)
        incomplete = ~np.isfinite(self.replicates[metric][defined]).all(axis=0)
        interval = replace(interval, undefined=int(incomplete.sum()))
        ends = {
            finding: self.ends(metric, int(finding), level) for finding in np.flatnonzero(defined)
        }
        known = [finding for finding, (low, high) in ends.items() if low < high]
        if not known or not (mean.without_doubt or np.isfinite(interval.low)):
            return _cut(metric, interval)
        apart = np.array([np.subtract(ends[one], self.values[metric][one]) for one in known])
        added = (apart**2).sum(axis=0) / defined.sum() ** 2
        reach = np.nan_to_num(np.array([interval.low, interval.high]) - mean.value)
        below, above = np.sqrt(reach**2 + added).tolist()
        return _cut(metric, replace(interval, low=mean.value - below, high=mean.value + above))


def bootstrap(statistics: Sequence[Statistic], resamples: Resamples) -> Bootstrap:
    """Computes every metric of every finding on the data and on every resample.

    All findings see the same resamples.

    Args:
        statistics: one per finding, all with the same metrics.
        resamples: of the images that the statistics were made from.
    """
    values = _rows(statistics, ones(resamples.images))
    blocks = [_rows(statistics, counts) for counts in resamples.blocks()]
    without = [_rows(statistics, counts) for counts in resamples.without()]
    return Bootstrap(
        values={name: rows[:, 0] for name, rows in values.items()},
        replicates={name: np.concatenate([b[name] for b in blocks], axis=1) for name in values},
        left_out={name: np.concatenate([b[name] for b in without], axis=1) for name in values},
        units=resamples.units,
        bounds=tuple(bounds_of([one]) for one in statistics),
        spreads=tuple(
            {name: among(resamples.unit_of_images) for name, among in spreads_of([one]).items()}
            for one in statistics
        ),
        unit_of_images=resamples.unit_of_images,
    )


def together(*statistics: Statistic) -> Statistic:
    """One statistic with the metrics of several, of the same finding."""

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        return {name: value for one in statistics for name, value in one(counts).items()}

    return Bounded(statistic, bounds_of(statistics), spreads_of(statistics))


def mean_statistic(name: str, values: Float[np.ndarray, " images"]) -> Statistic:
    """The mean of a number that each image has, such as a contrast; nan images are left out."""
    known = np.isfinite(values)
    weights = np.stack([np.where(known, values, 0.0), known.astype(np.float64)])

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        total, number = weights @ counts.astype(np.float64)
        mean = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
        return {name: mean}

    return statistic


def share_statistic(name: str, values: Float[np.ndarray, " images"]) -> Statistic:
    """The mean of a number in [0, 1] that each image has, such as an IoU, or 1 for a hit."""
    statistic = mean_statistic(name, values)

    def bound(units: Units, level: float) -> Ends:
        value = float(statistic(ones(len(values)))[name][0])
        return share_ends(value, units_among(units, np.isfinite(values)), level)

    return Bounded(statistic, {name: bound})


def ratio_statistic(
    name: str, above: Float[np.ndarray, " images"], below: Float[np.ndarray, " images"]
) -> Statistic:
    """The sum of one number over the sum of another, such as precision: found over claimed.

    The upper one is never greater. Images where either is nan are left out; nan where the lower
    sum is 0.
    """
    known = np.isfinite(above) & np.isfinite(below)
    weights = np.stack([np.where(known, above, 0.0), np.where(known, below, 0.0)])

    def statistic(counts: Counts) -> dict[str, Float[np.ndarray, " replicates"]]:
        total, number = weights @ counts.astype(np.float64)
        ratio = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
        return {name: ratio}

    def bound(units: Units, level: float) -> Ends:
        counted = known & (below > 0)
        value = float(statistic(ones(len(above)))[name][0])
        return share_ends(value, units_among(units, counted), level)

    return Bounded(statistic, {name: bound})


def _cut(metric: str, interval: Interval) -> Interval:
    """The interval, no further than the metric reaches; one without ends has none."""
    if not np.isfinite(interval.low):
        return interval
    low, high = within_range(metric, interval.low, interval.high)
    return replace(interval, low=low, high=high)


def _mean_of_known(
    rows: Float[np.ndarray, "findings columns"],
) -> Float[np.ndarray, " columns"]:
    """The mean of the defined numbers of each column; nan where there are none."""
    known = np.isfinite(rows)
    total, counted = np.where(known, rows, 0.0).sum(axis=0), known.sum(axis=0)
    nothing = np.full(total.shape, np.nan)
    mean: Float[np.ndarray, " columns"] = np.divide(total, counted, out=nothing, where=counted > 0)
    return mean


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
