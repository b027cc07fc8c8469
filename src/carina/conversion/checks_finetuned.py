"""What fine-tuned models are asked, to prove that each key of their files goes to its place."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from carina.conversion.finetuned import (
    ECAMP_224,
    MACO_224,
    classifier_from_state,
    detector_from_state,
    segmenter_from_state,
)
from carina.conversion.recorded_answers import (
    Answers,
    Check,
    Checkpoint,
    Numbers,
    official_state,
    pictures_of,
)
from carina.conversion.table import BARE

FINDINGS = tuple(f"finding {number}" for number in range(14))


def bare_checkpoint(recorded: Numbers) -> Checkpoint:
    """A state dict and nothing around it."""
    return {BARE: official_state(recorded, "model")}


def maco_classifier(checkpoint: Checkpoint) -> nn.Module:
    """MaCo fine-tuned for 14 findings."""
    return classifier_from_state(checkpoint[BARE], FINDINGS, MACO_224)


def ecamp_classifier(checkpoint: Checkpoint) -> nn.Module:
    """ECAMP fine-tuned for 14 findings."""
    return classifier_from_state(checkpoint[BARE], FINDINGS, ECAMP_224)


def ecamp_segmenter(checkpoint: Checkpoint) -> nn.Module:
    """ECAMP fine-tuned for the masks of one finding."""
    return segmenter_from_state(checkpoint[BARE], FINDINGS[:1])


def ecamp_detector(checkpoint: Checkpoint) -> nn.Module:
    """ECAMP fine-tuned for the boxes of one finding."""
    return detector_from_state(checkpoint[BARE], FINDINGS[:1])


def classifier_answers(model: Any, recorded: Numbers) -> Answers:
    """The logits of two pictures."""
    return {"logits": model(pictures_of(recorded, 224))}


def segmenter_answers(model: Any, recorded: Numbers) -> Answers:
    """The logits of some pixels of two pictures."""
    return {"logits": model(pictures_of(recorded, 224))[:, 0, ::16, ::16]}


def detector_answers(model: Any, recorded: Numbers) -> Answers:
    """What all anchors say at some places of two pictures."""
    coarse, middle, fine = (scale.flatten(1, 2) for scale in model(pictures_of(recorded, 224)))
    return {
        "coarse": coarse[..., ::2, ::2],
        "middle": middle[..., ::4, ::4],
        "fine": fine[..., ::8, ::8],
    }


FINETUNED_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "maco-classification": (
        Check(
            name="MaCo's classifier",
            recorded="maco-classification",
            checkpoint=bare_checkpoint,
            model=maco_classifier,
            answers=classifier_answers,
        ),
    ),
    "ecamp-classification": (
        Check(
            name="ECAMP's classifier",
            recorded="ecamp-classification",
            checkpoint=bare_checkpoint,
            model=ecamp_classifier,
            answers=classifier_answers,
        ),
    ),
    "ecamp-multiclass": (
        Check(
            name="ECAMP's classifier, before the softmax",
            recorded="ecamp-classification",
            checkpoint=bare_checkpoint,
            model=ecamp_classifier,
            answers=classifier_answers,
        ),
    ),
    "ecamp-segmentation": (
        Check(
            name="ECAMP's segmenter",
            recorded="ecamp-segmentation",
            checkpoint=bare_checkpoint,
            model=ecamp_segmenter,
            answers=segmenter_answers,
        ),
    ),
    "ecamp-detection": (
        Check(
            name="ECAMP's detector",
            recorded="ecamp-detection",
            checkpoint=bare_checkpoint,
            model=ecamp_detector,
            answers=detector_answers,
        ),
    ),
}
"""Every fine-tuned model with recorded answers."""
