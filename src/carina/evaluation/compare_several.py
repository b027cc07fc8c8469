"""Every pair of several evaluations compared, with p values adjusted for all of them together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from carina.errors import EvaluationError
from carina.evaluation.compare import ComparedEvaluations, Comparison, compare
from carina.evaluation.result import Evaluation
from carina.files import progress, write_text
from carina.metrics.paired import holm

MEAN = "mean"
LEAST_REPLICATES, REPLICATES_A_TEST = 1000, 50


@dataclass(frozen=True, kw_only=True)
class ComparedModels:
    """Several models on the same images, pair by pair.

    `names` are those of the models, each once, and `pairs` are in their order: first and second,
    first and third, ... `positives` counts the radiographs with each finding. `adjusted` says over
    what p values are adjusted.
    """

    names: tuple[str, ...]
    pairs: tuple[ComparedEvaluations, ...]
    positives: Mapping[str, int]
    adjusted: str

    def to_json(self) -> dict[str, Any]:
        """As plain values: of two models the one comparison, of more the list of pairs."""
        if len(self.pairs) == 1:
            return asdict(self.pairs[0])
        return {
            "models": list(self.names),
            "adjusted": self.adjusted,
            "pairs": [asdict(pair) for pair in self.pairs],
        }

    def save(self, path: Path) -> None:
        """Writes the comparisons as JSON, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        write_text(path, json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n")


def compare_several(
    evaluations: Sequence[Evaluation], *, replicates: int | None = None, seed: int = 0
) -> ComparedModels:
    """Compares every pair of evaluations of the same images.

    P values of a metric are adjusted over the findings of all pairs (Holm), those of the mean over
    the pairs.

    Args:
        evaluations: two or more, of the same images with the same truth.
        replicates: bootstrap resamples, the same for all pairs; by default as many as the
            adjustment needs.
        seed: of the bootstrap.

    Raises:
        EvaluationError: there is one alone, or two of them cannot be compared.
    """
    if len(evaluations) < 2:
        raise EvaluationError(
            f"{len(evaluations)} evaluation given; expected two or more. Name another one of the "
            "same images."
        )
    names = short_names([one.model for one in evaluations])
    couples = list(combinations(range(len(evaluations)), 2))
    if replicates is None:
        replicates = enough_replicates(len(couples) * max(len(e.positives) for e in evaluations))
    pairs = [
        replace(
            compare(evaluations[i], evaluations[j], replicates=replicates, seed=seed),
            first=names[i],
            second=names[j],
        )
        for i, j in progress(couples, "Comparing", len(couples))
    ]
    adjusted = "Holm, over the findings, for each metric"
    if len(pairs) > 1:
        pairs = adjusted_together(pairs)
        adjusted = f"Holm, over the findings of all {len(pairs)} pairs, for each metric"
    settings = {"models": [one.model for one in evaluations], "adjusted": adjusted}
    return ComparedModels(
        names=tuple(names),
        pairs=tuple(replace(one, settings={**one.settings, **settings}) for one in pairs),
        positives={k: n for one in reversed(evaluations) for k, n in one.positives.items()},
        adjusted=adjusted,
    )


def enough_replicates(tests: int) -> int:
    """So many resamples that a difference can stay below 0.05 after adjustment.

    The least p of B resamples is 2 / (B + 1), and Holm multiplies the least of all by their
    number: of 1,000 resamples and 33 findings nothing would be below 0.066.
    """
    return max(LEAST_REPLICATES, REPLICATES_A_TEST * tests)


def adjusted_together(pairs: Sequence[ComparedEvaluations]) -> list[ComparedEvaluations]:
    """The same with every p value adjusted over all pairs."""
    rows = [{**pair.findings, MEAN: pair.mean} for pair in pairs]
    places = [
        (i, name, metric)
        for i, findings in enumerate(rows)
        for name, metrics in findings.items()
        for metric in metrics
    ]
    families: dict[tuple[bool, str], list[tuple[int, str, str]]] = {}
    for place in places:
        families.setdefault((place[1] == MEAN, place[2]), []).append(place)
    found: dict[tuple[int, str, str], Comparison] = {}
    for family in families.values():
        known = [rows[i][name][metric] for i, name, metric in family]
        p_values = [np.nan if one.p_value is None else one.p_value for one in known]
        for place, one, p in zip(family, known, holm(np.array(p_values)).tolist(), strict=True):
            found[place] = replace(one, p_value_holm=p if np.isfinite(p) else None)
    return [
        replace(
            pair,
            findings={
                name: {metric: found[i, name, metric] for metric in metrics}
                for name, metrics in pair.findings.items()
            },
            mean={metric: found[i, MEAN, metric] for metric in pair.mean},
        )
        for i, pair in enumerate(pairs)
    ]


def short_names(models: Sequence[str]) -> list[str]:
    """Names of models to be shown: the folder, with as much before it as tells them apart.

    Equal ones are numbered, since one model may have been evaluated in two ways.
    """
    parts = [folders_of(model) for model in models]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    names = ["/".join(part[-1:]) for part in parts]
    return [
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


def folders_of(model: str) -> tuple[str, ...]:
    """The parts of a model's path, less `model`, which every run's is called."""
    parts = PurePosixPath(model).parts
    inner = parts[:-1] if len(parts) > 1 and parts[-1] == "model" else parts
    return tuple(part for part in inner if part != "/") or ("model",)
