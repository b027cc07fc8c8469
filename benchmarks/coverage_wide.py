"""How often 95% intervals hold the truth, of what a whole evaluation or comparison tells.

    python benchmarks/coverage_wide.py --record

Beside coverage.py, into the same table: AUCs over a grid of positives and prevalences; means over
findings; differences of two models and to the mean of readers; sub-groups; average precision;
boxes, masks, pointing and kappa. Truths are formulas, but that of boxes: the value of 20,000 films.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from carina.metrics.acceleration import NORMAL
from carina.metrics.agreement import kappa_interval
from carina.metrics.auc_interval import auc_spread
from carina.metrics.classification import (
    RATES,
    mcc,
    ranking_statistic,
    table_of,
    threshold_statistic,
)
from carina.metrics.detection import PAPERS, Detections, detection_statistic
from carina.metrics.paired import paired_difference
from carina.metrics.ranking import ones
from carina.metrics.statistics import (
    Bootstrap,
    Interval,
    Resampled,
    Resamples,
    bootstrap,
    share_statistic,
    together,
)
from carina.metrics.thresholds import choose_thresholds
from coverage import SCENARIOS, Row, Scenario, draw, percentile_interval, shift_of, squashed, told

RATE_NAMES = ("sensitivity", "specificity", "accuracy", "f1", "mcc")


def grid() -> Iterator[Scenario]:
    """Every AUC with few and many positives, rare and common, one film a patient or three."""
    for auc in (0.5, 0.7, 0.9, 0.97, 0.99):
        for positives in (10, 15, 30, 100, 1000):
            for prevalence in (0.02, 0.1, 0.5):
                if positives / prevalence <= 10_000:
                    name = f"AUC {auc}, {positives} positives, prevalence {prevalence}"
                    patients = round(positives / prevalence)
                    yield Scenario(name=name, patients=patients, prevalence=prevalence, auc=auc)
        for positives in (15, 30, 100):
            yield Scenario(
                name=f"AUC {auc}, {positives} positive patients with 3 films each, prevalence 0.2",
                patients=positives * 5,
                prevalence=0.2,
                auc=auc,
                images_each=3,
                shared=0.5,
            )


def aucs(scenario: Scenario, seed: int, replicates: int) -> Iterator[Row]:
    """The AUC's interval, which needs no resamples."""
    scores, truth = draw(scenario, np.random.default_rng([seed, scenario.patients]))
    units = np.repeat(np.arange(scenario.patients), scenario.images_each)
    spread = auc_spread(scores, truth, units)
    nan = float("nan")
    low, high = (nan, nan) if spread is None else spread.ends(0.95)
    value = nan if spread is None else spread.auc
    yield "auc", "ours", scenario.auc, Interval(value=value, low=low, high=high)


def both(metric: str, true: float, found: Resampled, told_as: Interval) -> Iterator[Row]:
    """Our interval and the plain percentiles of the same resamples."""
    yield metric, "ours", true, told_as
    if np.isfinite(found.replicates).any():
        yield metric, "percentile", true, percentile_interval(found.value, found.replicates)


def difference(metric: str, true: float, first: Resampled, second: Resampled) -> Iterator[Row]:
    """The same of a difference."""
    found = paired_difference(first, second)
    interval = Interval(value=found.value, low=found.low, high=found.high)
    yield from both(metric, true, first.minus(second), interval)


def rates(prevalence: float, sensitivity: float, specificity: float) -> dict[str, float]:
    """The rates of endlessly many films."""
    table = table_of(np.array([sensitivity]), np.array([specificity]), (prevalence, 1 - prevalence))
    return {name: float(rate(table)[0]) for name, rate in RATES.items()}


def of_threshold(scenario: Scenario, threshold: float) -> dict[str, float]:
    """The rates of a model at a threshold of its scores before `squashed`."""
    missed = NORMAL.cdf(threshold - scenario.shift)
    return rates(scenario.prevalence, 1 - missed, NORMAL.cdf(threshold))


