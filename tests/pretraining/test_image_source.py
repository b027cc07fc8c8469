from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError
from carina.pretraining.image_source import FreshImage, PublishedResNet

RESNET = ResNetConfig(block=Basic(), depths=(1,), widths=(4,), stem_width=4, dim=6)
VIT = ViTConfig(size=32, patch=16, dim=8, layers=1, heads=1, hidden=8)


def test_a_published_start_replaces_the_backbone_and_a_fresh_one_nothing(tmp_path: Path) -> None:
    other = {
        key: torch.full_like(value, 2)
        for key, value in RESNET.build().state_dict().items()
        if not key.startswith(("hidden", "project"))
    }
    save_file(other, tmp_path / "resnet.safetensors")
    encoder = RESNET.build()
    drawn = encoder.conv1.weight.detach().clone()
    FreshImage().start(encoder)
    assert torch.equal(encoder.conv1.weight, drawn)
    PublishedResNet(weights=str(tmp_path / "resnet.safetensors")).start(encoder)
    assert torch.equal(encoder.conv1.weight, torch.full_like(drawn, 2))


def test_where_the_papers_weights_are_not_given_a_warning_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    PublishedResNet().start(RESNET.build())
    assert "starts from torchvision's ResNet-50 of ImageNet" in caplog.text
    assert "image_start.weights" in caplog.text


def test_a_vision_transformer_cannot_start_from_a_resnet() -> None:
    with pytest.raises(ConfigError, match="is a ViTEncoder, expected one with a residual network"):
        PublishedResNet(weights="resnet.safetensors").start(VIT.build())
