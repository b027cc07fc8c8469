"""Published files of fine-tuned ViTs as our models: MaCo's and ECAMP's classifiers, ECAMP's heads.

Such a file is a state dict and nothing around it, or holds one as "model" or "state_dict". What
its outputs are called no tensor tells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from carina.conversion.sizes import need, vit_config
from carina.conversion.table import Rule, load_exactly, only_part, read_parts, translate
from carina.encoders.upsampling import ProgressiveUpsampling
from carina.encoders.vit import ViTConfig
from carina.errors import ConversionError
from carina.finetuning.classifier import ClassifierConfig
from carina.finetuning.multiclass import MultiClassConfig
from carina.finetuning.normed import NormedClassifier, NormedMultiClassClassifier
from carina.finetuning.segmenter import UpsamplingSegmenter, UpsamplingSegmenterConfig
from carina.finetuning.yolo import ANCHORS, YOLODetector, YOLODetectorConfig
from carina.imaging.preprocessing import BilinearSquash, CentreCrop, Preprocessing

ModelT = TypeVar("ModelT", bound=nn.Module)

BOX_VALUES = 5  # centre x, centre y, width, height and confidence, beside the findings

CLASSIFIER_TABLE = (
    Rule(r"((?:cls_token|pos_embed|patch_embed\.|blocks\.).*)", r"image_encoder.\1"),
    Rule(r"fc_norm\.(.+)", r"norm.\1"),
    Rule(r"head\.(.+)", r"head.\1"),
)
"""A ViT without last norm, the norm of the mean patch, and a linear head."""

SEGMENTER_TABLE = (
    Rule(r"encoder\.seg_head\.(.+)", r"decoder.head.\1"),
    Rule(r"encoder\.(.+)", r"image_encoder.\1"),
    Rule(r"decoder\.decoder_1\.(.+)", r"decoder.steps.0.\1"),
    Rule(r"decoder\.decoder_2\.(.+)", r"decoder.steps.1.\1"),
    Rule(r"decoder\.decoder_3\.(.+)", r"decoder.steps.2.\1"),
    Rule(r"decoder\.decoder_4\.(.+)", r"decoder.steps.3.\1"),
    Rule(r"decoder\.final_out\.(.+)", r"decoder.last.\1"),
)
"""ECAMP's segmenter: progressive upsampling."""