@cache
def precision_of(prevalence: float, auc: float) -> float:
    """The average precision of endlessly many films: the mean precision at a positive's score."""
    at = NORMAL_POINTS + shift_of(auc, 1.0)
    found = prevalence * np.array([1 - NORMAL.cdf(z) for z in NORMAL_POINTS])
    false = (1 - prevalence) * np.array([1 - NORMAL.cdf(z) for z in at])
    return float((found / (found + false)).mean())


NORMAL_POINTS = np.array([NORMAL.inv_cdf((place + 0.5) / 20_000) for place in range(20_000)])


def simulated(
    findings: list[Scenario], shared: float, generator: np.random.Generator
) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Truth of each finding, and the scores of two models: films and cases are hard for both."""
    number = findings[0].patients
    film, truths, models = generator.normal(size=number), [], ([], [])
    for one in findings:
        truth = (generator.random(number) < one.prevalence).astype(float)
        case = generator.normal(size=number)
        for model in models:
            own = generator.normal(size=number)
            noise = (0.3 * shared) ** 0.5 * film + (0.7 * shared) ** 0.5 * case
            model.append(noise + (1 - shared) ** 0.5 * own)
        truths.append(truth)
    return truths, list(models)


def measured(
    findings: list[Scenario],
    noise: list[np.ndarray],
    truths: list[np.ndarray],
    cuts: list[float],
    resamples: Resamples,
) -> Bootstrap:
    """A model that has these noises, measured."""
    statistics = []
    for one, own, truth, cut in zip(findings, noise, truths, cuts, strict=True):
        scores = own + one.shift * truth
        statistics.append(
            together(ranking_statistic(scores, truth), threshold_statistic(scores, truth, cut))
        )
    return bootstrap(statistics, resamples)


def cuts_of(findings: list[Scenario], generator: np.random.Generator) -> list[float]:
    """The thresholds that other films of the same kind give."""
    cuts = []
    for one in findings:
        scores, truth = draw(one, generator)
        chosen = choose_thresholds(squashed(scores)[:, None], truth[:, None], mcc).values[0]
        cuts.append(float(np.log(chosen / (1 - chosen))) if 0 < chosen < 1 else -9.0)
    return cuts


FIVE = [
    Scenario(name="five findings", patients=800, prevalence=prevalence, auc=auc)
    for prevalence, auc in ((0.04, 0.9), (0.1, 0.75), (0.15, 0.85), (0.25, 0.8), (0.08, 0.93))
]


NEAR_PERFECT = 3 * [Scenario(name="near perfect", patients=300, prevalence=0.05, auc=0.99)]


def means(findings: list[Scenario], seed: int, replicates: int) -> Iterator[Row]:
    """Means over findings, and what a second model of AUCs 0.04 lower has less."""
    patients = findings[0].patients
    generator = np.random.default_rng([seed, len(findings)])
    worse = [replace(one, auc=one.auc - 0.04) for one in findings]
    truths, noise = simulated(findings, 0.6, generator)
    resamples, made, true = Resamples(patients, replicates, seed), [], []
    for asked, own in zip((findings, worse), noise, strict=True):
        cuts = cuts_of(asked, generator)
        made.append(measured(asked, own, truths, cuts, resamples))
        known = [of_threshold(one, cut) for one, cut in zip(asked, cuts, strict=True)]
        precisions = [precision_of(one.prevalence, one.auc) for one in asked]
        true.append(
            {
                "auc": float(np.mean([one.auc for one in asked])),
                "average_precision": float(np.mean(precisions)),
                **{name: float(np.mean([one[name] for one in known])) for name in RATE_NAMES},
            }
        )
    first, second = made
    for name, value in true[0].items():
        yield from both(f"mean {name}", value, first.mean_of(name), first.mean_interval(name))
    for name in ("auc", "mcc", "f1"):
        apart = true[0][name] - true[1][name]
        pair = first.mean_of(name), second.mean_of(name)
        yield from difference(f"difference of mean {name}", apart, *pair)


PAIRS = {
    "two models of one finding, 75 of 300 positive": (300, 0.25, 0.85, 0.8, 0.5),
    "two models of one finding, 15 of 300 positive": (300, 0.05, 0.99, 0.97, 0.5),
    "two like models of one finding, 100 of 1000 positive": (1000, 0.1, 0.85, 0.85, 0.95),
}


def pair(name: str, seed: int, replicates: int) -> Iterator[Row]:
    """The difference of two models on one finding."""
    patients, prevalence, *reached, shared = PAIRS[name]
    generator = np.random.default_rng([seed, patients, len(name)])
    truths, noise = simulated(
        [Scenario(name=name, patients=patients, prevalence=prevalence, auc=0.5)], shared, generator
    )
    resamples, made, known = Resamples(patients, replicates, seed), [], []
    for auc, own in zip(reached, noise, strict=True):
        one = Scenario(name=name, patients=patients, prevalence=prevalence, auc=auc)
        cuts = cuts_of([one], generator)
        made.append(measured([one], own, truths, cuts, resamples))
        known.append({"auc": auc, **of_threshold(one, cuts[0])})
        known[-1]["average_precision"] = precision_of(prevalence, auc)
    first, second = made
    yield from both(
        "average_precision",
        known[0]["average_precision"],
        first.of("average_precision", 0),
        first.interval("average_precision", 0),
    )
    for metric in ("auc", "mcc", "f1", "sensitivity", "average_precision"):
        true = known[0][metric] - known[1][metric]
        yield from difference(
            f"difference {metric}", true, first.of(metric, 0), second.of(metric, 0)
        )


def readers(seed: int, replicates: int) -> Iterator[Row]:
    """A model against the mean of three readers on 500 studies: MCC and F1."""
    generator = np.random.default_rng([seed, 500])
    truth = (generator.random(500) < 0.12).astype(float)
    case, made, known = generator.normal(size=500), [], []
    resamples = Resamples(500, replicates, seed)
    for auc, cut in ((0.9, 1.0), (0.85, 0.7), (0.88, 1.2), (0.9, 1.1)):
        one = Scenario(name="reader", patients=500, prevalence=0.12, auc=auc)
        noise = 0.5**0.5 * case + 0.5**0.5 * generator.normal(size=500)
        said = (noise + one.shift * truth >= cut).astype(float)
        made.append(bootstrap([threshold_statistic(said, truth, 0.5)], resamples))
        known.append(of_threshold(one, cut))
    for name in ("mcc", "f1"):
        three = [one.of(name, 0) for one in made[1:]]
        mean = Resampled(
            value=float(np.mean([one.value for one in three])),
            replicates=np.mean([one.replicates for one in three], axis=0),
            left_out=np.mean([one.left_out for one in three], axis=0),
            units=500,
        )
        true = float(np.mean([one[name] for one in known[1:]]))
        yield from both(f"mean {name} of readers", true, mean, mean.interval())
        yield from difference(
            f"{name} less mean of readers", known[0][name] - true, made[0].of(name, 0), mean
        )


def subgroups(seed: int, replicates: int) -> Iterator[Row]:
    """A third of 600 patients, of two films each, against the rest: AUC and sensitivity."""
    one = Scenario(name="", patients=600, prevalence=0.15, auc=0.85, images_each=2, shared=0.5)
    generator = np.random.default_rng([seed, 600])
    scores, truth = draw(one, generator)
    inside = np.repeat(np.arange(600) % 3 == 0, 2)
    resamples = Resamples(1200, replicates, seed, np.repeat(np.arange(600), 2).astype(str).tolist())
    group, rest = (
        bootstrap(
            [together(ranking_statistic(scores, part), threshold_statistic(scores, part, 0.8))],
            resamples,
        )
        for part in (np.where(inside, truth, np.nan), np.where(inside, np.nan, truth))
    )
    known = {"auc": 0.85, **of_threshold(one, 0.8)}
    for name in ("auc", "sensitivity", "specificity"):
        yield from both(name, known[name], group.of(name, 0), group.interval(name, 0))
        yield from difference(f"{name} less rest", 0.0, group.of(name, 0), rest.of(name, 0))


def boxes(number: int, generator: np.random.Generator) -> list[Detections]:
    """Films of which 40% have one or two boxes; found ones lie aside by a quarter or so."""
    films = []
    for _ in range(number):
        true = int(generator.random() < 0.4) * int(generator.integers(1, 3))
        corner = generator.uniform(0, 60, (true, 2)) + np.arange(true)[:, None] * 200
        truth = np.concatenate([corner, corner + 40], axis=1)
        found = truth[generator.random(true) < 0.8]
        found = found + generator.normal(0, 5, found.shape)
        wrong = generator.uniform(500, 600, (int(generator.random() < 0.3), 2))
        false = np.concatenate([wrong, wrong + 40], axis=1)
        scores = np.concatenate(
            [generator.normal(1, 1, len(found)), generator.normal(0, 1, len(false))]
        )
        films.append(Detections(boxes=np.concatenate([found, false]), scores=scores, truth=truth))
    return films


@cache
def precision_of_boxes() -> float:
    """The mean average precision of 20,000 films."""
    many = boxes(20_000, np.random.default_rng(0))
    return float(detection_statistic(many, {"map": PAPERS})(ones(len(many)))["map"][0])


def regions(seed: int, replicates: int) -> Iterator[Row]:
    """Mean average precision of 200 films; Dice and pointing of 80 cases of 40 patients."""
    generator = np.random.default_rng([seed, 200])
    films = detection_statistic(boxes(200, generator), {"map": PAPERS})
    found = bootstrap([films], Resamples(200, replicates, seed))
    yield from both("map", precision_of_boxes(), found.of("map", 0), found.interval("map", 0))
    hard = np.repeat(generator.beta(2, 2, 40), 2)  # each patient's own share of hits
    dice = np.where(generator.random(80) < 0.3, 0.0, generator.beta(4 * hard + 1e-3, 2.0))
    hits = (generator.random(80) < hard).astype(float)
    resamples = Resamples(80, replicates, seed, np.repeat(np.arange(40), 2).astype(str).tolist())
    cases = together(share_statistic("dice", dice), share_statistic("pointing_game", hits))
    found = bootstrap([cases], resamples)
    for name, true in (("dice", dice_of_cases()), ("pointing_game", 0.5)):
        yield from both(name, true, found.of(name, 0), found.interval(name, 0))


@cache
def dice_of_cases() -> float:
    """0.7 times the mean of 4 h / (4 h + 2) over h of Beta(2, 2), on a fine grid."""
    share = (np.arange(200_000) + 0.5) / 200_000
    density = 6 * share * (1 - share)
    means = (4 * share + 1e-3) / (4 * share + 1e-3 + 2)
    return 0.7 * float((density * means).mean())


def kappas(seed: int, replicates: int) -> Iterator[Row]:
    """Two raters who agree on 60% of 150 cases, and else guess with the same frequencies."""
    generator = np.random.default_rng([seed, 150])
    shares = np.array([0.7, 0.2, 0.1])
    for cases, agreed in ((150, 0.6), (60, 0.95)):
        cells = agreed * np.diag(shares) + (1 - agreed) * np.outer(shares, shares)
        table = generator.multinomial(cases, cells.ravel()).reshape(3, 3)
        low, high = kappa_interval(table, replicates, seed)
        interval = Interval(value=float("nan"), low=low, high=high)
        yield f"kappa of {cases} cases", "ours", agreed, interval


Sets = Callable[[int, int], Iterator[Row]]
PARTS: dict[str, dict[str, Sets]] = {
    "aucs": {one.name: partial(aucs, one) for one in (*SCENARIOS, *grid())},
    "means": {
        "five findings of 800 films": partial(means, FIVE),
        "three near perfect findings of 300 films": partial(means, NEAR_PERFECT),
    },
    "pairs": {name: partial(pair, name) for name in PAIRS},
    "readers": {"a model and three readers": readers},
    "subgroups": {"a third of 600 patients": subgroups},
    "regions": {"boxes, masks and points": regions},
    "kappa": {"two raters": kappas},
}


def main() -> None:
    """Simulates, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    for part in options.only:
        for name, sets in PARTS[part].items():
            start = time.process_time()
            seeds = range(options.seed, options.seed + options.sets)
            told(name, [list(sets(seed, options.replicates)) for seed in seeds], options)
            print(f"{time.process_time() - start:.0f} s of CPU time: {name}", flush=True)


if __name__ == "__main__":
    main()
