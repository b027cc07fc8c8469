"""Every class that a folder can hold is saved and comes back."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from carina.encoders.local_global import LocalGlobalResNetConfig
from carina.encoders.masked_decoder import MaskedDecoderConfig
from carina.encoders.masked_language import MaskedLanguageConfig
from carina.encoders.masked_vit import MaskedViTConfig
from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.report_encoder import ReportEncoderConfig
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.text import TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.upsampling import PyramidUpsampling
from carina.encoders.vit import ViTConfig
from carina.encoders.words import WordEncoderConfig
from carina.finetuning.classifier import ClassifierConfig
from carina.finetuning.detector import DetectorConfig
from carina.finetuning.grader import GraderConfig, Grades
from carina.finetuning.multiclass import MultiClassConfig
from carina.finetuning.query_classifier import QueryClassifierConfig
from carina.finetuning.segmenter import SegmenterConfig, UpsamplingSegmenterConfig
from carina.finetuning.yolo import YOLODetectorConfig
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.models.folder import load_model, save_model
from carina.models.registry import MODELS
from carina.pretraining.contrast import ContrastConfig
from carina.pretraining.ecamp import ECAMPConfig
from carina.pretraining.ecamp_contrast import ECAMPContrastConfig
from carina.pretraining.kad import KADConfig
from carina.pretraining.local_alignment import GLoRIAConfig
from carina.pretraining.maco import MaCoConfig
from carina.pretraining.medklip import MedKLIPConfig, TrainedFinding

IMAGE = ResNetConfig(block=Basic(), depths=(1, 1), widths=(6, 8), stem_width=4, channels=1, dim=16)
TEXT = TextEncoderConfig(
    vocabulary=60, width=16, layers=1, heads=2, hidden=24, positions=24, max_tokens=20, dim=16
)
GREY = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))
MASKED = MaskedViTConfig(
    vit=ViTConfig(size=32, patch=8, dim=16, layers=1, heads=2, hidden=24, channels=1)
)
ECAMP = ECAMPConfig(
    image=MASKED,
    decoder=MaskedDecoderConfig(dim=12, layers=1, heads=2, hidden=24, resolution=1),
    language=MaskedLanguageConfig(
        vocabulary=60, width=16, layers=1, heads=2, hidden=24, positions=20, max_tokens=20
    ),
    preprocessing=GREY,
)
CONFIGS: dict[str, Any] = {
    "Classifier": ClassifierConfig(image=IMAGE, preprocessing=GREY, findings=("edema", "mass")),
    "ContrastModel": ContrastConfig(image=IMAGE, text=TEXT, preprocessing=GREY),
    "Detector": DetectorConfig(image=IMAGE, preprocessing=GREY, findings=("mass",), width=8),
    "Grader": GraderConfig(
        image=IMAGE, preprocessing=GREY, names=("edema",), scale=Grades(highest=3)
    ),
    "ECAMPContrastModel": ECAMPContrastConfig(ecamp=ECAMP, dim=16),
    "ECAMPModel": ECAMP,
    "GLoRIAModel": GLoRIAConfig(
        image=LocalGlobalResNetConfig(
            resnet=ResNetConfig(depths=(1, 1, 1, 1), widths=(2, 2, 2, 2), stem_width=2, dim=16)
        ),
        text=WordEncoderConfig(
            vocabulary=60, width=16, layers=4, heads=1, hidden=16, positions=100, dropout=0.1
        ),
    ),
    "KADModel": KADConfig(
        image=IMAGE,
        text=TEXT,
        decoder=QueryDecoderConfig(dim=16, layers=1, heads=2, hidden=24),
        preprocessing=GREY,
    ),
    "MultiClassClassifier": MultiClassConfig(
        image=IMAGE, preprocessing=GREY, classes=("edema", "normal")
    ),
    "NormedClassifier": ClassifierConfig(image=IMAGE, preprocessing=GREY, findings=("mass",)),
    "NormedMultiClassClassifier": MultiClassConfig(
        image=IMAGE, preprocessing=GREY, classes=("edema", "normal")
    ),
    "QueryClassifier": QueryClassifierConfig(
        image=IMAGE,
        preprocessing=GREY,
        findings=("edema", "mass"),
        decoder=QueryDecoderConfig(dim=16, layers=1, heads=2, hidden=24),
        norms_inputs=False,
    ),
    "Segmenter": SegmenterConfig(image=IMAGE, preprocessing=GREY, structures=("lung",)),
    "UpsamplingSegmenter": UpsamplingSegmenterConfig(
        image=IMAGE,
        preprocessing=GREY,
        structures=("lung",),
        upsampling=PyramidUpsampling(width=8),
    ),
    "YOLODetector": YOLODetectorConfig(
        image=IMAGE, preprocessing=GREY, findings=("mass",), width=8, expansion=2
    ),
    "MaCoModel": MaCoConfig(
        image=MASKED,
        decoder=MaskedDecoderConfig(dim=12, layers=1, heads=2, hidden=24),
        text=ReportEncoderConfig(
            vocabulary=60, width=16, layers=1, heads=2, hidden=24, positions=20, max_tokens=20
        ),
        preprocessing=GREY,
    ),
    "MedKLIPModel": MedKLIPConfig(
        image=IMAGE,
        text=TEXT,
        decoder=QueryDecoderConfig(dim=16, layers=1, heads=2, hidden=24),
        preprocessing=GREY,
        findings=(TrainedFinding(name="mass", text="a round bright spot"),),
    ),
    "TextEncoder": TEXT,
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_comes_back_as_it_was_saved(name: str, tmp_path: Path) -> None:
    model_class, config_class = MODELS[name].load()
    assert model_class.__name__ == name
    assert dataclasses.is_dataclass(config_class)
    torch.manual_seed(0)
    text = (train_wordpiece(["no mass"], 60),) if MODELS[name].reads_text else ()
    saved: nn.Module = model_class.from_config(CONFIGS[name], *text)
    save_model(saved, tmp_path / "model", "A model.")
    loaded: Any = load_model(tmp_path / "model")
    assert type(loaded) is model_class
    assert loaded.config == CONFIGS[name]
    assert not loaded.training
    for key, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
