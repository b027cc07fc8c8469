"""Fine-tuned models on a test part: each kind of model by its own measure."""

from collections.abc import Sequence

from carina.evaluation.detection import evaluate_detection
from carina.evaluation.grading import evaluate_grading
from carina.evaluation.multiclass import evaluate_multiclass
from carina.evaluation.result import Evaluation
from carina.evaluation.segmentation import SegmentationScoring, evaluate_segmentation
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.finetuning.classifier import Classifier
from carina.finetuning.detector import Detector
from carina.finetuning.grader import Grader
from carina.finetuning.multiclass import MultiClassClassifier
from carina.finetuning.query_classifier import QueryClassifier
from carina.finetuning.segmenter import Segmenter
from carina.finetuning.yolo import YOLODetector
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest
from carina.studies.truth import Unmentioned
from carina.zeroshot.protocol import ZeroShotModel


def evaluate_tuned(
    model: ZeroShotModel,
    manifest: Manifest,
    names: Sequence[str],
    *,
    unmentioned: Unmentioned,
    store: ImageStore | None = None,
    model_name: str = "",
    split: str | None = "test",
    replicates: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measures a fine-tuned model by what it was trained for: boxes, masks, grades, classes.

    Args:
        model: of any task.
        manifest: with the part that is measured.
        names: findings that a classifier is measured on; the others are measured on all theirs.
        unmentioned: the truth of a finding that a study does not list, as in training.
        store: pictures for tasks that do not measure on the original pixels.
        model_name: as the evaluation names it.
        split: the part; None is all of the manifest.
        replicates: resamples of patients.
        seed: of them.

    Raises:
        EvaluationError: the part has nothing to measure against.
    """
    match model:
        case Detector() | YOLODetector():
            return evaluate_detection(
                model,
                manifest,
                split=split,
                unmentioned=unmentioned,
                model_name=model_name,
                replicates=replicates,
                seed=seed,
            )
        case Grader():
            return evaluate_grading(
                model,
                manifest,
                split=split,
                model_name=model_name,
                store=store,
                replicates=replicates,
                seed=seed,
            )
        case MultiClassClassifier():
            return evaluate_multiclass(
                model,
                manifest,
                split=split,
                unmentioned=unmentioned,
                model_name=model_name,
                store=store,
                replicates=replicates,
                seed=seed,
            )
        case Segmenter():
            scoring = SegmentationScoring(
                split=split, unmentioned=unmentioned, replicates=replicates, seed=seed
            )
            return evaluate_segmentation(model, manifest, scoring, model_name=model_name)
    settings = ZeroShotSettings(
        split=split, unmentioned=unmentioned, replicates=replicates, seed=seed
    )
    return evaluate_zero_shot(model, manifest, names, settings, model_name=model_name, store=store)


def outputs_of(model: ZeroShotModel) -> tuple[str, ...]:
    """The findings of a classifier, which are all that it can be asked; of others nothing."""
    match model:
        case Classifier() | QueryClassifier():
            return model.config.findings
    return ()
