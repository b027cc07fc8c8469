"""Which classes a model folder can hold."""

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ModelClass:
    """Where a module class and its config class live; imported only when a folder names it.

    A module that `reads_text` is built with a tokenizer, which its folder then holds.
    """

    module: str
    model: str
    config: str
    reads_text: bool = True

    def load(self) -> tuple[Any, Any]:
        """The module class and its config class."""
        home = importlib.import_module(self.module)
        return getattr(home, self.model), getattr(home, self.config)


MODELS = {
    "Classifier": ModelClass(
        module="carina.finetuning.classifier",
        model="Classifier",
        config="ClassifierConfig",
        reads_text=False,
    ),
    "ContrastModel": ModelClass(
        module="carina.pretraining.contrast", model="ContrastModel", config="ContrastConfig"
    ),
    "Detector": ModelClass(
        module="carina.finetuning.detector",
        model="Detector",
        config="DetectorConfig",
        reads_text=False,
    ),
    "GLoRIAModel": ModelClass(
        module="carina.pretraining.local_alignment", model="GLoRIAModel", config="GLoRIAConfig"
    ),
    "ECAMPContrastModel": ModelClass(
        module="carina.pretraining.ecamp_contrast",
        model="ECAMPContrastModel",
        config="ECAMPContrastConfig",
    ),
    "ECAMPModel": ModelClass(
        module="carina.pretraining.ecamp", model="ECAMPModel", config="ECAMPConfig"
    ),
    "Grader": ModelClass(
        module="carina.finetuning.grader",
        model="Grader",
        config="GraderConfig",
        reads_text=False,
    ),
    "KADModel": ModelClass(module="carina.pretraining.kad", model="KADModel", config="KADConfig"),
    "MaCoModel": ModelClass(
        module="carina.pretraining.maco", model="MaCoModel", config="MaCoConfig"
    ),
    "MedKLIPModel": ModelClass(
        module="carina.pretraining.medklip", model="MedKLIPModel", config="MedKLIPConfig"
    ),
    "MultiClassClassifier": ModelClass(
        module="carina.finetuning.multiclass",
        model="MultiClassClassifier",
        config="MultiClassConfig",
        reads_text=False,
    ),
    "NormedClassifier": ModelClass(
        module="carina.finetuning.normed",
        model="NormedClassifier",
        config="ClassifierConfig",
        reads_text=False,
    ),
    "NormedMultiClassClassifier": ModelClass(
        module="carina.finetuning.normed",
        model="NormedMultiClassClassifier",
        config="MultiClassConfig",
        reads_text=False,
    ),
    "QueryClassifier": ModelClass(
        module="carina.finetuning.query_classifier",
        model="QueryClassifier",
        config="QueryClassifierConfig",
        reads_text=False,
    ),
    "Segmenter": ModelClass(
        module="carina.finetuning.segmenter",
        model="Segmenter",
        config="SegmenterConfig",
        reads_text=False,
    ),
    "UpsamplingSegmenter": ModelClass(
        module="carina.finetuning.segmenter",
        model="UpsamplingSegmenter",
        config="UpsamplingSegmenterConfig",
        reads_text=False,
    ),
    "TextEncoder": ModelClass(
        module="carina.encoders.text", model="TextEncoder", config="TextEncoderConfig"
    ),
    "YOLODetector": ModelClass(
        module="carina.finetuning.yolo",
        model="YOLODetector",
        config="YOLODetectorConfig",
        reads_text=False,
    ),
}
