"""How often 95% intervals hold the truth, on simulated sets whose truth is known.

    python benchmarks/coverage.py --record

A set has scores of normal densities: negatives N(0, 1), positives N(shift, spread), so that the
true AUC and, at any threshold, the true sensitivity, specificity, accuracy, F1 and MCC have
formulas. Thresholds are chosen on a validation set of the same size, by greatest MCC, as an
evaluation does. `percentile` are the plain percentile intervals of the very same resamples. One row
a scenario and metric; 1,000 sets leave a deviation of 0.7 points to each share.
"""

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from carina.metrics.acceleration import NORMAL
from carina.metrics.classification import auc_of, mcc, ranking_statistic, threshold_statistic
from carina.metrics.delong import delong, delong_interval
from carina.metrics.paired import paired_difference
from carina.metrics.ranking import Ranker
from carina.metrics.statistics import (
    Interval,
    Resamples,
    bootstrap,
    together,
)
from carina.metrics.thresholds import choose_thresholds
from carina.metrics.trainings import over_trainings
from row import record


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One kind of simulated set.

    `patients` share `images_each` radiographs with one label and a shift of the score that makes
    `shared` of its variance.
    """

    name: str
    patients: int
    prevalence: float
    auc: float
    spread: float = 1.0
    images_each: int = 1
    shared: float = 0.0

    @property
    def shift(self) -> float:
        """How far positives' scores lie above negatives', for this AUC."""
        return shift_of(self.auc, self.spread)


SCENARIOS = (
    Scenario(name="usual", patients=1000, prevalence=0.1, auc=0.85),
    Scenario(name="even", patients=400, prevalence=0.4, auc=0.75),
    Scenario(name="small", patients=300, prevalence=0.2, auc=0.8),
    Scenario(name="rare", patients=600, prevalence=0.05, auc=0.85),
    Scenario(name="sharp", patients=600, prevalence=0.1, auc=0.95),
    Scenario(name="wide", patients=600, prevalence=0.1, auc=0.9, spread=2.0),
    Scenario(name="near perfect", patients=300, prevalence=0.05, auc=0.99),
    Scenario(name="few perfect", patients=120, prevalence=0.1, auc=0.98),
    Scenario(name="patients", patients=200, prevalence=0.2, auc=0.8, images_each=3, shared=0.5),
)
PAIRED = Scenario(name="two models", patients=300, prevalence=0.25, auc=0.85)
TRAINED = Scenario(name="trainings", patients=1000, prevalence=0.2, auc=0.85)
TRAININGS = (2, 3, 5)
SEED_SPREAD = 0.02  # standard deviation of the true AUC from training to training
FINDINGS = 3
GAP = 0.05  # how far the second model's AUC lies below the first's
TOGETHER = 0.5  # the share of the noise that both models see


def shift_of(auc: float, spread: float) -> float:
    """The shift of positives that gives an AUC: Phi(shift / sqrt(1 + spread^2))."""
    return NORMAL.inv_cdf(auc) * float(np.sqrt(1 + spread**2))


def draw(scenario: Scenario, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of one set, patient by patient."""
    patients, each = scenario.patients, scenario.images_each
    truth = np.repeat((generator.random(patients) < scenario.prevalence).astype(float), each)
    common = np.repeat(generator.normal(size=patients), each) * scenario.shared**0.5
    noise = common + generator.normal(size=len(truth)) * (1 - scenario.shared) ** 0.5
    return np.where(truth == 1, scenario.shift + scenario.spread * noise, noise), truth


def truths(scenario: Scenario, threshold: float) -> dict[str, float]:
    """The true metrics, of endlessly many radiographs."""
    sensitivity = NORMAL.cdf((scenario.shift - threshold) / scenario.spread)
    specificity = NORMAL.cdf(threshold)
    present, absent = scenario.prevalence, 1 - scenario.prevalence
    found, false = present * sensitivity, absent * (1 - specificity)
    missed, right = present - found, absent - false
    below = np.sqrt((found + false) * present * absent * (right + missed))
    return {
        "auc": scenario.auc,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "accuracy": found + right,
        "f1": 2 * found / (2 * found + false + missed),
        "mcc": float((found * right - false * missed) / below),
    }


Row = tuple[str, str, float, Interval]
"""Metric, kind of interval, true value, interval."""


def intervals(scenario: Scenario, seed: int, replicates: int) -> Iterator[Row]:
    """The intervals of one set."""
    generator = np.random.default_rng([seed, len(scenario.name), scenario.patients])
    other, labels = draw(scenario, generator)
    threshold = float(choose_thresholds(squashed(other)[:, None], labels[:, None], mcc).values[0])
    scores, truth = draw(scenario, generator)
    scores = squashed(scores)
    statistic = together(
        ranking_statistic(scores, truth), threshold_statistic(scores, truth, threshold)
    )
    patients = np.repeat(np.arange(scenario.patients), scenario.images_each).astype(str)
    resamples = Resamples(len(scores), replicates, seed, patients.tolist())
    found = bootstrap([statistic], resamples)
    cut = -float(np.log(1 / threshold - 1)) if 0 < threshold < 1 else float("-inf")
    for metric, true in truths(scenario, cut).items():
        yield metric, "ours", true, found.interval(metric, 0)
        plain = percentile_interval(float(found.values[metric][0]), found.replicates[metric][0])
        yield metric, "percentile", true, plain
    result = delong(scores[None], truth)
    yield "auc", "DeLong", scenario.auc, delong_interval(result)


