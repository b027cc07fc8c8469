"""The heads of ECAMP's fine-tuning code, for weights and inputs made by a formula."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from carina.conversion.table import Rule, translate
from carina.encoders.upsampling import ProgressiveUpsampling
from carina.encoders.vit import ViTConfig
from carina.finetuning.detector import suppressed
from carina.finetuning.segmentation import FocalAndLogDice
from carina.finetuning.segmenter import UpsamplingSegmenter, UpsamplingSegmenterConfig
from carina.finetuning.yolo import (
    YOLODetector,
    YOLODetectorConfig,
    corners,
    scale_terms,
    summed_terms,
)
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.losses.multilabel import multilabel_loss
from carina.losses.yolo import WEIGHTS
from carina.metrics.segmentation import mask_metrics

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import Case, images, sample

VIT = ViTConfig(dropout=0.0, final_norm=False)
PICTURES = Preprocessing(size=224, resize=Squash(), mean=(0.4722,) * 3, std=(0.3028,) * 3)
TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}

SEGMENTATION = (
    Rule(r"encoder\.seg_head\.(.+)", r"decoder.head.\1"),
    Rule(r"encoder\.(.+)", r"image_encoder.\1"),
    Rule(r"decoder\.decoder_1\.(.+)", r"decoder.steps.0.\1"),
    Rule(r"decoder\.decoder_2\.(.+)", r"decoder.steps.1.\1"),
    Rule(r"decoder\.decoder_3\.(.+)", r"decoder.steps.2.\1"),
    Rule(r"decoder\.decoder_4\.(.+)", r"decoder.steps.3.\1"),
    Rule(r"decoder\.final_out\.(.+)", r"decoder.last.\1"),
)


@pytest.fixture(scope="module")
def case(parity_dir: Path) -> Case:
    folder = parity_dir / "ecamp"
    return Case(
        manifest=json.loads((folder / "manifest.json").read_text()),
        scalars={},
        inputs=dict(np.load(folder / "inputs.npz")),
        outputs=dict(np.load(folder / "outputs.npz")),
    )


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return images("ecamp.downstream_images", 2, 224)


@pytest.fixture(scope="module")
def masks() -> torch.Tensor:
    """Soft masks: 0.9 inside."""
    level = torch.linspace(-1.5, 1.5, 2).reshape(2, 1, 1, 1)
    coarse = sample("input:ecamp.mask.coarse", (2, 1, 14, 14))
    squares = coarse.repeat_interleave(16, 2).repeat_interleave(16, 3)
    noise = sample("input:ecamp.mask.noise", (2, 1, 224, 224))
    return 0.9 * (level + squares + 0.5 * noise > 0.8).float()


@pytest.fixture(scope="module")
def segmenter(case: Case) -> UpsamplingSegmenter:
    config = UpsamplingSegmenterConfig(
        image=VIT,
        preprocessing=PICTURES,
        structures=("pneumothorax",),
        upsampling=ProgressiveUpsampling(),
    )
    model = UpsamplingSegmenter(config)
    state = translate(case.state("segmentation"), SEGMENTATION, "segmentation")
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing == ["thresholds"]
    assert not unexpected
    return model


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_parity_of_ecamps_segmenter_and_its_loss(
    case: Case,
    segmenter: UpsamplingSegmenter,
    pictures: torch.Tensor,
    masks: torch.Tensor,
    mode: str,
) -> None:
    segmenter.train(mode == "train")
    with torch.no_grad():
        logits = segmenter(pictures)
    recorded = case.output("segmentation.logits" if mode == "eval" else "segmentation.train_logits")
    torch.testing.assert_close(logits[:, 0, ::4, ::4], recorded, **TOLERANCE)
    known = torch.ones(2, 1, dtype=torch.bool)
    terms = FocalAndLogDice().terms(logits, masks, known).values()
    loss = sum(term.weight * term.sum / term.count for term in terms)
    torch.testing.assert_close(loss, case.output(f"segmentation.{mode}_loss"), **TOLERANCE)


def test_parity_of_the_dice_in_which_an_empty_mask_counts(
    case: Case, segmenter: UpsamplingSegmenter, pictures: torch.Tensor, masks: torch.Tensor
) -> None:
    with torch.no_grad():
        drawn = segmenter.eval()(pictures)[:, 0].sigmoid() >= 0.5
    truth = masks[:, 0] > 0.5
    truth[int(case.outputs["segmentation.dice_target_last_empty"][0]) :] = False
    found = [
        mask_metrics(one.numpy(), true.numpy())["dice_with_empty"]
        for one, true in zip(drawn, truth, strict=True)
    ]
    recorded = case.outputs["segmentation.dice"][:, 0]
    # One pixel whose probability is a half to the last digit falls to the other side.
    np.testing.assert_allclose(found, recorded, atol=2e-5)


DETECTION = (
    Rule(r"backbone\.encoder\.det_head\.(.+)", r"maps.head.\1"),
    Rule(r"backbone\.encoder\.(.+)", r"image_encoder.\1"),
    Rule(r"backbone\.layers\.transpose1\.(.+)", r"maps.fine.\1"),
    Rule(r"backbone\.layers\.traspose\.(.+)", r"maps.middle.\1"),
    Rule(r"backbone\.layers\.downsample\.(.+)", r"maps.coarse.\1"),
    Rule(r"backbone\.layers\.layer1\.(.+)", r"maps.mix_middle.\1"),
    Rule(r"backbone\.layers\.layer2\.(.+)", r"maps.mix_fine.\1"),
    Rule(r"backbone\.layers\.layer3\.(.+)", r"maps.mix_coarse.\1"),
    Rule(r"embedding1_cbl\.conv\.(.+)", r"head.passes.0.0.\1"),
    Rule(r"embedding1_cbl\.bn\.(.+)", r"head.passes.0.1.\1"),
    Rule(r"embedding2_cbl\.conv\.(.+)", r"head.passes.1.0.\1"),
    Rule(r"embedding2_cbl\.bn\.(.+)", r"head.passes.1.1.\1"),
    Rule(r"embedding(\d)\.conv_out\.(.+)", r"head.scales.\1.last.\2"),
    Rule(r"embedding(\d)\.(\d)\.conv\.(.+)", r"head.scales.\1.steps.\2.0.\3"),
    Rule(r"embedding(\d)\.(\d)\.bn\.(.+)", r"head.scales.\1.steps.\2.1.\3"),
)


@pytest.fixture(scope="module")
def detector(case: Case) -> YOLODetector:
    config = YOLODetectorConfig(image=VIT, preprocessing=PICTURES, findings=("pneumonia",))
    model = YOLODetector(config)
    model.load_state_dict(translate(case.state("detection"), DETECTION, "detection"))
    return model


@pytest.fixture(scope="module")
def truth(case: Case) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Boxes, the picture and the class of each; rows of zeros are padding."""
    targets = case.output("detection.targets")
    pictures, rows = (targets.abs().sum(2) > 0).nonzero(as_tuple=True)
    chosen = targets[pictures, rows]
    return chosen[:, 1:], pictures, chosen[:, 0].long()


