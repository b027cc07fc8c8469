import pytest
import torch

from carina.encoders.fusion import fused
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError

SMALL = ViTConfig(size=32, patch=8, dim=12, layers=2, heads=3, hidden=16, channels=1)


def test_vit_b16_has_as_many_parameters_as_published() -> None:
    with torch.device("meta"):
        encoder = ViTConfig().build()
    # timm's 86,567,656 without the classifier's 769,000.
    assert sum(value.numel() for value in encoder.parameters()) == 85_798_656


def test_the_grid_lies_as_the_patches_do() -> None:
    encoder = SMALL.build().eval()
    torch.nn.init.normal_(encoder.pos_embed)
    picture = torch.zeros(1, 1, 32, 32)
    changed = picture.clone()
    changed[..., 8:16, 24:32] = 1.0
    # One patch differs on the way in: row 1, column 3 is token 1 + 7.
    moved = (encoder._embed(changed) - encoder._embed(picture)).abs().sum(-1)[0]
    assert moved.nonzero().flatten().tolist() == [1 + 7]
    assert encoder(picture).grid.shape == (1, 4, 4, 12)


def test_a_vit_has_nothing_to_fuse() -> None:
    encoder = SMALL.build()
    assert fused(encoder) is encoder


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 30}, "multiple of patch"),
        ({"heads": 5}, "divide dim"),
        ({"layers": 0}, "at least 1"),
        ({"dropout": -0.1}, "dropout"),
    ],
)
def test_a_vit_that_cannot_be_built_is_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ViTConfig(**{"size": 32, "patch": 8, "dim": 12, "heads": 3, **wrong})