def squashed(scores: np.ndarray) -> np.ndarray:
    """Scores in (0, 1), in the same order."""
    return 1 / (1 + np.exp(-scores))


def paired_intervals(seed: int, replicates: int) -> Iterator[Row]:
    """The mean AUC over findings, and the difference of two models, on one set."""
    generator = np.random.default_rng([seed, FINDINGS])
    models: tuple[list, list] = ([], [])
    shifts = (PAIRED.shift, shift_of(PAIRED.auc - GAP, 1.0))
    film = generator.normal(size=PAIRED.patients)
    for _ in range(FINDINGS):
        truth = (generator.random(PAIRED.patients) < PAIRED.prevalence).astype(float)
        case = generator.normal(size=PAIRED.patients)
        for model, shift in zip(models, shifts, strict=True):
            own = generator.normal(size=PAIRED.patients)
            noise = (0.3 * TOGETHER) ** 0.5 * film + (0.7 * TOGETHER) ** 0.5 * case
            noise = noise + (1 - TOGETHER) ** 0.5 * own
            ranker = Ranker(noise + shift * truth, truth)
            model.append(lambda counts, ranker=ranker: {"auc": auc_of(ranker.rank(counts))})
    resamples = Resamples(PAIRED.patients, replicates, seed)
    first, second = (bootstrap(model, resamples).mean_of("auc") for model in models)
    yield "mean auc", "ours", PAIRED.auc, first.interval()
    yield "mean auc", "percentile", PAIRED.auc, percentile_interval(first.value, first.replicates)
    told = paired_difference(first, second)
    yield "difference", "ours", GAP, Interval(value=told.value, low=told.low, high=told.high)
    plain = first.minus(second)
    yield "difference", "percentile", GAP, percentile_interval(plain.value, plain.replicates)


def percentile_interval(value: float, replicates: np.ndarray) -> Interval:
    """The middle 95% of the resamples."""
    known = replicates[np.isfinite(replicates)]
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(value=value, low=float(low), high=float(high))


def trained_intervals(trainings: int, seed: int, replicates: int) -> Iterator[Row]:
    """The mean AUC of several trainings, whose true AUCs differ, on one set."""
    generator = np.random.default_rng([seed, trainings])
    truth = (generator.random(TRAINED.patients) < TRAINED.prevalence).astype(float)
    common = generator.normal(size=TRAINED.patients)
    resamples = Resamples(TRAINED.patients, replicates, seed)
    made = []
    for _ in range(trainings):
        own = generator.normal(size=TRAINED.patients)
        noise = TOGETHER**0.5 * common + (1 - TOGETHER) ** 0.5 * own
        shift = shift_of(TRAINED.auc + SEED_SPREAD * generator.normal(), 1.0)
        ranker = Ranker(noise + shift * truth, truth)
        statistic = lambda counts, ranker=ranker: {"auc": auc_of(ranker.rank(counts))}  # noqa: E731
        made.append(bootstrap([statistic], resamples).of("auc", 0))
    yield "mean auc", "ours", TRAINED.auc, over_trainings(made)
    drawn = generator.integers(0, trainings, (trainings, replicates))
    both = np.take_along_axis(np.stack([one.replicates for one in made]), drawn, axis=0)
    value = float(np.mean([one.value for one in made]))
    yield "mean auc", "percentile", TRAINED.auc, percentile_interval(value, both.mean(axis=0))


def told(name: str, sets: list[list[Row]], options: argparse.Namespace) -> None:
    """Prints, and records, how often each kind of interval held the truth."""
    kinds = dict.fromkeys((metric, kind) for metric, kind, _, _ in sets[0])
    for metric, kind in kinds:
        rows = [row for one in sets for row in one if row[:2] == (metric, kind)]
        known = [(true, one) for _, _, true, one in rows if np.isfinite(one.low)]
        true = np.array([true for true, _ in known])
        low = np.array([one.low for _, one in known])
        high = np.array([one.high for _, one in known])
        row = {
            "scenario": name,
            "metric": metric,
            "interval": kind,
            "covers_percent": round(100 * float(((low <= true) & (true <= high)).mean()), 1),
            "truth_below_percent": round(100 * float((true < low).mean()), 1),
            "truth_above_percent": round(100 * float((true > high).mean()), 1),
            "median_width": round(float(np.median(high - low)), 4),
            "without_interval": len(rows) - len(known),
            "sets": len(rows),
            "replicates": options.replicates,
            "seed": options.seed,
        }
        print(" ".join(f"{value!s:>12}" for value in list(row.values())[:8]), flush=True)
        if options.record:
            record("coverage", row)


def main() -> None:
    """Simulates, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of scenarios; else all")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.sets)
    wanted = options.only or [*(one.name for one in SCENARIOS), PAIRED.name, TRAINED.name]
    for scenario in (one for one in SCENARIOS if one.name in wanted):
        start = time.process_time()
        sets = [list(intervals(scenario, seed, options.replicates)) for seed in seeds]
        told(scenario.name, sets, options)
        print(f"{time.process_time() - start:.0f} s of CPU time")
    if PAIRED.name in wanted:
        sets = [list(paired_intervals(seed, options.replicates)) for seed in seeds]
        told(PAIRED.name, sets, options)
    for trainings in TRAININGS if TRAINED.name in wanted else ():
        sets = [list(trained_intervals(trainings, seed, options.replicates)) for seed in seeds]
        told(f"{trainings} {TRAINED.name}", sets, options)


if __name__ == "__main__":
    main()
