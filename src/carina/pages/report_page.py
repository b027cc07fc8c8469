"""The report page of an evaluation: plain data in, one self-contained index.html out.

Whoever measures fills a `ReportPage`; whatever is empty is left off the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from carina.files import write_text
from carina.pages.both_ways import AskedBothWays, both_ways_parts
from carina.pages.charts import (
    Bar,
    calibration_chart,
    interval_chart,
    precision_recall_chart,
    roc_chart,
    training_charts,
)
from carina.pages.grounding import PointingBars, pointing_chart
from carina.pages.html import (
    RESEARCH_NOTE,
    SYNTHETIC_BUT_ONE_NOTE,
    SYNTHETIC_NOTE,
    chart,
    contents,
    document,
    heat_key,
    paragraph,
    section,
)
from carina.pages.matrices import Confusion, confusion_chart, similarity_chart
from carina.pages.measured import Measured, Number, Values, decimal
from carina.pages.overlay import BoxCorners, jpeg_data_uri, overlay
from carina.pages.table import TableRow, score_table

CASE_SIDE = 480  # pixels of a case's longer side: some 30 kB each


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One of the few numbers at the top of the page.

    `label` names it ("Mean AUC, 22 findings"); `note` says what it means in a short sentence;
    `digits` are shown after the point.
    """

    label: str
    measured: Measured
    note: str = ""
    digits: int = 3


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One finding of the score table.

    `values` goes from the metric's name as evaluation.json has it ("auc") to its value; the
    columns are those of the first row, in its order.
    """

    finding: str
    positives: int
    images: int
    values: Mapping[str, Measured]


@dataclass(frozen=True, kw_only=True)
class GroundingRow:
    """Where heat-maps point, for one finding, beside two answers that need no model.

    `chance` is the pointing game of a random pixel (the mean share of the image that the truth
    covers); `position` that of the peak of the other cases' masks. `best_on_test` is shown apart
    from `values`: it flatters.
    """

    finding: str
    cases: int
    values: Mapping[str, Measured]
    chance: Measured
    position: Measured
    best_on_test: Mapping[str, Measured] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FindingCurves:
    """The curves of one finding. Each is a pair of sequences of one length, x then y, in [0, 1].

    `roc`: false and true positive rate; `precision_recall`: recall and precision;
    `calibration`: mean score and share of positives of each occupied bin.
    """

    finding: str
    auc: Measured
    average_precision: Measured
    prevalence: Number
    roc: tuple[Values, Values]
    precision_recall: tuple[Values, Values]
    calibration: tuple[Values, Values] | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One radiograph and what was said of one finding on it.

    `image` is grey in [0, 1]; `heatmap` (values >= 0, any scale) and `mask` lie on its pixels.
    `boxes` are (x1, y1, x2, y2) in pixels of `image`. `peak` is the (row, column) to mark with a
    cross. `truth` is None where it is not known.
    `caption` may add a sentence, such as what the reader wrote; `said` stands in place of score
    and truth.
    """

    image: Float[np.ndarray, "height width"]
    finding: str
    score: Number
    truth: bool | None
    heatmap: Float[np.ndarray, "height width"] | None = None
    mask: Bool[np.ndarray, "height width"] | None = None
    boxes: tuple[BoxCorners, ...] = ()
    peak: tuple[int, int] | None = None
    caption: str = ""
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class CaseGroup:
    """Cases that are alike in one respect, under a heading and a sentence that says which."""

    heading: str
    text: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingLog:
    """What one stage of training logged: `steps` and, of the same length, each series.

    `losses` go by term; a value that was not logged at a step is nan.
    """

    stage: str
    steps: Values
    losses: Mapping[str, Values]
    learning_rate: Values = ()


@dataclass(frozen=True, kw_only=True)
class SimilarityMap:
    """Cosine similarities of finding names, before and after a stage."""

    names: tuple[str, ...]
    before: Float[np.ndarray, "names names"]
    after: Float[np.ndarray, "names names"]


