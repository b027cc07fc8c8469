"""Fine-tuned models of MaCo and ECAMP as their authors would save them, at a few numbers' size."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carina.conversion.finetuned import (
    ECAMP_224,
    convert_classifier,
    convert_detector,
    convert_multiclass,
    convert_segmenter,
)
from carina.conversion.layout import LAYOUTS, write_official
from carina.conversion.systems import Given, convert_to_folder, read_outputs
from carina.encoders.upsampling import ProgressiveUpsampling
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError, ConversionError
from carina.finetuning.segmenter import UpsamplingSegmenter, UpsamplingSegmenterConfig
from carina.finetuning.yolo import YOLODetector, YOLODetectorConfig
from carina.models.folder import load_model
from carina.zeroshot.protocol import Query, ZeroShotModel

VIT = ViTConfig(size=32, dim=64, layers=2, heads=1, hidden=8, dropout=0.0, final_norm=False)
SEGMENTER = (("decoder.head.", "encoder.seg_head."), ("decoder.last.", "decoder.final_out."))
STEPS = tuple((f"decoder.steps.{n}.", f"decoder.decoder_{n + 1}.") for n in range(4))
PLACES = tuple((scale, step) for scale in range(3) for step in range(9))
DETECTOR = (  # ours -> official, the first that fits
    ("image_encoder.", "backbone.encoder."),
    ("maps.head.", "backbone.encoder.det_head."),
    ("maps.fine.", "backbone.layers.transpose1."),
    ("maps.middle.", "backbone.layers.traspose."),
    ("maps.coarse.", "backbone.layers.downsample."),
    ("maps.mix_middle.", "backbone.layers.layer1."),
    ("maps.mix_fine.", "backbone.layers.layer2."),
    ("maps.mix_coarse.", "backbone.layers.layer3."),
    *((f"head.passes.{n}.0.", f"embedding{n + 1}_cbl.conv.") for n in range(2)),
    *((f"head.passes.{n}.1.", f"embedding{n + 1}_cbl.bn.") for n in range(2)),
    *((f"head.scales.{n}.last.", f"embedding{n}.conv_out.") for n in range(3)),
    *((f"head.scales.{n}.steps.{k}.0.", f"embedding{n}.{k}.conv.") for n, k in PLACES),
    *((f"head.scales.{n}.steps.{k}.1.", f"embedding{n}.{k}.bn.") for n, k in PLACES),
)


def drawn() -> nn.Module:
    torch.manual_seed(0)
    return VIT.build().eval()


def classifier() -> dict[str, Tensor]:
    """A ViT with its norm of the mean and a head of three outputs."""
    generator = torch.Generator().manual_seed(1)
    norm, head = {"fc_norm.weight": (64,), "fc_norm.bias": (64,)}, {"head.bias": (3,)}
    return drawn().state_dict() | {
        key: torch.randn(shape, generator=generator)
        for key, shape in {**norm, **head, "head.weight": (3, 64)}.items()
    }


def named(model: nn.Module, names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    state = {}
    for key, value in model.state_dict().items():
        ours, theirs = next((pair for pair in names if key.startswith(pair[0])), ("", None))
        if theirs is not None:
            state[theirs + key.removeprefix(ours)] = value
    return state


def segmenter() -> dict[str, Tensor]:
    torch.manual_seed(0)
    config = UpsamplingSegmenterConfig(
        image=VIT,
        preprocessing=ECAMP_224,
        structures=("pneumothorax",),
        upsampling=ProgressiveUpsampling(widest=64),
    )
    names = (("image_encoder.", "encoder."), *SEGMENTER, *STEPS)
    return named(UpsamplingSegmenter(config), names)


def detector() -> dict[str, Tensor]:
    torch.manual_seed(0)
    config = YOLODetectorConfig(
        image=VIT, preprocessing=ECAMP_224, findings=("pneumonia",), width=16, expansion=8
    )
    return named(YOLODetector(config), DETECTOR)


def bare(state: dict[str, Tensor]) -> dict:
    return state


def within_model(state: dict[str, Tensor]) -> dict:
    return {"model": state, "epoch": 3}


@torch.no_grad()
@pytest.mark.parametrize("around", [bare, within_model])
def test_a_classifier_answers_by_the_normed_mean(
    around: Callable[[dict[str, Tensor]], dict], tmp_path: Path
) -> None:
    state = classifier()
    torch.save(around({f"module.{k}": v for k, v in state.items()}), tmp_path / "best.bin")
    model = convert_classifier(tmp_path / "best.bin", ("mass", "nodule", "edema"), ECAMP_224)
    pictures = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    mean = drawn().features(pictures).grid.mean((1, 2))
    normed = F.layer_norm(mean, (64,), state["fc_norm.weight"], state["fc_norm.bias"], 1e-6)
    expected = F.linear(normed, state["head.weight"], state["head.bias"])
    torch.testing.assert_close(model(pictures), expected)
    answers = model.answer(pictures, model.encode_queries([Query("edema")]))
    torch.testing.assert_close(answers.scores[:, 0], expected[:, 2].sigmoid())
    torch.testing.assert_close(answers.grids.mean((2, 3))[:, 0], expected[:, 2])
    several = convert_multiclass(tmp_path / "best.bin", ("a", "b", "c"), ECAMP_224)
    torch.testing.assert_close(several(pictures), expected)
    answers = several.answer(pictures, several.encode_queries([Query("b")]))
    torch.testing.assert_close(answers.scores[:, 0], expected.softmax(1)[:, 1])
    torch.testing.assert_close(answers.grids.mean((2, 3))[:, 0], expected[:, 1])


MADE = {
    "maco-classification": (classifier, ["Mass", "Nodule", "Pleural_Thickening"]),
    "ecamp-classification": (classifier, ["Mass", "Nodule", "Pleural_Thickening"]),
    "ecamp-multiclass": (classifier, ["normal", "pneumonia", "covid-19"]),
    "ecamp-segmentation": (segmenter, ["pneumothorax"]),
    "ecamp-detection": (detector, ["pneumonia"]),
}


@pytest.mark.parametrize("system", MADE)
def test_official_to_a_model_folder_and_back_changes_no_key_and_no_number(
    system: str, tmp_path: Path
) -> None:
    made, names = MADE[system]
    state, source = made(), tmp_path / "best.bin"
    torch.save(state, source)
    (tmp_path / "names.json").write_text(json.dumps(names))
    given = Given(file=source, findings=tmp_path / "names.json")
    accounted = convert_to_folder(system, given, tmp_path / "model")
    assert (accounted.taken, accounted.unused) == (len(state), {})
    model = load_model(tmp_path / "model")
    assert isinstance(model, ZeroShotModel)
    write_official(LAYOUTS[system], model, source, tmp_path / "again.bin")
    again = torch.load(tmp_path / "again.bin", weights_only=True)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())


def test_outputs_that_are_not_named_one_for_one_are_refused(tmp_path: Path) -> None:
    for made, convert, found in (
        (classifier, lambda path: convert_classifier(path, ("mass",), ECAMP_224), 3),
        (classifier, lambda path: convert_multiclass(path, ("a", "b"), ECAMP_224), 3),
        (segmenter, lambda path: convert_segmenter(path, ("a", "b")), 1),
        (detector, lambda path: convert_detector(path, ("a", "b")), 1),
    ):
        torch.save(made(), tmp_path / "best.bin")
        with pytest.raises(ConversionError, match=rf"has {found} outputs, but \d are named"):
            convert(tmp_path / "best.bin")


def test_a_pretrained_file_is_no_fine_tuned_one(tmp_path: Path) -> None:
    torch.save({"model": drawn().state_dict()}, tmp_path / "mae.pth")
    with pytest.raises(ConversionError, match=r"head\.weight is missing"):
        convert_classifier(tmp_path / "mae.pth", ("mass",), ECAMP_224)
    torch.save({"epoch": 1}, tmp_path / "none.pth")
    with pytest.raises(ConversionError, match="has no weights 'model'; found epoch"):
        convert_classifier(tmp_path / "none.pth", ("mass",), ECAMP_224)
    with pytest.raises(ConfigError, match="ecamp-multiclass needs --findings: a JSON list"):
        convert_to_folder("ecamp-multiclass", Given(file=tmp_path / "none.pth"), tmp_path / "out")


def test_names_of_outputs_come_in_their_order_from_json(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text('["Pleural_Thickening", "Effusion"]')
    assert read_outputs(path) == ("pleural thickening", "pleural effusion")
    for wrong in ('{"effusion": "a veil"}', "[]", '["effusion", " "]', '["effusion", 3]'):
        path.write_text(wrong)
        with pytest.raises(ConversionError, match="expected a JSON list of names"):
            read_outputs(path)
    path.write_text('["effusion", "Pleural effusion"]')
    with pytest.raises(ConversionError, match="names 'pleural effusion' twice"):
        read_outputs(path)
