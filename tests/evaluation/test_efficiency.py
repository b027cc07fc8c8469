from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bright_cohort import BrightnessModel
from sklearn.metrics import roc_auc_score

from carina.errors import EvaluationError
from carina.evaluation.efficiency import (
    RANKING,
    Measurement,
    efficiency_rows,
    over_seeds,
    write_efficiency,
)
from carina.evaluation.efficiency_page import efficiency_table, render_efficiency
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.metrics.statistics import Resampled
from carina.studies.manifest import Manifest


@pytest.fixture(scope="module")
def measurements(cohort: Manifest) -> list[Measurement]:
    made = []
    for start, noises in (("good", (0.5, 1.0)), ("poor", (20.0, 40.0))):
        for fraction in (0.1, 1.0):
            for seed, noise in enumerate(noises):
                evaluation = evaluate_zero_shot(
                    BrightnessModel(noise=noise / fraction**0.5),
                    cohort,
                    settings=ZeroShotSettings(replicates=10),
                )
                made.append(
                    Measurement(
                        start=start,
                        fraction=fraction,
                        seed=seed,
                        patients=10,
                        images=12,
                        evaluation=evaluation,
                    )
                )
    return made


def auc_by_hand(one: Measurement) -> float:
    frame = one.evaluation.predictions.drop_nulls("truth")
    values = []
    for (_,), rows in frame.group_by("query"):
        if rows["truth"].n_unique() == 2:
            values.append(roc_auc_score(rows["truth"].to_numpy(), rows["score"].to_numpy()))
    return float(np.mean(values))


def test_a_row_is_the_mean_over_findings_and_seeds(measurements: list[Measurement]) -> None:
    rows = efficiency_rows(measurements, RANKING, replicates=200)
    assert [(r.start, r.fraction, r.seeds) for r in rows] == [
        ("good", 0.1, 2),
        ("good", 1.0, 2),
        ("poor", 0.1, 2),
        ("poor", 1.0, 2),
    ]
    for place, row in enumerate(rows):
        by_hand = np.mean([auc_by_hand(one) for one in measurements[2 * place : 2 * place + 2]])
        score = row.mean["auc"]
        assert score.value == pytest.approx(by_hand)
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.value <= score.high


def test_seeds_that_disagree_widen_the_interval() -> None:
    patients = np.random.default_rng(0).normal(0, 0.01, 2000)
    influence = np.random.default_rng(1).normal(0, 0.001, 100)

    def trained(value: float) -> Resampled:
        return Resampled(
            value=value, replicates=value + patients, left_out=value + influence, units=100
        )

    agreeing = over_seeds("auc", [trained(0.8), trained(0.8)])
    differing = over_seeds("auc", [trained(0.79), trained(0.81)])
    assert differing.value == agreeing.value == pytest.approx(0.8)
    assert agreeing.low == pytest.approx(0.78, abs=0.002)
    assert differing.low is not None
    assert differing.low < 0.77
    far = over_seeds("auc", [trained(0.5), trained(0.9)])
    assert (far.low, far.high) == (0.0, 1.0)  # an AUC can be no more and no less
    assert over_seeds("mae", [trained(0.5), trained(0.9)]).high > 1


def test_models_measured_on_different_images_are_not_averaged(
    measurements: list[Measurement],
) -> None:
    first, second = measurements[:2]
    cut = replace(
        second.evaluation,
        predictions=second.evaluation.predictions.filter(
            pl.col("image") != second.evaluation.predictions["image"][0]
        ),
    )
    with pytest.raises(EvaluationError, match="measured on different images"):
        efficiency_rows([first, replace(second, evaluation=cut)], RANKING)


def test_everything_is_written_and_shown(
    measurements: list[Measurement], cohort: Manifest, tmp_path: Path
) -> None:
    rows = efficiency_rows(measurements, RANKING, replicates=50)
    write_efficiency(rows, tmp_path / "efficiency.csv")
    frame = pl.read_csv(tmp_path / "efficiency.csv")
    mean = frame.filter((pl.col("finding") == "mean") & (pl.col("metric") == "auc"))
    assert mean["value"].to_list() == pytest.approx([row.mean["auc"].value for row in rows])
    assert efficiency_table(rows).row_count == 4
    page = render_efficiency(rows, "linear-probe", cohort)
    assert page.count("<circle") == 4
    assert "good, 10% of the labels" in page
    assert "Synthetic data" not in page


def test_a_page_of_drawn_radiographs_says_so_first(
    measurements: list[Measurement], cohort: Manifest
) -> None:
    drawn = cohort.with_studies([replace(one, licence="synthetic") for one in cohort.studies])
    page = render_efficiency(efficiency_rows(measurements, RANKING, replicates=5), "grading", drawn)
    assert page.index("Synthetic data") < page.index("<circle")