@dataclass(frozen=True, kw_only=True)
class RunFact:
    """A line of "how this was made": recipe, version, data digest, seed, hardware, wall time."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class AskedFinding:
    """What a model said of one finding on a radiograph whose truth is not known.

    `heatmap` (values >= 0, any scale) lies on the radiograph's pixels; `caption` may add what
    the score means.
    """

    finding: str
    score: Number
    heatmap: Float[np.ndarray, "height width"] | None = None
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class AskedRadiograph:
    """A real radiograph that the model was asked about, in a section of its own.

    `text` says where it is from and what to think of the answers, or why there is no `image`
    (grey in [0, 1]).
    """

    text: str
    image: Float[np.ndarray, "height width"] | None = None
    findings: tuple[AskedFinding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """Everything that a report page shows, from top to bottom.

    `summary` is one paragraph: what was done, with what, on whom. `synthetic` marks the page as
    made from drawn radiographs. `unseen` are findings that never occurred in training; where there
    are any, `scores` are those that did. `both_ways` are findings asked by name and by
    description. `best` and `worst` are cases with heat-maps and outlines;
    `asked` is a real radiograph of which the truth is not known.
    """

    title: str
    summary: str
    synthetic: bool
    headlines: tuple[Headline, ...] = ()
    scores: tuple[ScoreRow, ...] = ()
    mean: Mapping[str, Measured] = field(default_factory=dict)
    unseen: tuple[ScoreRow, ...] = ()
    both_ways: tuple[AskedBothWays, ...] = ()
    curves: tuple[FindingCurves, ...] = ()
    best: tuple[Case, ...] = ()
    worst: tuple[Case, ...] = ()
    asked: AskedRadiograph | None = None
    grounding: tuple[GroundingRow, ...] = ()
    pointed: tuple[CaseGroup, ...] = ()
    training: tuple[TrainingLog, ...] = ()
    similarity: SimilarityMap | None = None
    confusions: tuple[Confusion, ...] = ()
    facts: tuple[RunFact, ...] = ()
    notes: tuple[str, ...] = ()


def write_report_page(page: ReportPage, path: Path) -> None:
    """Writes the page as one self-contained HTML file, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text(path, render_report_page(page))


def render_report_page(page: ReportPage) -> str:
    """Builds the HTML of the page."""
    sections = [
        section("scores", score_heading(page), *score_parts(page)),
        section("unseen", "Findings that never occurred in training", *unseen_parts(page)),
        section("ways", "By direct name and by description", *both_ways_parts(page.both_ways)),
        section("cases", "Cases", *case_parts(page)),
        section("asked", "A real radiograph", *asked_parts(page)),
        section("grounding", "Do heat-maps point at the finding?", *grounding_parts(page)),
        section("curves", "Curves", *curve_parts(page)),
        section("confusion", "Right and wrong at the threshold", *confusion_parts(page)),
        section("training", "Training", *training_parts(page)),
        section("similarity", "What the text encoder learnt", *similarity_parts(page)),
        section("made", "How this was made", facts_table(page.facts), *notes(page.notes)),
    ]
    opening = [
        f'<p class="note small">{RESEARCH_NOTE}</p>',
        synthetic_note(page),
        paragraph(page.summary),
        headline_cards(page.headlines),
    ]
    return document(page.title, "\n".join([*opening, contents(sections), *sections]))


def synthetic_note(page: ReportPage) -> str:
    """Says that the radiographs were drawn, and which one was not."""
    if not page.synthetic:
        return ""
    real = page.asked is not None and page.asked.image is not None
    return f'<p class="note synthetic">{SYNTHETIC_BUT_ONE_NOTE if real else SYNTHETIC_NOTE}</p>'


def headline_cards(headlines: Sequence[Headline]) -> str:
    """The few numbers at the top."""
    cards = []
    for headline in headlines:
        value, interval = headline_texts(headline)
        cards.append(
            f'<div class="headline"><div>{escape(headline.label)}</div>'
            f'<div class="value">{value}</div><div class="small soft">{interval}</div>'
            f'<div class="small soft">{escape(headline.note)}</div></div>'
        )
    return f'<div class="headlines">{"".join(cards)}</div>' if cards else ""


