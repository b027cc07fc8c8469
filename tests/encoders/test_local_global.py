"""Encoders with places and a summary of their own."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from carina.encoders.local_global import (
    LocalGlobalResNetConfig,
    LocalGlobalViTConfig,
    enlarged,
)
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError

RESNET = ResNetConfig(
    block=Basic(), depths=(1, 1, 1), widths=(4, 6, 8), stem_width=4, channels=1, dim=10
)
SMALL = LocalGlobalResNetConfig(resnet=RESNET, enlarged=None)
VIT = LocalGlobalViTConfig(
    vit=ViTConfig(size=32, patch=8, dim=8, layers=1, heads=2, hidden=8, channels=1, dropout=0.0)
)


def pictures() -> torch.Tensor:
    return torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_places_come_from_the_last_stage_but_one_and_the_summary_from_the_last() -> None:
    encoder = SMALL.build().eval()
    features = encoder(pictures())
    maps = encoder.pyramid(pictures())
    assert [tuple(one.shape[1:]) for one in maps] == [(4, 16, 16), (4, 8, 8), (6, 4, 4), (8, 2, 2)]
    assert features.grid.shape == (2, 4, 4, 10)
    place = encoder.local_embedder.weight[:, :, 0, 0] @ maps[-2][1, :, 2, 3]
    torch.testing.assert_close(features.grid[1, 2, 3], place)
    summary = encoder.global_embedder(maps[-1].mean((2, 3)))
    torch.testing.assert_close(features.pooled, summary)
    assert torch.equal(encoder.features(pictures()).pooled, features.pooled)


@torch.no_grad()
def test_a_vit_gives_its_patches_and_its_class_token() -> None:
    encoder = VIT.build().eval()
    features, plain = encoder(pictures()), encoder.vit(pictures())
    torch.testing.assert_close(features.grid, encoder.local_embedder(plain.grid))
    torch.testing.assert_close(features.pooled, encoder.global_embedder(plain.pooled))
    assert encoder.features(pictures()).grid.shape == (2, 4, 4, 8)
    assert [tuple(one.shape) for one in encoder.pyramid(pictures())] == [(2, 8, 4, 4)]


@torch.no_grad()
def test_every_input_is_enlarged_with_its_corners_kept() -> None:
    picture = pictures()
    larger = enlarged(picture, 63)
    torch.testing.assert_close(larger[..., ::2, ::2], picture, atol=1e-5, rtol=1e-5)
    assert enlarged(picture, None) is picture
    encoder = replace(SMALL, enlarged=64).build().eval()
    assert encoder(picture).grid.shape == (2, 8, 8, 10)


def test_with_output_norm_places_and_summaries_are_standardised() -> None:
    config = replace(SMALL, resnet=replace(RESNET, output_norm=True))
    features = config.build().train()(pictures())
    for values in (features.grid.flatten(0, 2), features.pooled):
        torch.testing.assert_close(values.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    assert not torch.allclose(F.normalize(features.pooled, dim=1), features.pooled)


def test_sizes_are_those_of_the_network() -> None:
    assert (SMALL.dim, SMALL.channels, SMALL.levels) == (10, 1, ((4, 2), (4, 4), (6, 8), (8, 16)))
    assert (VIT.dim, VIT.channels, VIT.levels) == (8, 1, ((8, 8),))


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"needs at least 2 stages, got depths \(1,\)"):
        LocalGlobalResNetConfig(resnet=replace(RESNET, depths=(1,), widths=(4,)))
    with pytest.raises(ConfigError, match=r"enlarged must be at least 32 pixels or none, got 8"):
        LocalGlobalResNetConfig(resnet=RESNET, enlarged=8)