DETECTOR_TABLE = (
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
"""ECAMP's detector: YOLOv3's head."""

ECAMP_224 = Preprocessing(size=224, resize=CentreCrop(), mean=(0.4722,) * 3, std=(0.3028,) * 3)
ECAMP_SQUASHED = Preprocessing(
    size=224, resize=BilinearSquash(), mean=(0.4722,) * 3, std=(0.3028,) * 3
)
MACO_224 = Preprocessing(size=224, resize=CentreCrop(), mean=(0.4978,) * 3, std=(0.2449,) * 3)


def finetuned_state(path: Path) -> dict[str, Tensor]:
    """The state dict of a file.

    Raises:
        ConversionError: the file cannot be read or holds none.
    """
    return only_part(read_parts(path), str(path))


def convert_classifier(
    path: Path, findings: Sequence[str], preprocessing: Preprocessing
) -> NormedClassifier:
    """A fine-tuned classifier of findings that are true or not, each by itself.

    Args:
        path: the file.
        findings: the outputs in their order, in canonical form.
        preprocessing: how its authors prepare pictures for tests; its size is told by the tensors.

    Raises:
        ConversionError: the file cannot be read, a key is not accounted for, or it has not as
            many outputs.
    """
    return classifier_from_state(finetuned_state(path), findings, preprocessing, where=str(path))


def convert_multiclass(
    path: Path, classes: Sequence[str], preprocessing: Preprocessing
) -> NormedMultiClassClassifier:
    """The same for classes of which one is true of every image, such as COVIDx's."""
    where = str(path)
    state, image = classifier_parts(finetuned_state(path), classes, where)
    config = MultiClassConfig(
        image=image,
        preprocessing=replace(preprocessing, size=image.size),
        classes=tuple(classes),
    )
    return loaded(NormedMultiClassClassifier(config), state, ("scale.",), where)


def convert_segmenter(path: Path, structures: Sequence[str]) -> UpsamplingSegmenter:
    """ECAMP's fine-tuned segmenter.

    Args:
        path: the file.
        structures: the outputs in their order, in canonical form.

    Raises:
        ConversionError: the file cannot be read, a key is not accounted for, or it has not as
            many outputs.
    """
    return segmenter_from_state(finetuned_state(path), structures, where=str(path))


def convert_detector(path: Path, findings: Sequence[str]) -> YOLODetector:
    """ECAMP's fine-tuned detector; the width of its bottlenecks is told by their tensors.

    Args:
        path: the file.
        findings: what its boxes are of, in canonical form.

    Raises:
        ConversionError: the file cannot be read, a key is not accounted for, or it has not as
            many outputs.
    """
    return detector_from_state(finetuned_state(path), findings, where=str(path))


def classifier_from_state(
    official: Mapping[str, Tensor],
    findings: Sequence[str],
    preprocessing: Preprocessing,
    *,
    where: str = "checkpoint",
) -> NormedClassifier:
    """The model of an official state dict; see `convert_classifier`."""
    state, image = classifier_parts(official, findings, where)
    config = ClassifierConfig(
        image=image,
        preprocessing=replace(preprocessing, size=image.size),
        findings=tuple(findings),
    )
    return loaded(NormedClassifier(config), state, ("scale.",), where)


def classifier_parts(
    official: Mapping[str, Tensor], outputs: Sequence[str], where: str
) -> tuple[dict[str, Tensor], ViTConfig]:
    """The weights of a classifier of either kind under our names, and what its ViT is like.

    Raises:
        ConversionError: a key is not accounted for, or it has not as many outputs.
    """
    state = translate(official, CLASSIFIER_TABLE, where)
    check_outputs(len(need(state, "head.weight", where)), outputs, where)
    return state, vit_config(state, where, prefix="image_encoder.", dropout=0.0)


def segmenter_from_state(
    official: Mapping[str, Tensor], structures: Sequence[str], *, where: str = "checkpoint"
) -> UpsamplingSegmenter:
    """The model of an official state dict; see `convert_segmenter`."""
    state = translate(official, SEGMENTER_TABLE, where)
    check_outputs(len(need(state, "decoder.last.weight", where)), structures, where)
    widest = len(need(state, "decoder.steps.0.0.weight", where))
    image = vit_config(state, where, prefix="image_encoder.", dropout=0.0)
    config = UpsamplingSegmenterConfig(
        image=image,
        preprocessing=replace(ECAMP_SQUASHED, size=image.size),
        structures=tuple(structures),
        upsampling=ProgressiveUpsampling(widest=widest),
    )
    return loaded(UpsamplingSegmenter(config), state, ("thresholds",), where)


def detector_from_state(
    official: Mapping[str, Tensor], findings: Sequence[str], *, where: str = "checkpoint"
) -> YOLODetector:
    """The model of an official state dict; see `convert_detector`."""
    state = translate(official, DETECTOR_TABLE, where)
    values = len(need(state, "head.scales.0.last.weight", where))
    check_outputs(values // len(ANCHORS[0]) - BOX_VALUES, findings, where)
    width = len(need(state, "maps.fine.weight", where))
    image = vit_config(state, where, prefix="image_encoder.", dropout=0.0)
    config = YOLODetectorConfig(
        image=image,
        preprocessing=replace(ECAMP_SQUASHED, size=image.size),
        findings=tuple(findings),
        width=width,
        expansion=width // len(need(state, "maps.mix_fine.conv1.weight", where)),
    )
    return loaded(YOLODetector(config), state, (), where)


def check_outputs(found: int, names: Sequence[str], where: str) -> None:
    """Refuses names that are not one for each output."""
    if found != len(names):
        raise ConversionError(
            f"{where}: has {found} outputs, but {len(names)} are named: {', '.join(names)}. "
            "Name every output, in the order of training."
        )


def loaded(
    model: ModelT, state: Mapping[str, Tensor], ours_alone: tuple[str, ...], where: str
) -> ModelT:
    """A model with the weights of a file; what no file has keeps what it begins with."""
    own = {key: value for key, value in model.state_dict().items() if key.startswith(ours_alone)}
    load_exactly(model, {**state, **own}, where)
    return model.eval()
