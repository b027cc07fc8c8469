"""What a report page shows, as plain data: whoever measures fills it, what is empty is left off."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from carina.pages.both_ways import AskedBothWays
from carina.pages.matrices import Confusion
from carina.pages.measured import Measured, Number, Values
from carina.pages.overlay import BoxCorners


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
    `asked` is a real radiograph of which the truth is not known. `row` is what a row of `scores`
    is of.
    """

    title: str
    summary: str
    synthetic: bool
    headlines: tuple[Headline, ...] = ()
    scores: tuple[ScoreRow, ...] = ()
    row: str = "finding"
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
