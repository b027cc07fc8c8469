"""Comparisons of models as the rows and the page that show them."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import numpy as np

from carina.evaluation.compare import DELONG, SHOWN, ComparedEvaluations, Comparison
from carina.evaluation.compare_several import ComparedModels, enough_replicates
from carina.evaluation.deviations import FEW, shortened
from carina.evaluation.result import Evaluation
from carina.evaluation.sources import has_synthetic
from carina.pages.comparison_page import CERTAIN, ComparisonPage, MetricTable, PairSection
from carina.pages.measured import Measured
from carina.pages.table import TableRow, metric_name

MAIN = {"zero-shot": "auc", "grounding": "pointing_game"}
"""Task -> the metric that the picture shows."""

ADJUSTED = "p (adjusted)"

CONSTANT = frozenset({"chance", "position_baseline"})
"""Metrics that are of the radiographs, not of the model."""


def comparison_page(compared: ComparedModels, evaluations: Sequence[Evaluation]) -> ComparisonPage:
    """Fills the page.

    Args:
        compared: what was found.
        evaluations: that were compared.
    """
    pair, first = compared.pairs[0], evaluations[0]
    patients = first.predictions["patient"].n_unique()
    return ComparisonPage(
        title=f"Comparison of {' and '.join(compared.names)}",
        summary=(
            f"{len(compared.names)} models on the same {pair.images:,} radiographs of "
            f"{patients:,} patients ({first.split}), {first.task}. Differences have 95% intervals, "
            f"from {pair.settings['replicates']:,} resamples of {pair.settings['resampled']}."
            f"{too_few(compared, int(pair.settings['replicates']))}"
        ),
        synthetic=any(has_synthetic(one.settings) for one in evaluations),
        adjusted=compared.adjusted,
        pairs=tuple(pair_section(one, compared.positives) for one in compared.pairs),
        facts={
            "carina": version("carina"),
            **{
                f"model {name}": one.model
                for name, one in zip(compared.names, evaluations, strict=True)
            },
            "data": first.data,
            "test": str(pair.settings["test"]),
            "adjusted": compared.adjusted,
            "seed": str(pair.settings["seed"]),
        },
    )


def too_few(compared: ComparedModels, replicates: int) -> str:
    """A sentence where so few resamples cannot show a p value below 0.05 after adjustment."""
    tests = sum(len(pair.findings) for pair in compared.pairs)
    least = min(1.0, 2 / (replicates + 1) * tests)
    if least < CERTAIN:
        return ""
    return (
        f" So few resamples show no p (adjusted) below {least:.2f}, but for AUC: with "
        f"{enough_replicates(tests):,} they would."
    )


def pair_section(compared: ComparedEvaluations, positives: Mapping[str, int]) -> PairSection:
    """One pair."""
    main = MAIN[compared.task]
    others = [
        metric
        for metric in SHOWN
        if metric in compared.mean and metric != main and metric not in CONSTANT
    ]
    return PairSection(
        first=compared.first,
        second=compared.second,
        main=metric_table(compared, main, positives),
        others=tuple(metric_table(compared, metric, positives) for metric in others),
        notes=tuple(notes_of(compared, positives)),
    )


def metric_table(
    compared: ComparedEvaluations, metric: str, positives: Mapping[str, int]
) -> MetricTable:
    """One metric of every finding, and of the mean."""
    names = (compared.first, compared.second)
    return MetricTable(
        metric=metric,
        rows=tuple(
            TableRow(
                name=name,
                counts=(positives[name],),
                values=compared_values(
                    found[metric], names, found.get(DELONG) if metric == "auc" else None
                ),
            )
            for name, found in compared.findings.items()
        ),
        mean=without_adjustment(compared_values(compared.mean[metric], names)),
    )


def without_adjustment(mean: Mapping[str, Measured]) -> dict[str, Measured]:
    """The values of a mean; of two models it is one test, of which nothing is adjusted."""
    return {name: one for name, one in mean.items() if name != ADJUSTED or one.defined}


def notes_of(compared: ComparedEvaluations, positives: Mapping[str, int]) -> list[str]:
    """What was not compared, and what rests on few radiographs."""
    main, notes = MAIN[compared.task], []
    if compared.only_in_one:
        notes.append(f"Not compared, asked of one model only: {', '.join(compared.only_in_one)}.")
    bare = [name for name, found in compared.findings.items() if found[main].difference is None]
    few = [name for name in compared.findings if name not in bare and positives[name] < FEW]
    if bare:
        notes.append(
            f"{metric_name(main)} is undefined, so not part of the mean: {shortened(bare)}."
        )
    if few:
        notes.append(f"Fewer than {FEW} positive, so intervals are too narrow: {shortened(few)}.")
    return notes


def compared_values(
    row: Comparison, names: tuple[str, str], delong: Comparison | None = None
) -> dict[str, Measured]:
    """Both values by the models' names, the difference and its p values."""
    values = {
        names[0]: number_of(row.first),
        names[1]: number_of(row.second),
        "difference": Measured(
            value=row.difference, low=row.low, high=row.high, reason="undefined"
        ),
        "p": number_of(row.p_value),
        ADJUSTED: number_of(row.p_value_holm),
    }
    if delong is not None:
        values["p (DeLong)"] = number_of(delong.p_value)
        values["p (DeLong, adjusted)"] = number_of(delong.p_value_holm)
    return values


def number_of(value: float | None) -> Measured:
    """A bare number."""
    known = value is not None and bool(np.isfinite(value))
    return Measured(value=value if known else None)
