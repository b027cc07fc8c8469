from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from carina.conversion.torchvision import write_safetensors
from carina.errors import ConversionError


def test_a_pth_file_becomes_safetensors_under_the_same_names(tmp_path: Path) -> None:
    weights = {"conv1.weight": torch.randn(2, 3, 4).transpose(0, 1), "bn1.bias": torch.randn(5)}
    torch.save(weights, tmp_path / "resnet50.pth")
    written = write_safetensors(tmp_path / "resnet50.pth", tmp_path / "resnet50.safetensors")
    again = load_file(written)
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[key], value) for key, value in weights.items())


@pytest.mark.parametrize(
    ("content", "found"), [({"state_dict": {"a": torch.ones(1)}}, "state_dict"), ({}, "nothing")]
)
def test_what_is_no_plain_dictionary_of_tensors_is_refused(
    content: dict, found: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ConversionError, match=f"found {found}"):
        write_safetensors(tmp_path / "other.pth", tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


def test_a_network_that_training_does_not_start_from_is_refused(tmp_path: Path) -> None:
    torch.save({"features.conv0.weight": torch.ones(1)}, tmp_path / "densenet.pth")
    with pytest.raises(ConversionError, match=r"in no table, such as features\.conv0\.weight"):
        write_safetensors(tmp_path / "densenet.pth", tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


class Harmful:
    def __reduce__(self) -> tuple:
        return print, ("run",)


def test_nothing_in_a_pth_file_is_executed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"conv1.weight": Harmful()}, tmp_path / "harm.pth")
    with pytest.raises(ConversionError, match="refused"):
        write_safetensors(tmp_path / "harm.pth", tmp_path / "harm.safetensors")
    assert capsys.readouterr().out == ""
