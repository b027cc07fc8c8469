"""An evaluation of a paper as data: which images, what is asked of them, how it is counted.

Numbers are comparable only where all of this is the same. A protocol has a name, so that a number
can say what it is of: `kad/chestxray14`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from carina.errors import ConfigError
from carina.evaluation.run import EvaluationRequest
from carina.studies.manifest import Manifest
from carina.studies.truth import canonical
from carina.study import Finding, Study
from carina.zeroshot.protocol import Query

Preparation = Callable[[Manifest], Manifest]
"""Turns a manifest as indexed into one whose parts are those of the paper."""


def as_indexed(manifest: Manifest) -> Manifest:
    """The parts as the dataset has them."""
    return manifest


@dataclass(frozen=True, kw_only=True)
class Part:
    """Which images are scored.

    Attributes:
        datasets: what `carina index` calls the release with its lists; any of them will do.
        split: the part that is scored; None for every study.
        images: how many radiographs the paper scores; None where it does not tell.
        digest: SHA-256 of the sorted names of these radiographs (no folder, no ending), one a
            line; None where the list is published without one.
        told: the list in words.
        prepared: makes the parts of the paper out of those of the dataset.
    """

    datasets: tuple[str, ...]
    split: str | None = "test"
    images: int | None = None
    digest: str | None = None
    told: str = ""
    prepared: Preparation = as_indexed

    def __post_init__(self) -> None:
        """Refuses a part of nothing."""
        if not self.datasets:
            raise ConfigError("A protocol names no dataset; expected at least one.")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Zero-shot classification.

    Attributes:
        queries: what is asked; the truth is that of the query's name.
        metrics: those that the paper gives, the first one first.
        threshold_rate: what the threshold makes greatest on validation data, `mcc` or `f1`.
        groups: name -> findings that have a mean of their own, such as seen and unseen ones.
        least_positives: findings with more positives than this have a mean of their own.
        levels: it is counted how many findings reach these AUCs.
        also_called: finding in the data -> the query's name, where the two differ.
        prompts: the prompt set, for a model that asks by prompts; None for its own.
        every_view: lateral radiographs are scored too.
    """

    queries: tuple[Query, ...]
    metrics: tuple[str, ...] = ("auc",)
    threshold_rate: str = "mcc"
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    least_positives: int = 0
    levels: tuple[float, ...] = ()
    also_called: Mapping[str, str] = field(default_factory=dict)
    prompts: str | None = None
    every_view: bool = False

    def request(self, split: str | None) -> EvaluationRequest:
        """The evaluation in the words of `carina evaluate`."""
        return EvaluationRequest(
            task="zero-shot",
            queries=self.queries,
            split=split,
            threshold_split="validate" if split != "validate" else None,
            threshold_rate=self.threshold_rate,
            every_view=self.every_view,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The findings."""
        return tuple(query.name for query in self.queries)

    @property
    def told(self) -> str:
        """What is done, in a few words."""
        return "zero-shot classification"


@dataclass(frozen=True, kw_only=True)
class Grounded:
    """Grounding of findings that readers outlined.

    Attributes:
        queries: what is asked.
        metrics: those that the paper gives, the first one first.
        outlines: query -> labels whose boxes and masks outline it.
    """

    queries: tuple[Query, ...]
    metrics: tuple[str, ...] = ("pointing_game",)
    outlines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def request(self, split: str | None) -> EvaluationRequest:
        """The evaluation in the words of `carina evaluate`."""
        return EvaluationRequest(
            task="grounding",
            queries=self.queries,
            split=split,
            threshold_split="validate" if split != "validate" else None,
            outlines=self.outlines,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The findings."""
        return tuple(query.name for query in self.queries)

    @property
    def told(self) -> str:
        """What is done, in a few words."""
        return "zero-shot grounding"


@dataclass(frozen=True, kw_only=True)
class PhrasesGrounded:
    """Grounding of the phrases that readers drew boxes for.

    `smoothing` is the blur of a map in patches.
    """

    metrics: tuple[str, ...] = ("cnr_samples", "miou_samples")
    smoothing: float = 0.0

    def request(self, split: str | None) -> EvaluationRequest:
        """The evaluation in the words of `carina evaluate`."""
        return EvaluationRequest(
            task="phrase-grounding", split=split, smoothing=self.smoothing, threshold_split=None
        )

    @property
    def names(self) -> tuple[str, ...]:
        """No findings: phrases are asked."""
        return ()

    @property
    def told(self) -> str:
        """What is done, in a few words."""
        return "zero-shot phrase grounding"


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """Fine-tuning with a share of the labels, then measuring.

    Attributes:
        task: what `carina finetune` calls it.
        names: findings, structures or severities.
        fraction: share of the training patients, in (0, 1].
        metrics: those that the paper gives, the first one first.
        uncertain: what an uncertain label is taken for in training.
        steps: how long the paper trains, as its code says; None where neither tells.
    """

    task: str
    names: tuple[str, ...]
    fraction: float
    metrics: tuple[str, ...]
    uncertain: str = "ignore"
    steps: int | None = None

    @property
    def told(self) -> str:
        """What is done, in a few words."""
        return f"{self.task} with {self.fraction:.0%} of the labels"


Told = Asked | Grounded | PhrasesGrounded
"""What is measured without training."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One evaluation of one paper.

    Attributes:
        name: paper and data set, such as "kad/chestxray14".
        section: where the paper tells of it.
        part: which images.
        task: what is asked of them; its class says what kind of evaluation it is.
        input_size: side of the images that the paper's model sees, in pixels.
        departures: what carina does otherwise than the paper or its code, and why.
    """

    name: str
    section: str
    part: Part
    task: Told | FineTuned
    input_size: int = 224
    departures: tuple[str, ...] = ()

    @property
    def paper(self) -> str:
        """The paper, as the first half of the name has it."""
        return self.name.partition("/")[0]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the paper gives."""
        return self.task.metrics


def with_other_names(manifest: Manifest, called: Mapping[str, str]) -> Manifest:
    """The studies, their findings told under other names too.

    Args:
        manifest: as prepared.
        called: finding in the data -> another name of it. A study that lists the other name
            already keeps what it says.
    """
    if not called:
        return manifest
    others = {canonical(found): name for found, name in called.items()}
    return manifest.with_studies([_renamed(study, others) for study in manifest.studies])


def _renamed(study: Study, others: Mapping[str, str]) -> Study:
    there = {canonical(finding.name) for finding in study.findings}
    added = [
        Finding(name=others[canonical(finding.name)], value=finding.value)
        for finding in study.findings
        if canonical(finding.name) in others
        and canonical(others[canonical(finding.name)]) not in there
    ]
    return replace(study, findings=(*study.findings, *added))


def at_fractions(
    name: str,
    section: str,
    part: Part,
    task: FineTuned,
    fractions: Sequence[float],
    departures: tuple[str, ...] = (),
) -> tuple[Protocol, ...]:
    """One protocol for each share of the labels, named such as "ecamp/rsna-linear@1%"."""
    return tuple(
        Protocol(
            name=f"{name}@{fraction:.0%}",
            section=section,
            part=part,
            task=replace(task, fraction=fraction),
            departures=departures,
        )
        for fraction in fractions
    )