def headline_texts(headline: Headline) -> tuple[str, str]:
    """The value in large letters, and its interval or the reason why there is no value."""
    measured, digits = headline.measured, headline.digits
    if measured.value is None or not measured.defined:
        return "–", escape(measured.reason or "undefined")
    value = decimal(measured.value, digits)
    if measured.low is None or measured.high is None:
        return value, ""
    low, high = decimal(measured.low, digits), decimal(measured.high, digits)
    return value, f"95% interval {low} to {high}"


def score_heading(page: ReportPage) -> str:
    """Only where some findings are known to be unseen, the others are known to be seen."""
    return "Findings that occurred in training" if page.unseen else "Scores of each finding"


def score_parts(page: ReportPage) -> list[str]:
    """Interval chart and table of the seen findings."""
    if not page.scores:
        return []
    return [
        auc_chart("AUC with 95% interval", page.scores),
        table_of("Each value with its 95% interval below it.", page.scores, page.mean),
    ]


def unseen_parts(page: ReportPage) -> list[str]:
    """The same for findings that no training report mentioned."""
    if not page.unseen:
        return []
    return [
        paragraph(
            "These were named beforehand and occur in no training radiograph or report. The "
            "model knows them only by name or, where a row says “described”, by name and "
            "description; their scores are shown whatever they are. No threshold could be chosen "
            "for a finding that no validation patient has, so what needs one is left out."
        ),
        auc_chart("AUC with 95% interval, findings never seen", page.unseen),
        table_of("Findings never seen in training.", page.unseen, None),
    ]


def auc_chart(title: str, rows: Sequence[ScoreRow]) -> str:
    """AUC of findings, the highest first; nothing where AUC was not measured."""
    with_auc = [row for row in rows if "auc" in row.values]
    if not with_auc:
        return ""
    with_auc.sort(key=lambda row: -(row.values["auc"].value or 0.0))
    bars = [Bar(name=row.finding, measured=row.values["auc"]) for row in with_auc]
    lowest = min(bound for bar in bars for bound in (bar.measured.low, 0.5) if bound is not None)
    x_range = (0.4 if lowest >= 0.4 else 0.0, 1.0)
    svg = interval_chart(title, bars, "AUC (dashed: chance)", x_range, reference=0.5)
    return chart(svg)


def table_of(caption: str, rows: Sequence[ScoreRow], mean: Mapping[str, Measured] | None) -> str:
    """The score table."""
    table_rows = [
        TableRow(name=row.finding, counts=(row.positives, row.images), values=row.values)
        for row in rows
    ]
    return score_table(caption, "finding", ("positive", "images"), table_rows, mean)


def grounding_parts(page: ReportPage) -> list[str]:
    """The pointing game as a chart, all metrics as tables, and cases to look at."""
    if not page.grounding:
        return []
    bars = [
        PointingBars(
            finding=row.finding,
            cases=row.cases,
            model=row.values["pointing_game"],
            position=row.position,
            chance=row.chance,
        )
        for row in page.grounding
    ]
    text = (
        "The pointing game counts how often the peak of a heat-map lies inside the true outline. "
        "A random pixel reaches the share of the image that the outline covers. The usual place "
        "is where the finding most often lies in the other cases, whatever the image shows. Only "
        "what beats both was seen by the model."
    )
    return [
        paragraph(text),
        chart(pointing_chart("Pointing game, with 95% intervals", bars)),
        *grounding_tables(page.grounding),
        *pointed_parts(page.pointed),
    ]


def grounding_tables(rows: Sequence[GroundingRow]) -> list[str]:
    """Everything that was measured and, apart from it, what flatters."""
    measured = [
        TableRow(
            name=row.finding,
            counts=(row.cases,),
            values={
                **row.values,
                "by chance": row.chance,
                "by usual position": row.position,
            },
        )
        for row in rows
    ]
    tables = [score_table("Grounding, with 95% intervals.", "finding", ("cases",), measured)]
    flattering = [
        TableRow(name=row.finding, counts=(row.cases,), values=row.best_on_test)
        for row in rows
        if row.best_on_test
    ]
    if flattering:
        caption = (
            "Best on the test set, as the papers do; flatters: the threshold was chosen on the "
            "very cases that are scored. To be read beside published numbers, and for nothing else."
        )
        tables.append(score_table(caption, "finding", ("cases",), flattering))
    return tables


