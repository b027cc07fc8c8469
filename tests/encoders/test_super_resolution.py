"""Super-resolution in limit cases."""

import pytest
import torch
import torch.nn.functional as F

from carina.encoders.super_resolution import (
    NoSuperResolution,
    Rectified,
    SuperResolution,
    SuperResolutionConfig,
    convolved,
)
from carina.errors import ConfigError


def still(config: SuperResolutionConfig, channels: int) -> SuperResolution:
    network = SuperResolution(config, channels)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    return network


@torch.no_grad()
def test_convolutions_that_give_nothing_leave_the_enlarged_picture() -> None:
    picture = torch.tensor([[[[0.0, 4.0], [0.0, 4.0]]]])
    # Between the centres of two pixels a quarter and three quarters of the way: 1 and 3.
    row = torch.tensor([0.0, 1.0, 3.0, 4.0])
    finer = still(SuperResolutionConfig(), 1)(picture)
    torch.testing.assert_close(finer, row.expand(1, 1, 4, 4))
    torch.testing.assert_close(still(SuperResolutionConfig(), 1)(-picture), -row.expand(1, 1, 4, 4))


@torch.no_grad()
def test_rectified_pictures_have_no_negative_values() -> None:
    picture = torch.tensor([[[[-1.0, 2.0], [-1.0, 2.0]]]])
    finer = still(SuperResolutionConfig(output=Rectified()), 1)(picture)
    torch.testing.assert_close(finer[0, 0, 0], torch.tensor([0.0, 0.0, 1.25, 2.0]))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_convolution_is_one_whatever_the_way(channels: int) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(channels, channels, 3, padding=1)
    pictures = torch.randn(4, channels, 6, 5, requires_grad=True)
    found = convolved(conv, pictures)
    plain = F.conv2d(pictures, conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(found, plain)
    leaves = [pictures, *conv.parameters()]
    weight = torch.randn_like(plain)
    torch.testing.assert_close(
        torch.autograd.grad((found * weight).sum(), leaves),
        torch.autograd.grad((plain * weight).sum(), leaves),
        atol=1e-4,
        rtol=1e-4,
    )


def test_no_super_resolution_changes_nothing() -> None:
    pictures = torch.randn(1, 1, 4, 4)
    assert torch.equal(NoSuperResolution().build(1)(pictures), pictures)
    assert NoSuperResolution().scale == 1


def test_a_scale_that_makes_nothing_finer_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2, got 1"):
        SuperResolutionConfig(scale=1)
