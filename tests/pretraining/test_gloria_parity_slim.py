"""A slice of the official numbers that every clone has: GLoRIA's maps, likeness and squares."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from carina.losses.local_alignment import (
    AveragedWords,
    SummedWords,
    local_likeness,
    matched,
    paired_maps,
)
from carina.pretraining.entity_maps import SquareWindow

sys.path.insert(0, str(Path(__file__).parents[1]))
from parity_formula import sample

TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}
LENGTHS = torch.tensor([12, 7, 3, 9])
FACTOR = 0.7


@pytest.fixture(scope="module")
def case() -> dict[str, torch.Tensor]:
    found = np.load(Path(__file__).with_name("gloria_slim.npz"))
    return {name: torch.from_numpy(value) for name, value in found.items()}


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    places = sample("input:gloria/small_context", (4, 24, 14, 14)).flatten(2).transpose(1, 2)
    words = sample("input:gloria/small_words", (4, 24, 12)).transpose(1, 2)
    return FACTOR * places.contiguous(), (FACTOR * words).contiguous().requires_grad_()


def test_parity_gloria_slim_maps(case: dict[str, torch.Tensor]) -> None:
    places, words = inputs()
    maps = paired_maps(places, words, torch.ones(4, 12, dtype=torch.bool), 4.0)[:2]
    expected = case["small.map_t4"].flatten(2)
    torch.testing.assert_close(maps.detach(), expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("name", "temperature", "pooling", "scale"),
    [
        ("default", 4.0, SummedWords(), 10.0),
        ("mean", 4.0, AveragedWords(), 10.0),
        ("temps_1_2_3", 1.0, SummedWords(temperature=2.0), 3.0),
    ],
)
def test_parity_gloria_slim_likeness(
    case: dict[str, torch.Tensor],
    name: str,
    temperature: float,
    pooling: SummedWords | AveragedWords,
    scale: float,
) -> None:
    places, words = inputs()
    counted = torch.arange(12) < LENGTHS[:, None]
    logits = scale * local_likeness(
        places, words, counted, temperature=temperature, pooling=pooling, captions_at_once=3
    )
    torch.testing.assert_close(logits.detach(), case[f"small.logits_{name}"], **TOLERANCE)
    both = [matched(one, first=0)[0] / 4 for one in (logits, logits.T)]
    assert [one.item() for one in both] == pytest.approx(case[f"loss.{name}"].tolist(), rel=1e-5)
    if name == "default":
        sum(both).backward()
        gradient = words.grad.transpose(1, 2)
        torch.testing.assert_close(gradient, case["small.grad_words"], atol=1e-4, rtol=2e-3)


def test_parity_gloria_slim_squares(case: dict[str, torch.Tensor]) -> None:
    maps = torch.stack([case[f"entity_map.{number}"] for number in range(3)])[:, None]
    window = SquareWindow()
    torch.testing.assert_close(window.sums(maps), case["window.sums"], atol=1e-5, rtol=1e-4)
    assert window.corners(maps).tolist() == case["window.corner"].tolist()
