"""The report page of an evaluation: plain data in, one self-contained index.html out.

Whoever measures fills a `ReportPage`; whatever is empty is left off the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from carina.files import write_text
from carina.pages.html import document
from carina.pages.measured import Measured


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One of the few numbers at the top of the page.

    `label` names it ("Mean AUC, 22 findings"); `note` says what it means in a short sentence.
    """

    label: str
    measured: Measured
    note: str = ""


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
    covers); `position` that of the peak of the other cases' masks.
    """

    finding: str
    cases: int
    values: Mapping[str, Measured]
    chance: Measured
    position: Measured


@dataclass(frozen=True, kw_only=True)
class FindingCurves:
    """The curves of one finding. Each is a pair of sequences of one length, x then y, in [0, 1].

    `roc`: false and true positive rate; `precision_recall`: recall and precision;
    `calibration`: mean score and share of positives of each occupied bin.
    """

    finding: str
    auc: Measured
    average_precision: Measured
    prevalence: float
    roc: tuple[NDArray[np.float64], NDArray[np.float64]]
    precision_recall: tuple[NDArray[np.float64], NDArray[np.float64]]
    calibration: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One radiograph and what was said of one finding on it.

    `image` is grey in [0, 1]; `heatmap` (values >= 0, any scale) and `mask` lie on its pixels.
    `boxes` are (x1, y1, x2, y2) in pixels of `image`. `truth` is None where it is not known.
    `caption` may add a sentence, such as what the reader wrote.
    """

    image: Float[np.ndarray, "height width"]
    finding: str
    score: float
    truth: bool | None
    heatmap: Float[np.ndarray, "height width"] | None = None
    mask: Bool[np.ndarray, "height width"] | None = None
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingLog:
    """What one stage of training logged: `steps` and, of the same length, each series.

    `losses` go by term; a value that was not logged at a step is nan.
    """

    stage: str
    steps: tuple[int, ...]
    losses: Mapping[str, tuple[float, ...]]
    learning_rate: tuple[float, ...] = ()


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
class ReportPage:
    """Everything that a report page shows, from top to bottom.

    `summary` is one paragraph: what was done, with what, on whom. `synthetic` marks the page as
    made from drawn radiographs. `scores` are findings that occurred in training, `unseen` those
    that never did. `best` and `worst` are cases with their heat-maps and true outlines.
    """

    title: str
    summary: str
    synthetic: bool
    headlines: tuple[Headline, ...] = ()
    scores: tuple[ScoreRow, ...] = ()
    mean: Mapping[str, Measured] = field(default_factory=dict)
    unseen: tuple[ScoreRow, ...] = ()
    curves: tuple[FindingCurves, ...] = ()
    best: tuple[Case, ...] = ()
    worst: tuple[Case, ...] = ()
    grounding: tuple[GroundingRow, ...] = ()
    training: tuple[TrainingLog, ...] = ()
    similarity: SimilarityMap | None = None
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
    return document(page.title, f"<p>{escape(page.summary)}</p>")
