"""A model whose places and summary are projected apart is a start like any other."""

from pathlib import Path

import pytest
import torch

from carina.encoders.local_global import LocalGlobalResNetConfig
from carina.encoders.resnet import Bottleneck, ResNetConfig
from carina.finetuning.classifier import Classifier, ClassifierConfig
from carina.finetuning.detector import Detector, DetectorConfig
from carina.finetuning.segmenter import Segmenter, SegmenterConfig
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.models.folder import load_model, save_model

IMAGE = LocalGlobalResNetConfig(
    resnet=ResNetConfig(
        block=Bottleneck(), depths=(1, 1), widths=(8, 8), stem_width=8, dim=16, channels=1
    ),
    enlarged=None,
)
INPUT = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))


@pytest.mark.parametrize(
    "model",
    [
        Classifier(ClassifierConfig(image=IMAGE, preprocessing=INPUT, findings=("mass",))),
        Segmenter(SegmenterConfig(image=IMAGE, preprocessing=INPUT, structures=("lung",))),
        Detector(DetectorConfig(image=IMAGE, preprocessing=INPUT, findings=("mass",))),
    ],
)
def test_every_task_keeps_and_loads_such_an_encoder(
    model: Classifier | Segmenter | Detector, tmp_path: Path
) -> None:
    save_model(model.eval(), tmp_path / "model", "card")
    loaded = load_model(tmp_path / "model")
    assert loaded.config.image == IMAGE
    picture = torch.randn(1, 1, 32, 32)
    torch.testing.assert_close(
        loaded.image_encoder.features(picture).grid, model.image_encoder.features(picture).grid
    )
