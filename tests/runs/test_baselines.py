"""A supervised baseline: a network with fresh weights, named where a model folder could be."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from carina.encoders.supervised import DenseNetConfig, PlainResNetConfig
from carina.errors import ModelError
from carina.imaging.preprocessing import IMAGENET_224
from carina.runs import starts
from carina.runs.starts import BASELINES, opened_starts, with_channels

SMALL = DenseNetConfig(depths=(2, 2), growth=4, stem_width=8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same networks, in small."""
    assert BASELINES["densenet-121"] == DenseNetConfig()
    assert BASELINES["resnet-50"] == PlainResNetConfig()
    monkeypatch.setattr(starts, "BASELINES", {"densenet-121": SMALL})


def test_a_baseline_alone_sees_what_imagenet_sees_and_is_the_same_each_time() -> None:
    (first,), (second,) = (opened_starts([Path("densenet-121")], random_start=False) for _ in "ab")
    assert (first.name, first.pretrained) == ("densenet-121", False)
    assert first.preprocessing == IMAGENET_224
    for name, value in first.weights.items():
        torch.testing.assert_close(second.weights[name], value, rtol=0, atol=0)
    assert first.encoder().features(torch.rand(1, 3, 64, 64)).pooled.shape == (1, SMALL.dim)


def test_beside_a_pretrained_start_both_see_the_same(tiny_run: Path) -> None:
    pretrained, baseline = opened_starts([tiny_run, Path("densenet-121")], random_start=False)
    assert baseline.preprocessing == pretrained.preprocessing
    assert baseline.image == with_channels(SMALL, pretrained.preprocessing.channels)


def test_a_folder_of_that_name_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "densenet-121").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError):
        opened_starts([Path("densenet-121")], random_start=False)


def test_a_network_for_grey_pictures_differs_in_its_channels_alone() -> None:
    assert with_channels(SMALL, 1) == replace(SMALL, channels=1)
    grey = with_channels(PlainResNetConfig(), 1)
    assert grey.channels == 1
    assert grey.dim == 2048
