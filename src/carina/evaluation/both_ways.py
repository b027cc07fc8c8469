"""The two settings of MedKLIP's paper side by side: asked by direct name, and by description.

Source: Wu et al., ICCV 2023 (medRxiv 2023.01.10.23284412), Tables 2 and 4: one model, asked about a
disease that it never saw. There the description takes the name's place; here a model is given both,
and its `encode_queries` says what it reads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table
from rich.text import Text

from carina.errors import ConfigError
from carina.evaluation.compare import ComparedEvaluations, Comparison, compare
from carina.evaluation.page import evaluation_page
from carina.evaluation.page_values import measured_of
from carina.evaluation.result import (
    COMPARISON,
    DESCRIBED,
    DIRECT,
    PAGE,
    Evaluation,
    Score,
    check_replaceable,
)
from carina.evaluation.run import EvaluationRequest, evaluate
from carina.evaluation.score_cell import ScoreCell
from carina.evaluation.table import comparison_cells, title_of
from carina.files import atomic_folder
from carina.knowledge.descriptions import Descriptions
from carina.pages.both_ways import AskedBothWays
from carina.pages.measured import Measured
from carina.pages.report_content import Headline, ReportPage
from carina.pages.table import metric_name
from carina.studies.manifest import Manifest
from carina.zeroshot.protocol import Query, ZeroShotModel

COMPARED_METRICS = {
    "zero-shot": ("auc", "average_precision"),
    "grounding": ("pointing_game", "dice"),
}
"""Task -> the metrics that page and terminal show; comparison.json has all."""

WAYS = ("description", "direct name")


@dataclass(frozen=True, kw_only=True, eq=False)
class BothWays:
    """One model on the same images, asked by direct name and by name and description.

    `compared` is the description first, so a difference above 0 is a gain by describing.
    """

    by_name: Evaluation
    described: Evaluation
    compared: ComparedEvaluations

    def save(self, folder: Path, page: str | None = None) -> None:
        """Writes the evaluation by name as `Evaluation.save` does, and beside it the other.

        `described/` holds the evaluation by description in the same form, `comparison.json` the
        differences of every metric.

        Args:
            folder: new, empty, or holding an earlier evaluation.
            page: HTML for index.html, or None for no page.

        Raises:
            EvaluationError: the folder holds something else.
            OutputError: it cannot be written.
        """
        check_replaceable(folder)
        with atomic_folder(folder) as temporary:
            self.by_name.write_into(temporary)
            (temporary / DESCRIBED).mkdir()
            self.described.write_into(temporary / DESCRIBED)
            self.compared.save(temporary / COMPARISON)
            if page is not None:
                (temporary / PAGE).write_text(page, encoding="utf-8")


def evaluate_both_ways(
    model: ZeroShotModel, manifest: Manifest, request: EvaluationRequest, model_name: str = ""
) -> BothWays:
    """Evaluates by description and by name, and compares.

    All queries of a list are asked together, as they always are: a model whose queries see one
    another gives other answers when the list is another.

    Args:
        model: anything that fulfils `ZeroShotModel`.
        manifest: what to measure on.
        request: what is asked; its descriptions, by default those that carina brings along.
        model_name: what the evaluations call the model.

    Raises:
        ConfigError: the task asks no findings by name.
        KnowledgeError: a finding has no description.
    """
    if request.task not in COMPARED_METRICS:
        raise ConfigError(
            f"The task {request.task!r} cannot be asked both ways, expected one of "
            f"{', '.join(COMPARED_METRICS)}. Leave --both-ways out."
        )
    with_text = replace(request, descriptions=request.descriptions or Descriptions.default())
    described = evaluate(model, manifest, with_text, model_name)
    names = tuple(Query(name, description=name) for name in described.positives)
    bare = replace(request, queries=names, descriptions=None)
    by_name = evaluate(model, manifest, bare, model_name)
    by_name = replace(by_name, settings={**by_name.settings, DIRECT: True})
    compared = compare(described, by_name, replicates=request.replicates, seed=request.seed)
    first, second = WAYS
    return BothWays(
        by_name=by_name,
        described=described,
        compared=replace(compared, first=first, second=second),
    )


def both_ways_rows(both: BothWays) -> Iterator[AskedBothWays]:
    """Each metric of `COMPARED_METRICS`: every finding, then the mean."""
    for metric in COMPARED_METRICS[both.by_name.task]:
        for name, scores in both.by_name.findings.items():
            other = both.described.findings[name][metric]
            row = asked_row(scores[metric], other, both.compared.findings[name][metric])
            yield replace(row, finding=name, metric=metric, positives=both.by_name.positives[name])
        means = (both.by_name.mean[metric], both.described.mean[metric])
        yield replace(asked_row(*means, both.compared.mean[metric]), metric=metric)


def asked_row(by_name: Score, described: Score, compared: Comparison) -> AskedBothWays:
    """The row of a mean; a finding's is made of it."""
    reason = "undefined in one of the two"
    return AskedBothWays(
        finding="mean",
        metric="",
        positives=None,
        by_name=measured_of(by_name),
        described=measured_of(described),
        difference=Measured(
            value=compared.difference, low=compared.low, high=compared.high, reason=reason
        ),
        p_value=Measured(value=compared.p_value, reason=reason),
        p_value_holm=None
        if compared.p_value_holm is None
        else Measured(value=compared.p_value_holm, reason=reason),
    )


def both_ways_page(both: BothWays, model: ZeroShotModel, manifest: Manifest) -> ReportPage:
    """The page of the evaluation by name, with both ways beside each other."""
    page = evaluation_page(both.by_name, model, manifest)
    rows = tuple(both_ways_rows(both))
    return replace(
        page,
        title=f"{page.title}, by direct name and by description",
        summary=f"{page.summary} It was asked once more with a description of each finding; "
        "tables, curves and cases below are by direct name, but for the section that sets both "
        "side by side.",
        headlines=(*page.headlines, gain_headline(rows)),
        both_ways=rows,
    )


def gain_headline(rows: Sequence[AskedBothWays]) -> Headline:
    """What descriptions add to the mean of the first metric."""
    mean = next(row for row in rows if row.positives is None)
    return Headline(
        label=f"Gain by describing, mean {metric_name(mean.metric)}",
        measured=mean.difference,
        note="description minus direct name on the same radiographs; 0 is no difference",
    )


def both_ways_table(both: BothWays) -> Table:
    """The first metric both ways and the difference with its interval, for the terminal."""
    metric = COMPARED_METRICS[both.by_name.task][0]
    title = f"{metric_name(metric)} by direct name and by description. {title_of(both.by_name)}"
    table = Table(
        title=Text(title), title_justify="left", box=None, pad_edge=False, collapse_padding=True
    )
    table.add_column("finding", overflow="fold")
    for heading in ("positive", "name", "description", "difference", "p", "p (Holm)"):
        table.add_column(heading, justify="right")
    for name, rows in both.compared.findings.items():
        table.add_row(Text(name), str(both.by_name.positives[name]), *cells_of(rows[metric]))
    table.add_section()
    table.add_row("mean", "", *cells_of(both.compared.mean[metric]), style="bold")
    return table


def cells_of(row: Comparison) -> list[str | ScoreCell]:
    """Name, description, difference and p values as text."""
    described, by_name, *others = comparison_cells(row)
    return [by_name, described, *others]
