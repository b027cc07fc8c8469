"""Batch norms over the batches of several processes, compared with torch's own over one batch."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from carina.encoders.synchronised import (
    SynchronisedBatchNorm,
    SynchronisedVectorNorm,
    synchronised,
)


@pytest.fixture
def group_of_one(tmp_path: Path) -> Iterator[None]:
    """A process group in which the sums over processes are those of this one."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/m", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def drawn(norm: nn.Module) -> nn.Module:
    """The norm with weights of its own, in float64."""
    generator = torch.Generator().manual_seed(1)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, generator=generator)
    return norm.double()


@pytest.mark.usefixtures("group_of_one")
@pytest.mark.parametrize(
    ("plain", "kind", "shape"),
    [
        (nn.BatchNorm2d, SynchronisedBatchNorm, (5, 3, 4, 2)),
        (nn.BatchNorm1d, SynchronisedVectorNorm, (5, 3)),
    ],
)
def test_values_gradients_and_statistics_are_torchs_own(
    plain: type[nn.Module], kind: type[nn.Module], shape: tuple[int, ...]
) -> None:
    given = torch.randn(shape, generator=torch.Generator().manual_seed(2)).double()
    expected, made = drawn(plain(3)), synchronised(drawn(plain(3)))
    assert isinstance(made, kind)
    for _ in range(2):
        results: list[tuple[Tensor, ...]] = []
        for norm in (expected, made):
            entered = given.clone().requires_grad_()
            out = norm(entered)
            (out * out.cos()).sum().backward()
            results.append((out, entered.grad, *norm.buffers()))
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other)


def test_norms_of_vectors_are_replaced_in_a_network_too() -> None:
    network = synchronised(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, momentum=0.3)))
    assert isinstance(network[1], SynchronisedVectorNorm)
    assert network[1].momentum == 0.3
