"""The heads of ECAMP's fine-tuning code, for weights and inputs made by a formula."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from carina.conversion.finetuned import (
    ECAMP_224,
    convert_classifier,
    convert_detector,
    convert_segmenter,
)
from carina.conversion.layout import LAYOUTS, write_official
from carina.finetuning.detector import suppressed
from carina.finetuning.segmentation import FocalAndLogDice
from carina.finetuning.segmenter import UpsamplingSegmenter
from carina.finetuning.yolo import YOLODetector, corners, scale_terms, summed_terms
from carina.losses.multilabel import multilabel_loss
from carina.losses.yolo import WEIGHTS
from carina.metrics.segmentation import mask_metrics
from carina.models.folder import load_model, save_model
from carina.zeroshot.protocol import Query

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import Case, images, read_slim, sample

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}


@pytest.fixture(scope="module", params=["slice", "folder"])
def case(request: pytest.FixtureRequest) -> Case:
    """What every clone has, and the whole folder where it is at hand."""
    if request.param == "slice":
        return read_slim(Path(__file__).with_name("ecamp_heads_slim.npz"))
    folder = request.getfixturevalue("parity_dir") / "ecamp"
    return Case(
        manifest=json.loads((folder / "manifest.json").read_text()),
        scalars={},
        inputs=dict(np.load(folder / "inputs.npz")),
        outputs=dict(np.load(folder / "outputs.npz")),
    )


@pytest.fixture(scope="module")
def pictures(case: Case) -> torch.Tensor:
    return images("ecamp.downstream_images", 2, 224, case.prefix)


@pytest.fixture(scope="module")
def masks(case: Case) -> torch.Tensor:
    """Soft masks: 0.9 inside."""
    level = torch.linspace(-1.5, 1.5, 2).reshape(2, 1, 1, 1)
    coarse = sample(f"{case.prefix}input:ecamp.mask.coarse", (2, 1, 14, 14))
    squares = coarse.repeat_interleave(16, 2).repeat_interleave(16, 3)
    noise = sample(f"{case.prefix}input:ecamp.mask.noise", (2, 1, 224, 224))
    return 0.9 * (level + squares + 0.5 * noise > 0.8).float()


def published(case: Case, part: str, folder: Path) -> Path:
    """A file as ECAMP's code saves one: a state dict and nothing around it."""
    path = folder / f"{part}_best_checkpoint.bin"
    torch.save(case.state(part), path)
    return path


@pytest.fixture(scope="module")
def segmenter(case: Case, tmp_path_factory: pytest.TempPathFactory) -> UpsamplingSegmenter:
    file = published(case, "segmentation", tmp_path_factory.mktemp("segmentation"))
    return convert_segmenter(file, ("pneumothorax",))


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


@pytest.fixture(scope="module")
def detector(case: Case, tmp_path_factory: pytest.TempPathFactory) -> YOLODetector:
    file = published(case, "detection", tmp_path_factory.mktemp("detection"))
    return convert_detector(file, ("pneumonia",))


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


@torch.no_grad()
def test_parity_of_ecamps_classifier(case: Case, pictures: torch.Tensor, tmp_path: Path) -> None:
    """Mean of the patches without a last norm, a norm of the mean, a linear head, and the loss."""
    names = tuple(f"finding {number}" for number in range(14))
    file = published(case, "classifier", tmp_path)
    save_model(convert_classifier(file, names, ECAMP_224), tmp_path / "model", card="")
    model = load_model(tmp_path / "model")
    features = model.norm(model.image_encoder.features(pictures).grid).mean((1, 2))
    torch.testing.assert_close(features, case.output("classifier.features"), **TOLERANCE)
    logits = model(pictures)
    torch.testing.assert_close(logits, case.output("classifier.logits"), **TOLERANCE)
    total, count = multilabel_loss(logits, case.output("classifier.labels"), torch.ones(14))
    torch.testing.assert_close(total / count, case.output("classifier.loss"), **TOLERANCE)
    answers = model.answer(pictures, model.encode_queries([Query("finding 3")]))
    torch.testing.assert_close(answers.scores[:, 0], logits[:, 3].sigmoid())
    torch.testing.assert_close(answers.grids.mean((2, 3))[:, 0], logits[:, 3])
    write_official(LAYOUTS["ecamp-classification"], model, file, tmp_path / "again.bin")
    again = torch.load(tmp_path / "again.bin", weights_only=True)
    state = case.state("classifier")
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())
