"""Phrase grounding once more, with the weights of the patches softened by other temperatures.

Source: Huang et al., Nat Commun 2024, Supplementary Table 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from carina.errors import ConfigError
from carina.evaluation.phrase_cases import LeftOut, PhraseCase, mapped_cases, measured_case
from carina.studies.manifest import Manifest
from carina.zeroshot.ground import Ground, likeness_of, smoothed
from carina.zeroshot.protocol import WeightedGrounder
from carina.zeroshot.reading import evaluating

PAPER_TEMPERATURES = (0.005, 0.01, 0.02, 0.05, 0.1, 1.0)
"""What `--sweep-weight-temperature` tries: the paper's choice 0.02, and both sides of it."""

SWEPT = ("cnr", "cnr_absolute", "miou", "pointing_game")


def check_sweep(model: object, temperatures: Sequence[float]) -> None:
    """Refuses temperatures for a model whose maps have no weights.

    Raises:
        ConfigError: the model has none.
    """
    if temperatures and not isinstance(model, WeightedGrounder):
        raise ConfigError(
            f"A {type(model).__name__} does not weigh patches, so there is no temperature to "
            "change. Leave --sweep-weight-temperature out."
        )


def sweep_of(
    model: object,
    part: Manifest,
    cases: Sequence[PhraseCase],
    temperatures: Sequence[float],
    *,
    smoothing: float,
    batch_size: int,
) -> list[dict[str, Any]]:
    """The mean of each metric over phrases, one row a temperature.

    The network runs once: its unweighted maps are multiplied by each set of weights.
    """
    if not temperatures or not isinstance(model, WeightedGrounder):
        return []
    with evaluating(model):
        weights = {one: model.patch_weights(one).float().cpu().numpy() for one in temperatures}
    found: dict[float, list[Mapping[str, float]]] = {one: [] for one in temperatures}
    unweighted = mapped_cases(
        model,
        part,
        cases,
        LeftOut(),
        smoothing=0.0,
        batch_size=batch_size,
        maps_of=unweighted_maps,
    )
    for case, mapped, phrase in unweighted:
        for temperature, weight in weights.items():
            grids = smoothed(mapped.grids[phrase : phrase + 1] * weight, smoothing)
            one = measured_case(case, replace(mapped, grids=grids), 0, LeftOut())
            if one is not None:
                found[temperature].append(one.metrics)
    return [
        {
            "weight_temperature": temperature,
            **{name: float(np.nanmean([row[name] for row in rows])) for name in SWEPT},
        }
        for temperature, rows in found.items()
    ]


def unweighted_maps(model: object, phrases: Sequence[str]) -> Ground:
    """The likeness of patches and phrases, of a model that weighs patches."""
    assert isinstance(model, WeightedGrounder)
    return likeness_of(model, phrases)
