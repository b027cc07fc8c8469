"""Intervals end where the metric ends."""

import numpy as np
import pytest

from carina.metrics.classification import ranking_statistic, threshold_statistic
from carina.metrics.ranges import within_range
from carina.metrics.statistics import Resamples, bootstrap, together


def test_a_mean_over_findings_of_a_handful_of_images_stays_within_what_it_can_be() -> None:
    generator = np.random.default_rng(0)
    for _ in range(60):
        images = int(generator.integers(4, 8))
        statistics = []
        for _ in range(3):
            truth = (generator.random(images) < 0.4).astype(float)
            scores = generator.random(images) * 0.6 + truth * 0.6
            of_threshold = threshold_statistic(scores, truth, 0.5)
            statistics.append(together(of_threshold, ranking_statistic(scores, truth)))
        found = bootstrap(statistics, Resamples(images, 50, seed=0))
        for metric, least in (("sensitivity", 0), ("f1", 0), ("auc", 0), ("mcc", -1)):
            interval = found.mean_interval(metric)
            assert not interval.low < least, metric
            assert not interval.high > 1, metric


@pytest.mark.parametrize(
    ("metric", "ends"),
    [("dice", (0, 1)), ("kappa", (-1, 1)), ("mae", (0, 3)), ("cnr", (-2, 3))],
)
def test_only_what_has_an_end_is_cut(metric: str, ends: tuple[float, float]) -> None:
    assert within_range(metric, -2.0, 3.0) == ends
