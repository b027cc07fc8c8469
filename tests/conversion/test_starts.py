"""Weights that training starts from: whole networks under their own names."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from carina.conversion.starts import convert_start
from carina.encoders.masked_vit import MaskedViT, MaskedViTConfig
from carina.encoders.published_resnet import load_backbone
from carina.encoders.resnet import Basic, Bottleneck, ResNetConfig, ResNetStages
from carina.encoders.vit import ViTConfig
from carina.errors import ConversionError, OutputError
from carina.pretraining.published_mae import load_mae

DEEP = ResNetConfig(depths=(1, 2, 1, 1), widths=(4, 6, 8, 10), stem_width=4)
SHALLOW = ResNetConfig(block=Basic(), depths=(1, 1, 1, 1), widths=(4, 6, 8, 10), stem_width=4)
VIT = MaskedViTConfig(vit=ViTConfig(size=32, dim=64, layers=3, heads=1, hidden=24, dropout=0.0))


def resnet(config: ResNetConfig = DEEP) -> dict[str, Tensor]:
    torch.manual_seed(0)
    classifier = {"fc.weight": torch.ones(3, 40), "fc.bias": torch.ones(3)}
    return {**ResNetStages(config).state_dict(), **classifier}


def vit() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return MaskedViT(VIT).state_dict()


@pytest.mark.parametrize("config", [DEEP, SHALLOW])
def test_torchvisions_weights_start_an_encoder(config: ResNetConfig, tmp_path: Path) -> None:
    weights, out = resnet(config), tmp_path / "resnet.safetensors"
    torch.save(weights, tmp_path / "resnet.pth")
    accounted = convert_start("imagenet", tmp_path / "resnet.pth", out)
    assert load_file(out).keys() == weights.keys()
    assert accounted.taken == len(weights) - 2
    assert [*accounted.unused.values()] == [("fc.weight", "fc.bias")]
    encoder = ResNetStages(config)
    load_backbone(encoder, out)
    assert all(torch.equal(value, weights[key]) for key, value in encoder.state_dict().items())


def test_whatever_is_around_the_weights_they_are_the_same(tmp_path: Path) -> None:
    weights = vit()
    head = {"head.weight": torch.ones(2, 64), "pre_logits.fc.bias": torch.ones(2)}
    several = {f"module.{key}": value for key, value in weights.items()}
    files = {
        "mae.pth": {"model": weights},
        "timm.pth": {**weights, **head},
        "several.pth": {"state_dict": several, "epoch": 3},
    }
    for name, content in files.items():
        torch.save(content, tmp_path / name)
    save_file(weights, tmp_path / "timm.safetensors")
    for name in (*files, "timm.safetensors"):
        accounted = convert_start("mae", tmp_path / name, tmp_path / "out.safetensors")
        assert accounted.taken == len(weights)
        encoder = MaskedViT(VIT)
        load_mae(encoder, tmp_path / "out.safetensors")
        assert all(torch.equal(value, weights[key]) for key, value in encoder.state_dict().items())
    torch.save(files["several.pth"], tmp_path / "last.pth")
    beside = convert_start("mae", tmp_path / "last.pth", tmp_path / "out.safetensors").unused
    assert beside == {"beside the weights in the file, no part of this model": ("epoch",)}


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("imagenet", {}, "has no weights 'model'; found nothing"),
        ("imagenet", {"epoch": 1}, "has no weights 'model'; found epoch"),
        ("imagenet", {"features.conv0.weight": torch.ones(1)}, r"features\.conv0\.weight is in no"),
        ("imagenet", {"fc.bias": torch.ones(1)}, r"conv1\.weight is missing"),
        ("imagenet", {k: v for k, v in resnet().items() if "layer3" not in k}, "layer3.* missing"),
        ("imagenet", {k: v for k, v in resnet().items() if k != "bn1.bias"}, "become bn1.bias"),
        ("mae", {"model": {}}, "is missing"),
        ("mae", {k: v for k, v in vit().items() if "blocks.1." not in k}, "12 weights are missing"),
        ("mae", {k: v for k, v in vit().items() if k[:5] != "norm."}, r"those .* norm\.weight"),
        ("mae", {**vit(), "pos_embed": torch.ones(5, 64)}, r"is \(5, 64\), expected 3 dimensions"),
        ("mae", {**vit(), "pos_embed": torch.ones(1, 0, 64)}, r"is \(1, 0, 64\), .*none of them 0"),
        ("mae", {**vit(), "pos_embed": torch.ones(1, 6, 64)}, r"other sizes, .*\(1, 6, 64\) for"),
        ("mae", resnet(), r"the key conv1\.weight is in no table"),
    ],
)
def test_what_training_cannot_start_from_is_refused(
    kind: str, content: dict, message: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "published.pth")
    with pytest.raises(ConversionError, match=rf"published\.pth: .*{message}"):
        convert_start(kind, tmp_path / "published.pth", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


class Harmful:
    def __reduce__(self) -> tuple:
        return print, ("run",)


def test_nothing_in_a_pth_file_is_executed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"conv1.weight": Harmful()}, tmp_path / "harm.pth")
    with pytest.raises(ConversionError, match="refused"):
        convert_start("imagenet", tmp_path / "harm.pth", tmp_path / "harm.safetensors")
    assert capsys.readouterr().out == ""


def test_the_published_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "mae.pth"
    torch.save({"model": vit()}, path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="is the file that is read, expected another"):
        convert_start("mae", path, tmp_path / "." / "mae.pth")
    assert path.read_bytes() == before


def test_the_block_is_told_by_the_tensors(tmp_path: Path) -> None:
    """A deep network whose third convolutions are gone is no shallow one."""
    assert isinstance(DEEP.block, Bottleneck)
    state = {key: value for key, value in resnet().items() if "conv3" not in key}
    torch.save(state, tmp_path / "resnet.pth")
    with pytest.raises(ConversionError, match="does not fit"):
        convert_start("imagenet", tmp_path / "resnet.pth", tmp_path / "out.safetensors")
