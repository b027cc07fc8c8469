"""The U-Net is that of MedKLIP's fine-tuning code, for weights and inputs made by a formula."""

import sys
from pathlib import Path

import pytest
import torch

from carina.conversion.medklip import TABLE
from carina.conversion.table import Rule, translate
from carina.encoders.resnet import ResNetConfig
from carina.finetuning.segmenter import Segmenter, SegmenterConfig
from carina.imaging.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, Squash

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import Case, images, read_case, read_slim

HEAD = (
    Rule(r"bridge\.bridge\.(.+)", r"decoder.bridge.\1"),
    Rule(r"up_blocks\.(.+)", r"decoder.up_blocks.\1"),
    Rule(r"seg_classifier\.(.+)", r"decoder.seg_classifier.\1"),
)


@pytest.fixture(scope="module", params=["slice", "folder"])
def case(request: pytest.FixtureRequest) -> Case:
    """What every clone has, and the whole folder where it is at hand."""
    if request.param == "slice":
        return read_slim(Path(__file__).with_name("medklip_segmenter_slim.npz"))
    return read_case(request.getfixturevalue("parity_dir") / "medklip")


def test_parity_of_medklips_segmenter(case: Case) -> None:
    config = SegmenterConfig(
        image=ResNetConfig(dim=8),
        preprocessing=Preprocessing(
            size=224, resize=Squash(), mean=IMAGENET_MEAN, std=IMAGENET_STD
        ),
        structures=("pneumothorax",),
    )
    model = Segmenter(config).eval()
    state = translate(case.state("finetune_segmenter"), (*TABLE, *HEAD), "segmenter")
    weight = state["decoder.seg_classifier.weight"]
    state["decoder.seg_classifier.weight"] = weight[..., None]  # theirs runs over flat pixels
    missing, unexpected = model.load_state_dict(state, strict=False)
    ours_alone = ("image_encoder.hidden.", "image_encoder.project.", "thresholds")
    assert all(name.startswith(ours_alone) for name in missing)
    assert not unexpected
    with torch.no_grad():
        logits = model(images("medklip/image_224", 2, 224, case.prefix))[:, :, ::4, ::4]
    torch.testing.assert_close(
        logits, case.output("finetune.segmenter_logits_sub"), atol=5e-5, rtol=0
    )
