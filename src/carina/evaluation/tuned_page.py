"""An evaluation of a fine-tuned model as the input of the report page."""

from carina.evaluation.page import facts_of
from carina.evaluation.page_values import measured_of
from carina.evaluation.result import Evaluation
from carina.evaluation.sources import has_synthetic
from carina.evaluation.table import COLUMNS, remarks
from carina.pages.report_content import Headline, ReportPage, ScoreRow
from carina.pages.table import metric_name
from carina.studies.manifest import Manifest


def tuned_page(evaluation: Evaluation, model: object, manifest: Manifest) -> ReportPage:
    """Fills a report page: the first metrics of the task on top, then all of each output."""
    settings = evaluation.settings
    return ReportPage(
        title=f"{evaluation.task.capitalize()} by a fine-tuned model",
        summary=(
            f"A model ({evaluation.model or 'unnamed'}) was measured on {evaluation.images} "
            f"radiographs of {evaluation.studies} studies ({evaluation.split}) by what it was "
            f"fine-tuned for. Intervals are 95%, from resampling {settings['resampled']} "
            f"{settings['replicates']} times."
        ),
        synthetic=has_synthetic(settings),
        headlines=tuple(
            Headline(
                label=f"Mean {metric_name(metric)}", measured=measured_of(evaluation.mean[metric])
            )
            for metric in COLUMNS[evaluation.task][:2]
        ),
        scores=tuple(
            ScoreRow(
                finding=name,
                positives=evaluation.positives[name],
                images=evaluation.images,
                values={metric: measured_of(score) for metric, score in scores.items()},
            )
            for name, scores in evaluation.findings.items()
        ),
        facts=facts_of(evaluation),
        notes=tuple(remarks(evaluation)),
    )
