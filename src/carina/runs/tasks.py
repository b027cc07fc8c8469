"""Every task of fine-tuning: how its truth is read, and how a model is tuned to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import nn

from carina.finetuning.fractions import strata_of, strata_of_grades, strata_of_scores
from carina.finetuning.grading import (
    check_differing,
    check_known,
    graded_images,
    grades_in,
    listed_severities,
)
from carina.finetuning.labels import (
    UNCERTAINTY,
    LabelledImages,
    check_examples,
    check_some_examples,
    labelled_images,
    named_findings,
)
from carina.finetuning.multiclass import of_one_class
from carina.finetuning.outline_checks import check_boxes, check_outlines
from carina.finetuning.outlines import (
    boxes_alone,
    check_outlined,
    listed_boxes,
    listed_outlines,
    listed_structures,
    masks_else_boxes,
    outlined_images,
)
from carina.imaging.store import ImageStore
from carina.runs.job import Job, KnownImages, TaskSettings
from carina.runs.starts import Start, any_start, start_with_queries
from carina.runs.tuning import (
    classification,
    detection,
    grading,
    linear_probe,
    multiclass,
    query_classification,
    query_probe,
    segmentation,
    severity,
    yolo_detection,
)
from carina.studies.manifest import Manifest
from carina.studies.truth import listed_findings
from carina.study import Study

Check = Callable[[Any, Sequence[str], str], None]
"""Refuses known images, of some names, that lack examples; the last says which they are."""


@dataclass(frozen=True, kw_only=True)
class TruthKind:
    """What is known of images: what there is to learn, how it is read, what it must be like.

    `kind` is what people call it. Of all `nameable` names those that are `listed` are learnt
    where none is named. `fits` refuses truth that does not fit its pictures, `check` training
    images and `check_validation` validation images that lack examples; `check_some` does so where
    a whole list is to be learnt, some of which may have none. `strata` gives every patient a
    stratum, so that fractions and folds are equally mixed.
    """

    kind: str
    listed: Callable[[Sequence[Study]], tuple[str, ...]]
    nameable: Callable[[Sequence[Study]], tuple[str, ...]]
    images: Callable[[Manifest, Manifest, Sequence[str], ImageStore, TaskSettings], KnownImages]
    check: Check
    check_validation: Check
    strata: Callable[[Sequence[str], Float[np.ndarray, "rows names"]], dict[str, int]]
    fits: Callable[[Manifest, Sequence[str], ImageStore], None]
    check_some: Check | None = None

    def checks(self, whole_list: bool) -> tuple[Check, Check]:
        """What refuses training, and validation, images that lack examples."""
        if whole_list and self.check_some is not None:
            return self.check_some, self.check_some
        return self.check, self.check_validation


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: the truth that it is trained on, how a model is tuned, with which settings.

    `accepts` raises for a start that the task cannot begin with.
    """

    truth: TruthKind
    tune: Callable[[Job], nn.Module]
    settings: Callable[[TaskSettings], object]
    accepts: Callable[[Start], None] = any_start


def labels_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> LabelledImages:
    """Truth of findings."""
    return labelled_images(
        part,
        everything,
        names,
        store,
        unmentioned=settings.unmentioned,
        uncertainty=UNCERTAINTY[settings.uncertainty],
    )


def classes_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> KnownImages:
    """The one class of each image."""
    return of_one_class(labels_of(part, everything, names, store, settings), names, str(part.path))


def masks_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> KnownImages:
    """Masks of structures, and boxes of those that have none."""
    return outlined_images(
        part,
        everything,
        names,
        store,
        reader=masks_else_boxes,
        unmentioned=settings.unmentioned,
    )


def boxes_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> KnownImages:
    """Boxes of findings; images without any are part of it."""
    return outlined_images(
        part, everything, names, store, reader=boxes_alone, unmentioned=settings.unmentioned
    )


def severities_of(
    part: Manifest,
    everything: Manifest,
    names: Sequence[str],
    store: ImageStore,
    settings: TaskSettings,
) -> KnownImages:
    """Grades or scores."""
    return graded_images(part, names, store)


def grades_fit(manifest: Manifest, names: Sequence[str], store: ImageStore) -> None:
    """Refuses grades that are no whole numbers, before anything is trained."""
    grades_in(manifest, names)


def anything_fits(manifest: Manifest, names: Sequence[str], store: ImageStore) -> None:
    """Labels and severities are of a study, and fit every picture."""


LABELS = TruthKind(
    kind="findings",
    listed=listed_findings,
    nameable=named_findings,
    images=labels_of,
    check=check_examples,
    check_validation=check_examples,
    check_some=check_some_examples,
    strata=strata_of,
    fits=anything_fits,
)
CLASSES = replace(LABELS, kind="classes", listed=named_findings, images=classes_of, check_some=None)
MASKS = TruthKind(
    kind="masks or boxes",
    listed=listed_structures,
    nameable=listed_outlines,
    images=masks_of,
    check=check_outlined,
    check_validation=check_outlined,
    strata=strata_of,
    fits=check_outlines,
)
BOXES = replace(
    MASKS,
    kind="boxes",
    listed=listed_boxes,
    nameable=listed_boxes,
    images=boxes_of,
    fits=check_boxes,
)
GRADES = TruthKind(
    kind="severities",
    listed=listed_severities,
    nameable=listed_severities,
    images=severities_of,
    check=check_differing,
    check_validation=check_known,
    strata=strata_of_grades,
    fits=grades_fit,
)
SCORES = replace(GRADES, strata=strata_of_scores, fits=anything_fits)

TASKS: dict[str, Task] = {
    "classification": Task(
        truth=LABELS, tune=classification, settings=lambda settings: settings.classification
    ),
    "multiclass": Task(
        truth=CLASSES, tune=multiclass, settings=lambda settings: settings.classification
    ),
    "linear-probe": Task(truth=LABELS, tune=linear_probe, settings=lambda settings: settings.probe),
    "query-classification": Task(
        truth=LABELS,
        tune=query_classification,
        settings=lambda settings: settings.query_classification,
        accepts=start_with_queries,
    ),
    "query-probe": Task(
        truth=LABELS,
        tune=query_probe,
        settings=lambda settings: settings.probe,
        accepts=start_with_queries,
    ),
    "segmentation": Task(
        truth=MASKS, tune=segmentation, settings=lambda settings: settings.segmentation
    ),
    "detection": Task(truth=BOXES, tune=detection, settings=lambda settings: settings.detection),
    "yolo-detection": Task(
        truth=BOXES, tune=yolo_detection, settings=lambda settings: settings.yolo
    ),
    "grading": Task(truth=GRADES, tune=grading, settings=lambda settings: settings.grading),
    "severity": Task(truth=SCORES, tune=severity, settings=lambda settings: settings.grading),
}
"""Every task by its name on the command line."""
