"""Residual networks that others published, as the start of an image encoder."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from carina.encoders.published_resnet import load_backbone
from carina.encoders.resnet import Bottleneck, ResNetConfig, ResNetEncoder
from carina.errors import ModelError

CUT = ResNetConfig(block=Bottleneck(), depths=(1, 1, 2), widths=(2, 3, 4), stem_width=4, dim=5)


def norm(name: str, width: int) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.rand(width),
        f"{name}.bias": torch.randn(width),
        f"{name}.running_mean": torch.randn(width),
        f"{name}.running_var": torch.rand(width),
        f"{name}.num_batches_tracked": torch.tensor(7),
    }


def published(depths: tuple[int, ...], widths: tuple[int, ...], stem: int) -> dict[str, Tensor]:
    """Names and shapes of torchvision's ResNet with bottlenecks, written down by hand."""
    weights = {"conv1.weight": torch.randn(stem, 3, 7, 7), **norm("bn1", stem)}
    inputs = stem
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
        for number in range(depth):
            block = f"layer{stage}.{number}"
            for name, shape in (
                ("1", (width, inputs, 1, 1)),
                ("2", (width, width, 3, 3)),
                ("3", (4 * width, width, 1, 1)),
            ):
                weights[f"{block}.conv{name}.weight"] = torch.randn(shape)
                weights |= norm(f"{block}.bn{name}", shape[0])
            if number == 0:
                weights[f"{block}.downsample.0.weight"] = torch.randn(4 * width, inputs, 1, 1)
                weights |= norm(f"{block}.downsample.1", 4 * width)
            inputs = 4 * width
    return weights | {"fc.weight": torch.randn(10, inputs), "fc.bias": torch.randn(10)}


@pytest.fixture
def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return published((1, 1, 2, 1), (2, 3, 4, 5), stem=4)


def loaded(weights: dict[str, Tensor], path: Path) -> ResNetEncoder:
    save_file(weights, path)
    encoder = CUT.build()
    load_backbone(encoder, path)
    return encoder


def test_resnet50_has_the_320_tensors_that_torchvision_publishes() -> None:
    whole = published((3, 4, 6, 3), (64, 128, 256, 512), stem=64)
    assert len(whole) == 320
    assert sum(v.numel() for k, v in whole.items() if k.split(".")[-1] in ("weight", "bias")) == (
        25_557_032 - 2_049_000 + 10 * 2049
    )


def test_the_backbone_is_taken_up_to_where_the_encoder_ends(
    weights: dict[str, Tensor], tmp_path: Path
) -> None:
    state = loaded(weights, tmp_path / "resnet.safetensors").state_dict()
    own = [key for key in state if key.startswith(("hidden.", "project."))]
    assert len(own) == 4
    for key, value in state.items():
        if key not in own and not key.endswith("num_batches_tracked"):
            assert torch.equal(value, weights[key]), key


def test_the_projection_stays_as_it_was_drawn(weights: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(weights, tmp_path / "resnet.safetensors")
    encoder = CUT.build()
    before = {key: value.clone() for key, value in encoder.hidden.state_dict().items()}
    load_backbone(encoder, tmp_path / "resnet.safetensors")
    assert all(torch.equal(before[key], v) for key, v in encoder.hidden.state_dict().items())


def test_files_without_counters_are_read_too(weights: dict[str, Tensor], tmp_path: Path) -> None:
    old = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    encoder = loaded(old, tmp_path / "old.safetensors")
    assert torch.equal(encoder.conv1.weight, weights["conv1.weight"])


def test_a_network_of_another_shape_is_refused_by_name(
    weights: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "resnet.safetensors"
    with pytest.raises(ModelError, match=r"lacks 1 .*weights: layer1\.0\.conv2\.weight"):
        loaded({k: v for k, v in weights.items() if k != "layer1.0.conv2.weight"}, path)
    with pytest.raises(ModelError, match=r"has unknown 1 .*layer2\.0\.se\.weight"):
        loaded(weights | {"layer2.0.se.weight": torch.ones(1)}, path)
    with pytest.raises(ModelError, match=r"another shape 1 .*conv1\.weight \(4, 1, 7, 7\)"):
        loaded(weights | {"conv1.weight": torch.randn(4, 1, 7, 7)}, path)


def test_a_pickle_in_its_place_is_refused_with_the_way_out(
    weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "resnet50.pth")
    with pytest.raises(ModelError, match="Pickles"):
        load_backbone(CUT.build(), tmp_path / "resnet50.pth")
    with pytest.raises(ModelError, match=r"none\.safetensors: cannot be read"):
        load_backbone(CUT.build(), tmp_path / "none.safetensors")
