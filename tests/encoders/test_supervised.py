"""The supervised baseline's networks have the published sizes, shapes and names."""

import pytest
import torch

from carina.encoders.supervised import DenseNetConfig, PlainResNetConfig
from carina.errors import ConfigError

SMALL = DenseNetConfig(depths=(2, 2), growth=4, stem_width=8)


def test_densenet_121_has_the_published_number_of_weights() -> None:
    # torchvision's densenet121 has 7,978,856, of which its classifier 1,024 * 1,000 + 1,000.
    network = DenseNetConfig().build()
    assert sum(weight.numel() for weight in network.parameters()) == 7_978_856 - 1_025_000
    names = set(network.state_dict())
    assert "body.denseblock4.denselayer16.conv2.weight" in names
    assert {"body.conv0.weight", "body.transition3.norm.weight", "body.norm5.bias"} <= names


def test_resnet_50_has_the_published_number_of_weights() -> None:
    # torchvision's resnet50 has 25,557,032, of which its classifier 2,048 * 1,000 + 1,000.
    network = PlainResNetConfig().build()
    assert sum(weight.numel() for weight in network.parameters()) == 25_557_032 - 2_049_000


@pytest.mark.parametrize("config", [SMALL, PlainResNetConfig()])
def test_every_map_has_the_channels_and_the_stride_that_the_config_tells(
    config: DenseNetConfig | PlainResNetConfig,
) -> None:
    network = config.build().eval()
    radiographs = torch.rand(2, config.channels, 64, 64)
    with torch.no_grad():
        maps = network.pyramid(radiographs)
        features = network.features(radiographs)
    assert [(m.shape[1], 64 // m.shape[2]) for m in maps] == list(config.levels)
    assert features.grid.shape == (2, 64 // config.stride, 64 // config.stride, config.dim)
    torch.testing.assert_close(features.pooled, features.grid.mean((1, 2)))
    torch.testing.assert_close(features.grid, maps[-1].permute(0, 2, 3, 1), rtol=1e-3, atol=1e-3)


def test_a_layer_adds_its_growth_behind_what_was_there() -> None:
    # Stem 8; two layers of 4 make 16, halved to 8; two layers of 4 make 16.
    assert SMALL.widths == (16, 16)
    layer = SMALL.build().eval().get_submodule("body.denseblock1.denselayer1")
    maps = torch.rand(1, 8, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(layer(maps)[:, :8], maps)
        assert layer(maps).shape == (1, 12, 5, 5)


def test_a_densenet_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        DenseNetConfig(depths=())
