"""An evaluation of retrieval as the input of the report page."""

from carina.evaluation.page import facts_of
from carina.evaluation.page_values import measured_of
from carina.evaluation.result import Evaluation
from carina.evaluation.retrieval import CHANCES, RANKS, RECALLS
from carina.evaluation.sources import has_synthetic
from carina.evaluation.table import remarks
from carina.pages.report_content import Headline, ReportPage, ScoreRow
from carina.studies.manifest import Manifest


def retrieval_page(evaluation: Evaluation, model: object, manifest: Manifest) -> ReportPage:
    """Fills a report page: recalls of both directions beside what chance gives."""
    pairs = [name for both in zip(RECALLS, CHANCES, strict=True) for name in both]
    settings = evaluation.settings
    return ReportPage(
        title="Image-report retrieval",
        summary=(
            f"A model ({evaluation.model or 'unnamed'}) ranked {settings['candidate_reports']} "
            f"different reports for each of {evaluation.images} radiographs, and the radiographs "
            f"for each report ({evaluation.split}). Recall at k is how often a right one is among "
            "the first k. Intervals are 95%, from resampling "
            f"{settings['resampled']} {settings['replicates']} times."
        ),
        synthetic=has_synthetic(settings),
        headlines=tuple(
            Headline(
                label=f"{direction.capitalize()}, recall at {RANKS[1]}",
                measured=measured_of(scores[RECALLS[1]]),
                note=f"by chance {scores[CHANCES[1]].value:.3f}",
            )
            for direction, scores in evaluation.findings.items()
        ),
        row="direction",
        scores=tuple(
            ScoreRow(
                finding=direction,
                positives=evaluation.positives[direction],
                images=evaluation.images,
                values={name: measured_of(scores[name]) for name in pairs},
            )
            for direction, scores in evaluation.findings.items()
        ),
        facts=facts_of(evaluation),
        notes=tuple(remarks(evaluation)),
    )