def pointed_parts(groups: Sequence[CaseGroup]) -> list[str]:
    """Hits, near misses and misses."""
    shown = [group for group in groups if group.cases]
    if not shown:
        return []
    parts = [heat_key(outline=True, peak=True)]
    for group in shown:
        parts.append(f"<h3>{escape(group.heading)}</h3>")
        parts.append(paragraph(group.text, "small"))
        parts.append(case_cards(group.cases))
    return parts


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


def case_parts(page: ReportPage) -> list[str]:
    """The best and worst cases."""
    cases = (*page.best, *page.worst)
    if not cases:
        return []
    outlined = any(case.mask is not None or case.boxes for case in cases)
    parts = [heat_key(outlined)]
    if page.best:
        parts.append(f"<h3>Best cases</h3>{case_cards(page.best)}")
    if page.worst:
        parts.append(f"<h3>Worst cases</h3>{case_cards(page.worst)}")
    return parts


def case_cards(cases: Sequence[Case]) -> str:
    """A grid of cases."""
    return f'<div class="cases">{"".join(case_card(case) for case in cases)}</div>'


def case_card(case: Case) -> str:
    """The radiograph, the same under its heat-map and outline, and what was said."""
    plain = overlay(case.image, longest_side=CASE_SIDE)
    drawn = overlay(
        case.image,
        case.heatmap,
        mask=case.mask,
        boxes=case.boxes,
        peak=case.peak,
        longest_side=CASE_SIDE,
    )
    finding = escape(case.finding)
    truth = {True: "present", False: "absent", None: "not known"}[case.truth]
    said = escape(case.said) or f"score {case.score:.3f}; truth: {truth}"
    return (
        f'<figure class="case"><div class="pair"><img src="{jpeg_data_uri(plain)}" '
        f'alt="Radiograph"/><img src="{jpeg_data_uri(drawn)}" '
        f'alt="Heat-map of {finding} over the radiograph; {said}"/></div>'
        f"<figcaption><strong>{finding}</strong> {said}"
        f"{paragraph(case.caption, 'small')}</figcaption></figure>"
    )


def asked_parts(page: ReportPage) -> list[str]:
    """A radiograph as it is, and under the heat-map of each finding that was asked about."""
    if page.asked is None:
        return []
    if page.asked.image is None:
        return [paragraph(page.asked.text)]
    image = page.asked.image
    plain = asked_card(image, None, "Radiograph", "as it was read", "")
    cards = [
        asked_card(image, one.heatmap, one.finding, f"score {one.score:.3f}", one.caption)
        for one in page.asked.findings
    ]
    return [
        f'<p class="note synthetic">{escape(page.asked.text)}</p>',
        heat_key(outline=False),
        f'<div class="panels">{"".join([plain, *cards])}</div>',
    ]


def asked_card(
    image: Float[np.ndarray, "height width"],
    heatmap: Float[np.ndarray, "height width"] | None,
    name: str,
    said: str,
    caption: str,
) -> str:
    """One picture with its caption."""
    drawn = jpeg_data_uri(overlay(image, heatmap, longest_side=CASE_SIDE))
    return (
        f'<figure class="case"><div class="one"><img src="{drawn}" '
        f'alt="{escape(name)}; {escape(said)}"/></div><figcaption><strong>{escape(name)}</strong> '
        f"{escape(said)}{paragraph(caption, 'small')}</figcaption></figure>"
    )


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


def facts_table(facts: Sequence[RunFact]) -> str:
    """Recipe, versions, data, seed, hardware, time."""
    if not facts:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(fact.name)}</th><td>{escape(fact.value)}</td></tr>'
        for fact in facts
    )
    return f'<div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div>'


def notes(texts: Sequence[str]) -> list[str]:
    """Remarks below the facts."""
    return [paragraph(text, "small") for text in texts]
