"""The curves of a report page: ROC, calibration, right and wrong, training, likeness of names."""

from collections.abc import Sequence
from html import escape

from carina.pages.charts import (
    calibration_chart,
    precision_recall_chart,
    roc_chart,
    training_charts,
)
from carina.pages.html import chart, paragraph
from carina.pages.matrices import confusion_chart, similarity_chart
from carina.pages.report_content import ReportPage


def curve_parts(page: ReportPage) -> list[str]:
    """Small panels, one for each finding: first all ROC curves, then the other two kinds."""
    if not page.curves:
        return []
    roc = [roc_chart(one.finding, *one.roc, one.auc) for one in page.curves]
    precision_recall = [
        precision_recall_chart(
            one.finding, *one.precision_recall, one.average_precision, one.prevalence
        )
        for one in page.curves
    ]
    calibration = [
        calibration_chart(one.finding, *one.calibration)
        for one in page.curves
        if one.calibration is not None
    ]
    return [
        panels("ROC (dashed: chance)", roc),
        panels("Precision and recall (dashed: the share of positives)", precision_recall),
        panels("Calibration (dashed: scores that are true probabilities)", calibration),
    ]


def panels(heading: str, charts: Sequence[str]) -> str:
    """A grid of small charts."""
    if not charts:
        return ""
    grid = "".join(chart(svg) for svg in charts)
    return f'<h3>{escape(heading)}</h3><div class="curves">{grid}</div>'


def confusion_parts(page: ReportPage) -> list[str]:
    """Two-by-two tables."""
    if not page.confusions:
        return []
    text = (
        "Thresholds were chosen on validation data. The fuller the colour, the more of its row "
        "a cell holds."
    )
    return [paragraph(text), chart(confusion_chart(page.confusions))]


def training_parts(page: ReportPage) -> list[str]:
    """The losses of each stage."""
    return [
        "".join(
            chart(svg)
            for svg in training_charts(log.stage, log.steps, log.losses, log.learning_rate)
        )
        for log in page.training
        if len(log.steps) and log.losses
    ]


def similarity_parts(page: ReportPage) -> list[str]:
    """The similarity map."""
    if page.similarity is None:
        return []
    text = (
        "How alike the text encoder finds the names of findings (cosine of their embeddings), "
        "before and after it learnt the concept graph. Names that differ should lie apart."
    )
    similarity = page.similarity
    svg = similarity_chart(similarity.names, similarity.before, similarity.after)
    return [paragraph(text), chart(svg)]
