"""The page of an evaluation, whatever its task."""

from collections.abc import Callable

from carina.evaluation.page import evaluation_page
from carina.evaluation.phrase_page import phrase_grounding_page
from carina.evaluation.result import Evaluation
from carina.evaluation.retrieval_page import retrieval_page
from carina.evaluation.tuned_page import tuned_page
from carina.pages.report_content import ReportPage
from carina.studies.manifest import Manifest
from carina.zeroshot.protocol import ZeroShotModel

PAGES: dict[str, Callable[[Evaluation, ZeroShotModel, Manifest], ReportPage]] = {
    "zero-shot": evaluation_page,
    "grounding": evaluation_page,
    "phrase-grounding": phrase_grounding_page,
    "retrieval": retrieval_page,
    **dict.fromkeys(("segmentation", "detection", "grading", "severity", "multiclass"), tuned_page),
}
"""What fills the page of each task."""


def task_page(evaluation: Evaluation, model: ZeroShotModel, manifest: Manifest) -> ReportPage:
    """Fills the page of an evaluation."""
    return PAGES[evaluation.task](evaluation, model, manifest)
