import pytest
import torch

from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.unet import UNetDecoder, halved_widths
from carina.encoders.vit import ViTConfig

RESNET = ResNetConfig(block=Basic(), depths=(1, 1, 1), widths=(8, 16, 32), stem_width=4, dim=6)
VIT = ViTConfig(size=32, patch=8, dim=16, layers=1, heads=2, hidden=16)


@pytest.mark.parametrize("image", [RESNET, VIT])
def test_logits_lie_on_the_pixels_of_the_input(image: ResNetConfig | ViTConfig) -> None:
    encoder = image.build().eval()
    pictures = torch.randn(2, 3, 32, 32)
    maps = encoder.pyramid(pictures)
    assert [(m.shape[1], 32 // m.shape[2]) for m in maps] == list(image.levels)
    decoder = UNetDecoder(image.levels, channels=3, outputs=5).eval()
    assert decoder(maps, pictures).shape == (2, 5, 32, 32)


def test_every_finer_map_is_joined_once() -> None:
    decoder = UNetDecoder(RESNET.levels, channels=3, outputs=1)
    assert decoder.skips == [2, 1, 0, None]  # the last joins the input
    joined = [block.conv_block_1.conv.in_channels for block in decoder.up_blocks]
    assert joined == [16 + 16, 8 + 8, 8 + 4, 8 + 3]


def test_a_vit_has_only_its_input_to_join() -> None:
    decoder = UNetDecoder(VIT.levels, channels=3, outputs=1)
    assert decoder.skips == [None, None, None]
    assert decoder.up_blocks[-1].conv_block_1.conv.in_channels == 8 + 3


def test_the_coarsest_level_is_the_grid_of_the_encoder() -> None:
    encoder = RESNET.build().eval()
    pictures = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(encoder.pyramid(pictures)[-1], encoder.backbone(pictures))


def test_widths_halve_from_the_deepest_map() -> None:
    assert halved_widths(1024, 4) == (512, 256, 128, 64)
    assert halved_widths(32, 4) == (16, 8, 8, 8)
