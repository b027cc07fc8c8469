import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carina.metrics.classification import at_thresholds, auc
from carina.metrics.official import kad_official_interval
from carina.metrics.thresholds import choose_thresholds


@pytest.fixture(scope="module")
def inputs(parity_dir: Path) -> dict[str, np.ndarray]:
    return dict(np.load(parity_dir / "kad" / "metrics_inputs.npz"))


@pytest.fixture(scope="module")
def official(parity_dir: Path) -> dict[str, Any]:
    return json.loads((parity_dir / "kad" / "extras.json").read_text())["metrics"]


@pytest.mark.parametrize(("name", "classes"), [("kad14", 14), ("kad_chexpert5", 5)])
def test_parity_with_kad_of_auc_thresholds_and_scores(
    inputs: dict[str, np.ndarray], official: dict[str, Any], name: str, classes: int
) -> None:
    scores = inputs["prob"][:, :classes].astype(float)
    truth = inputs["gt"][:, :classes].astype(float)
    expected = {key: np.array(values) for key, values in official[name].items()}
    chosen = choose_thresholds(scores, truth)
    found = at_thresholds(scores, truth, chosen.values)
    ours = {
        "auc": auc(scores, truth),
        "mcc": chosen.best,
        "f1": found["f1"],
        "acc": found["accuracy"],
    }
    np.testing.assert_array_equal(chosen.values, expected["threshold"])
    for key, values in ours.items():
        np.testing.assert_allclose(np.append(values, values.mean()), expected[key], atol=1e-12)


def test_parity_with_kad_of_its_interval_which_is_a_90_percent_one(
    inputs: dict[str, np.ndarray], official: dict[str, Any]
) -> None:
    rows = inputs["interval_rows"].astype(float)
    found = kad_official_interval(rows)
    for key in ("low", "high", "mean"):
        np.testing.assert_allclose(getattr(found, key), official["interval"][key], atol=1e-7)
    outside = (rows < found.low[:-1]) | (rows > found.high[:-1])
    np.testing.assert_allclose(outside.mean(axis=0), 0.099, atol=0.001)
