"""Fine-tuned models on a test part: each kind of model by its own measure."""

from collections.abc import Sequence

from carina.evaluation.detection import evaluate_detection
from carina.evaluation.grading import evaluate_grading
from carina.evaluation.multiclass import evaluate_multiclass
from carina.evaluation.result import Evaluation
from carina.evaluation.segmentation import SegmentationScoring, evaluate_segmentation
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.finetuning.detector import Detector
from carina.finetuning.grader import Grader
from carina.finetuning.multiclass import MultiClassClassifier
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
) -> Evaluation:
    """Measures a fine-tuned model on the test part: by boxes, masks, grades or scores.

    Args:
        model: of any task.
        manifest: with a test part.
        names: findings that a classifier is measured on; the others are measured on all theirs.
        unmentioned: the truth of a finding that a study does not list, as in training.
        store: pictures for tasks that do not measure on the original pixels.
        model_name: as the evaluation names it.

    Raises:
        EvaluationError: the test part has nothing to measure against.
    """
    match model:
        case Detector() | YOLODetector():
            return evaluate_detection(
                model, manifest, unmentioned=unmentioned, model_name=model_name
            )
        case Grader():
            return evaluate_grading(model, manifest, model_name=model_name, store=store)
        case MultiClassClassifier():
            return evaluate_multiclass(
                model, manifest, unmentioned=unmentioned, model_name=model_name, store=store
            )
        case Segmenter():
            scoring = SegmentationScoring(unmentioned=unmentioned)
            return evaluate_segmentation(model, manifest, scoring, model_name=model_name)
    settings = ZeroShotSettings(unmentioned=unmentioned)
    return evaluate_zero_shot(model, manifest, names, settings, model_name=model_name, store=store)
