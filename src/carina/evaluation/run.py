"""An evaluation as it is asked for by name: what the command line and the demo call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carina.errors import ConfigError
from carina.evaluation.grounding import evaluate_grounding
from carina.evaluation.grounding_settings import GroundingSettings
from carina.evaluation.phrase_grounding import PhraseGroundingSettings, evaluate_phrase_grounding
from carina.evaluation.result import Evaluation
from carina.evaluation.retrieval import RetrievalSettings, evaluate_retrieval
from carina.evaluation.scoring import (
    AGGREGATIONS,
    Aggregation,
    every_view_of,
    frontals_of,
    part_of,
)
from carina.evaluation.tuned import evaluate_tuned, outputs_of
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.imaging.store import ImageStore
from carina.knowledge.descriptions import Descriptions
from carina.metrics.classification import RATES
from carina.studies.manifest import Manifest
from carina.studies.truth import (
    Unmentioned,
    absent_where_only_presence_is_listed,
    always_absent,
    always_unknown,
    listed_findings,
    outlined_findings,
)
from carina.zeroshot.protocol import Query, ZeroShotModel
from carina.zeroshot.queries import described

UNMENTIONED: dict[str, Unmentioned] = {
    "auto": absent_where_only_presence_is_listed,
    "absent": always_absent,
    "unknown": always_unknown,
}
"""What a finding is that a study does not list, by the name on the command line."""


USUAL_THRESHOLDS = "validate"
"""The part that thresholds are chosen on unless another is named."""


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """Everything that a task may be told, in plain values; tasks take what concerns them.

    See `ZeroShotSettings`, `GroundingSettings`, `PhraseGroundingSettings` and
    `RetrievalSettings` for what each means. With `descriptions` every
    query is asked with its description, unless it brings its own.

    Raises:
        ConfigError: a name is unknown.
    """

    task: str = "zero-shot"
    queries: tuple[Query, ...] | None = None
    split: str | None = "test"
    threshold_split: str | None = USUAL_THRESHOLDS
    threshold_rate: str = "mcc"
    every_view: bool = False
    per: str = "image"
    unmentioned: str = "auto"
    margin: float = 0.0
    outlines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replicates: int = 1000
    whole_patients: bool = True
    seed: int = 0
    store: Path | None = None
    descriptions: Descriptions | None = None
    phrase_template: str | None = None
    smoothing: float = 0.0
    weight_temperatures: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Checks the names before any image is read."""
        for what, name, known in (
            ("task", self.task, TASKS),
            ("threshold_rate", self.threshold_rate, RATES),
            ("per", self.per, AGGREGATIONS),
            ("unmentioned", self.unmentioned, UNMENTIONED),
        ):
            if name not in known:
                raise ConfigError(f"{what} is {name!r}, expected one of {', '.join(known)}.")

    @property
    def aggregation(self) -> Aggregation:
        """What counts as one row."""
        return AGGREGATIONS[self.per]

    def asked(self, listed: Sequence[str]) -> Sequence[str | Query] | None:
        """The queries, by default what the data list, with descriptions where there are some.

        Raises:
            KnowledgeError: the descriptions lack one.
        """
        if self.descriptions is None:
            return self.queries
        return described(self.queries or listed, self.descriptions.texts) or None


def zero_shot_task(
    model: ZeroShotModel, manifest: Manifest, request: EvaluationRequest, model_name: str
) -> Evaluation:
    """Zero-shot classification."""
    settings = ZeroShotSettings(
        split=request.split,
        threshold_split=request.threshold_split,
        threshold_rate=RATES[request.threshold_rate],
        views=every_view_of if request.every_view else frontals_of,
        aggregation=request.aggregation,
        unmentioned=UNMENTIONED[request.unmentioned],
        replicates=request.replicates,
        whole_patients=request.whole_patients,
        seed=request.seed,
    )
    store = None if request.store is None else ImageStore.open(request.store)
    queries = request.asked(listed_findings(manifest.studies))
    return evaluate_zero_shot(
        model, manifest, queries, settings, model_name=model_name, store=store
    )


def grounding_task(
    model: ZeroShotModel, manifest: Manifest, request: EvaluationRequest, model_name: str
) -> Evaluation:
    """Grounding of outlined findings."""
    settings = GroundingSettings(
        split=request.split,
        threshold_split=request.threshold_split,
        margin=request.margin,
        outlines=request.outlines,
        replicates=request.replicates,
        whole_patients=request.whole_patients,
        seed=request.seed,
    )
    queries = request.asked(outlined_findings(manifest.studies))
    return evaluate_grounding(model, manifest, queries, settings, model_name=model_name)


def phrase_grounding_task(
    model: ZeroShotModel, manifest: Manifest, request: EvaluationRequest, model_name: str
) -> Evaluation:
    """Grounding of phrases that readers drew boxes for."""
    settings = PhraseGroundingSettings(
        split=request.split,
        template=request.phrase_template,
        smoothing=request.smoothing,
        weight_temperatures=request.weight_temperatures,
        replicates=request.replicates,
        whole_patients=request.whole_patients,
        seed=request.seed,
    )
    return evaluate_phrase_grounding(model, manifest, settings, model_name=model_name)


def retrieval_task(
    model: ZeroShotModel, manifest: Manifest, request: EvaluationRequest, model_name: str
) -> Evaluation:
    """Reports for radiographs, and radiographs for reports."""
    settings = RetrievalSettings(
        split=request.split,
        replicates=request.replicates,
        whole_patients=request.whole_patients,
        seed=request.seed,
    )
    return evaluate_retrieval(model, manifest, settings, model_name=model_name)


def tuned_task(
    model: ZeroShotModel, manifest: Manifest, request: EvaluationRequest, model_name: str
) -> Evaluation:
    """Whatever a fine-tuned model was trained for, by the measure of its task."""
    asked = [query.name for query in request.queries or ()]
    return evaluate_tuned(
        model,
        manifest,
        asked or outputs_of(model) or listed_findings(manifest.studies),
        unmentioned=UNMENTIONED[request.unmentioned],
        store=None if request.store is None else ImageStore.open(request.store),
        model_name=model_name,
        split=request.split,
        replicates=request.replicates,
        seed=request.seed,
    )


Task = Callable[[ZeroShotModel, Manifest, EvaluationRequest, str], Evaluation]

TASKS: dict[str, Task] = {
    "zero-shot": zero_shot_task,
    "grounding": grounding_task,
    "phrase-grounding": phrase_grounding_task,
    "retrieval": retrieval_task,
    "tuned": tuned_task,
}
"""Every task by its name on the command line."""


def evaluate(
    model: ZeroShotModel, manifest: Manifest, request: EvaluationRequest, model_name: str = ""
) -> Evaluation:
    """Carries out one task.

    Raises:
        ManifestError: no study is in a part that was named for thresholds; of the usual one, which
            many data lack, the thresholds are told as missing.
    """
    if request.threshold_split not in (None, USUAL_THRESHOLDS):
        part_of(manifest, request.threshold_split)
    return TASKS[request.task](model, manifest, request, model_name)
