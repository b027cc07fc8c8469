"""One fine-tuning that is to be done: a start, some images, and how the task is done."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carina.errors import ConfigError
from carina.finetuning.classification import ClassificationSettings, through_queries
from carina.finetuning.detection import DetectionSettings
from carina.finetuning.grading import GradingSettings
from carina.finetuning.labels import UNCERTAINTY, LabelledImages
from carina.finetuning.linear_probe import ProbeSettings
from carina.finetuning.outlines import OutlinedImages
from carina.finetuning.segmentation import SegmentationSettings
from carina.finetuning.yolo import YOLOSettings
from carina.imaging.store import ImageStore
from carina.runs.starts import Start
from carina.studies.manifest import Manifest
from carina.studies.truth import Unmentioned, absent_where_only_presence_is_listed

KnownImages = LabelledImages | OutlinedImages
"""Images of which a task knows something: labels, or outlines."""


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """How each task is done, and how truth is read.

    `uncertainty` is a name of `finetuning.labels.UNCERTAINTY`; `unmentioned` the truth of a
    finding that a study does not list.
    """

    uncertainty: str = "ignore"
    unmentioned: Unmentioned = absent_where_only_presence_is_listed
    classification: ClassificationSettings = field(default_factory=ClassificationSettings)
    query_classification: ClassificationSettings = field(default_factory=through_queries)
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    yolo: YOLOSettings = field(default_factory=YOLOSettings)
    grading: GradingSettings = field(default_factory=GradingSettings)

    def __post_init__(self) -> None:
        """Checks the name of the policy."""
        if self.uncertainty not in UNCERTAINTY:
            raise ConfigError(
                f"--uncertain is {self.uncertainty!r}, expected one of {', '.join(UNCERTAINTY)}."
            )


@dataclass(frozen=True, kw_only=True)
class Job:
    """One fine-tuning to be done. `names` are the findings or structures, in canonical form."""

    task: str
    start: Start
    names: tuple[str, ...]
    out: Path
    folder: Path
    train: Any
    validate: Any
    store: ImageStore
    manifest: Manifest
    seed: int
    settings: TaskSettings


def card(job: Job) -> str:
    """Markdown with the facts of a fine-tuned model. Names no study and no path."""
    sources = ", ".join(sorted({study.source for study in job.manifest.studies}))
    images, patients = len(job.train.keys), len(set(job.train.patients))
    return f"""# {job.task} from {job.start.name}

**For research only. Not a medical device; not for use on patients.**

| | |
|---|---|
| of | {", ".join(job.names)} |
| trained on | {images} images of {patients} patients from {sources} |
| digest of the data | `{job.manifest.digest[:16]}` |
| digest of the start | `{job.start.digest[:16]}` |
| seed | {job.seed} |
"""
