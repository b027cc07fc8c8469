import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from carina.encoders.chunks import encode_in_chunks
from carina.encoders.fusion import Fused, fused
from carina.encoders.modes import batch_norms, evaluating
from carina.encoders.packed import PackedBlock
from carina.encoders.resnet import Basic, Bottleneck, ResNetConfig, ResNetEncoder
from carina.errors import ConfigError

SMALL = ResNetConfig(block=Basic(), depths=(1, 1), widths=(8, 12), stem_width=4, channels=1, dim=10)


def count(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def with_statistics(config: ResNetConfig) -> ResNetEncoder:
    encoder = config.build()
    for norm in batch_norms(encoder):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return encoder


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        # torchvision's counts without the classifier: 25,557,032 - 2,049,000 and
        # 11,689,512 - 513,000.
        (ResNetConfig(depths=(3, 4, 6, 3), widths=(64, 128, 256, 512)), 23_508_032),
        (ResNetConfig(block=Basic(), depths=(2, 2, 2, 2), widths=(64, 128, 256, 512)), 11_176_512),
    ],
)
def test_backbones_have_as_many_parameters_as_published(
    config: ResNetConfig, parameters: int
) -> None:
    encoder = config.build()
    assert count(encoder) - count(encoder.hidden) - count(encoder.project) == parameters


@pytest.mark.parametrize(
    ("depths", "stride"), [((1,), 4), ((1, 1), 8), ((1, 1, 1), 16), ((1, 1, 1, 1), 32)]
)
def test_the_grid_has_one_feature_per_stride(depths: tuple[int, ...], stride: int) -> None:
    config = ResNetConfig(
        block=Basic(), depths=depths, widths=(4,) * len(depths), stem_width=4, channels=1, dim=6
    )
    features = config.build()(torch.randn(2, 1, 64, 96))
    assert config.stride == stride
    assert features.grid.shape == (2, 64 // stride, 96 // stride, 6)
    torch.testing.assert_close(features.pooled, features.tokens.mean(1))


def test_an_output_norm_centres_and_scales_every_feature_over_all_places() -> None:
    config = replace(SMALL, output_norm=True)
    torch.manual_seed(0)
    encoder = config.build()
    grid = encoder(torch.rand(8, config.channels, 32, 32) + 5).grid.flatten(0, 2)
    torch.testing.assert_close(grid.mean(0), torch.zeros(config.dim), atol=1e-5, rtol=0)
    torch.testing.assert_close(grid.var(0), torch.ones(config.dim), atol=0.03, rtol=0)


def test_tokens_lie_row_after_row() -> None:
    features = SMALL.build().eval()(torch.randn(1, 1, 32, 64))
    torch.testing.assert_close(features.tokens[0, 9], features.grid[0, 1, 1])


@pytest.mark.parametrize("block", [Basic(), Bottleneck()])
def test_folded_batch_norms_change_nothing(block: Basic | Bottleneck) -> None:
    config = ResNetConfig(block=block, depths=(2, 1), widths=(8, 12), channels=3, dim=10)
    encoder = with_statistics(config).eval()
    radiographs = torch.randn(2, 3, 32, 32)
    lean = fused(encoder)
    assert not batch_norms(lean)
    torch.testing.assert_close(
        lean(radiographs).grid, encoder(radiographs).grid, atol=1e-4, rtol=1e-4
    )


def test_the_fused_copy_follows_the_weights() -> None:
    encoder, cache = with_statistics(SMALL).eval(), Fused()
    first = cache.of(encoder)
    assert cache.of(encoder) is first
    with torch.no_grad():
        encoder.conv1.weight.mul_(2)
    second = cache.of(encoder)
    assert second is not first
    radiographs = torch.randn(1, 1, 32, 32)
    torch.testing.assert_close(
        second(radiographs).grid, encoder(radiographs).grid, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("block", [Basic(), Bottleneck()])
def test_packed_convolutions_take_batches_of_any_size(block: Basic | Bottleneck) -> None:
    config = ResNetConfig(block=block, depths=(2, 2), widths=(8, 12), stem_width=8, channels=3)
    encoder = with_statistics(config).eval()
    cache = copy.deepcopy(Fused())
    for shape in ((1, 3, 32, 32), (5, 3, 32, 32), (2, 3, 48, 40)):
        radiographs = torch.randn(shape)
        before = radiographs.clone()
        lean, plain = cache.of(encoder)(radiographs).grid, encoder(radiographs).grid
        largest = float(plain.detach().abs().max())
        torch.testing.assert_close(lean, plain, atol=1e-5 * largest, rtol=0)
        assert torch.equal(radiographs, before)
    assert any(isinstance(part, PackedBlock) for part in cache.of(encoder).modules())


def test_what_cannot_be_packed_is_only_fused() -> None:
    encoder = with_statistics(SMALL).eval().double()
    lean = fused(encoder)
    assert not any(isinstance(part, PackedBlock) for part in lean.modules())
    radiographs = torch.randn(2, 1, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(lean(radiographs).grid, encoder(radiographs).grid)


def test_a_copy_of_a_model_that_has_answered_answers_the_same() -> None:
    cache, encoder = Fused(), with_statistics(SMALL).eval()
    radiographs = torch.randn(1, 1, 32, 32)
    first = cache.of(encoder)(radiographs).grid
    copied = copy.deepcopy((cache, encoder))
    assert torch.equal(copied[0].of(copied[1])(radiographs).grid, first)


def test_a_batch_in_chunks_has_the_gradient_of_the_whole() -> None:
    encoder = with_statistics(SMALL).eval()
    radiographs = torch.randn(5, 1, 32, 32)
    gradients = []
    for chunks in (1, 3):
        encoder.zero_grad()
        features = encode_in_chunks(encoder, radiographs, chunks)
        (features.pooled @ features.pooled.T).square().sum().backward()
        gradients.append([value.grad.clone() for value in encoder.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-4)


def test_chunks_count_their_batch_statistics_once() -> None:
    encoder = with_statistics(SMALL).train()
    other = copy.deepcopy(encoder)
    radiographs = torch.randn(4, 1, 32, 32)
    encode_in_chunks(encoder, radiographs, 2).pooled.sum().backward()
    with torch.no_grad():
        for piece in radiographs.chunk(2):
            other(piece)
    for ours, theirs in zip(batch_norms(encoder), batch_norms(other), strict=True):
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        torch.testing.assert_close(ours.running_var, theirs.running_var)
        assert ours.num_batches_tracked.item() == theirs.num_batches_tracked.item() == 2


def test_modes_come_back_after_evaluating() -> None:
    encoder = SMALL.build().train()
    encoder.bn1.eval()
    with evaluating(encoder):
        assert not any(part.training for part in encoder.modules())
    assert encoder.training
    assert not encoder.bn1.training


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depths": (1, 1), "widths": (8,)}, "1 to 4 stages"),
        ({"depths": (), "widths": ()}, "1 to 4 stages"),
        ({"dim": 0}, "at least 1"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ResNetConfig(**wrong)