def test_parity_of_ecamps_detector(
    case: Case,
    detector: YOLODetector,
    pictures: torch.Tensor,
    truth: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    with torch.no_grad():
        outputs = detector.eval()(pictures)
        decoded = detector.decoded(outputs)
    for scale, places in enumerate(outputs):
        flat = places.flatten(1, 2)
        flat = flat[:, :, ::2, ::2] if scale == 2 else flat
        torch.testing.assert_close(flat, case.output(f"detection.head{scale}"), **TOLERANCE)
        recorded = case.output(f"detection.decoded{scale}")
        torch.testing.assert_close(decoded[scale][:, ::7], recorded, atol=1e-3, rtol=1e-4)
        terms = scale_terms(places, scale, *truth, 224)
        total = sum(WEIGHTS[name] * value for name, value in terms.items())
        found = torch.stack([total, *terms.values()])
        torch.testing.assert_close(found, case.output(f"detection.loss{scale}"), **TOLERANCE)


def test_parity_of_the_detectors_loss_in_training(
    case: Case,
    detector: YOLODetector,
    pictures: torch.Tensor,
    truth: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    with torch.no_grad():
        terms = summed_terms(detector.train()(pictures), *truth, 224)
    total = sum(WEIGHTS[name] * value for name, value in terms.items())
    torch.testing.assert_close(total, case.output("detection.train_loss"), **TOLERANCE)


def test_parity_of_non_maximum_suppression(case: Case) -> None:
    boxes = case.output("nms.input")[0]
    boxes = boxes[boxes[:, 4] >= 0.5]
    found = corners(boxes[:, :4])
    kept = suppressed(found, boxes[:, 4], 0.5, border=1.0)
    recorded = case.output("nms.output")
    torch.testing.assert_close(found[kept], recorded[:, :4], **TOLERANCE)
    torch.testing.assert_close(boxes[kept, 4], recorded[:, 4], **TOLERANCE)


def test_parity_of_ecamps_classifier(case: Case, pictures: torch.Tensor) -> None:
    """Mean of the patches without a last norm, a norm of the mean, a linear head, and the loss."""
    state = case.state("classifier")
    encoder = VIT.build().eval()
    encoder.load_state_dict(
        {key: value for key, value in state.items() if not key.startswith(("fc_norm", "head"))}
    )
    with torch.no_grad():
        mean = encoder.features(pictures).grid.mean((1, 2))
    features = F.layer_norm(mean, (768,), state["fc_norm.weight"], state["fc_norm.bias"], 1e-6)
    torch.testing.assert_close(features, case.output("classifier.features"), **TOLERANCE)
    logits = F.linear(features, state["head.weight"], state["head.bias"])
    torch.testing.assert_close(logits, case.output("classifier.logits"), **TOLERANCE)
    total, count = multilabel_loss(logits, case.output("classifier.labels"), torch.ones(14))
    torch.testing.assert_close(total / count, case.output("classifier.loss"), **TOLERANCE)
