from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from carina.encoders.masked_decoder import MaskedDecoder, MaskedDecoderConfig
from carina.encoders.masked_vit import MaskedViT, MaskedViTConfig
from carina.encoders.masking import PatchMasks, draw_masks
from carina.encoders.patch_embedding import ConvolvedPatches
from carina.encoders.positions import MAEPositions, OfficialPositions, position_table
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError, ModelError
from carina.pretraining.published_mae import PublishedMAE, load_mae

VIT = ViTConfig(size=32, patch=8, dim=16, layers=2, heads=2, hidden=24, channels=1, dropout=0.0)
CONFIG = MaskedViTConfig(vit=VIT)


def encoder_of(config: MaskedViTConfig = CONFIG) -> MaskedViT:
    torch.manual_seed(0)
    return MaskedViT(config).eval()


def pictures(count: int = 2) -> Tensor:
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def test_positions_of_mae_equal_values_worked_by_hand() -> None:
    # dim 8: half 4, frequencies 10000^0 and 10000^(-1 / 2) = 0.01. Row 2 of 4: patch 1 of row 0.
    table = position_table(MAEPositions(), 8, 2)
    assert table.shape == (1, 5, 8)
    assert table[0, 0].tolist() == [0.0] * 8
    right = torch.tensor([0.841471, 0.0099998, 0.540302, 0.99995])
    torch.testing.assert_close(table[0, 2, :4], right, atol=1e-6, rtol=0)
    assert table[0, 2, 4:].tolist() == [0.0, 0.0, 1.0, 1.0]  # row 0
    torch.testing.assert_close(table[0, 3, 4:], right, atol=1e-6, rtol=0)  # row 1, column 0


def test_positions_of_the_official_code_turn_more_slowly() -> None:
    # Frequencies 1 and 10000^(-1 / 8) = 0.316228.
    table = position_table(OfficialPositions(), 8, 2)
    expected = torch.tensor([0.841471, 0.310984, 0.540302, 0.950415])
    torch.testing.assert_close(table[0, 2, :4], expected, atol=1e-6, rtol=0)


def test_seeing_all_patches_in_another_order_changes_nothing_but_the_order() -> None:
    encoder = encoder_of()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2)).expand(2, -1)
    whole, shuffled = encoder(pictures()), encoder(pictures(), order)
    torch.testing.assert_close(shuffled[:, 0], whole[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(shuffled[:, 1:], whole[:, 1:][:, order[0]], atol=1e-5, rtol=1e-4)


def test_removed_patches_are_not_seen() -> None:
    encoder, given = encoder_of(), pictures()
    kept = torch.tensor([[0, 5, 6], [0, 5, 6]])
    changed = given.clone()
    changed[:, :, 8:16, :8] += 3.0  # patch 4
    changed[:, :, 24:, 24:] -= 3.0  # patch 15
    torch.testing.assert_close(encoder(given, kept), encoder(changed, kept))
    changed[:, :, 8:16, 8:16] += 3.0  # patch 5
    assert not torch.allclose(encoder(given, kept), encoder(changed, kept))


@pytest.mark.parametrize("side", [4, 64])
def test_pictures_of_another_size_are_refused(side: int) -> None:
    with pytest.raises(ConfigError, match=rf"32 x 32 pixels, got {side} x {side}"):
        encoder_of()(torch.zeros(1, 1, side, side))


def test_a_width_that_no_table_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dim must be a multiple of 4, got 18"):
        MaskedViTConfig(vit=replace(VIT, dim=18))
    with pytest.raises(ConfigError, match=r"dim must be a multiple of 4, got 6"):
        MaskedDecoderConfig(dim=6, heads=2)


def test_settings_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"leave final_norm true"):
        MaskedViTConfig(vit=replace(VIT, final_norm=False))
    with pytest.raises(ConfigError, match=r"at least 1"):
        MaskedDecoderConfig(resolution=0)
    with pytest.raises(ConfigError, match=r"heads \(5\) must divide dim \(768\)"):
        MaskedDecoderConfig(heads=5)


def test_masks_keep_the_patches_of_least_noise() -> None:
    masks = PatchMasks.lowest(torch.tensor([[0.3, 0.1, 0.9, 0.2]]), 2)
    assert masks.kept.tolist() == [[1, 3]]
    assert masks.removed.tolist() == [[1.0, 0.0, 1.0, 0.0]]
    # Patch 0 is the third token of [1, 3, 0, 2], patch 1 the first.
    assert masks.restore.tolist() == [[2, 0, 3, 1]]


def test_a_row_has_its_mask_whoever_draws_it() -> None:
    whole = draw_masks(seed=3, step=7, places=range(6), patches=16, kept=8)
    part = draw_masks(seed=3, step=7, places=range(2, 4), patches=16, kept=8)
    assert part.kept.tolist() == whole.kept[2:4].tolist()
    other = draw_masks(seed=3, step=8, places=range(6), patches=16, kept=8)
    assert other.kept.tolist() != whole.kept.tolist()
    assert len({tuple(row) for row in whole.removed.tolist()}) == 6


def test_every_patch_is_kept_about_equally_often() -> None:
    removed = torch.cat(
        [
            draw_masks(seed=0, step=step, places=range(50), patches=16, kept=8).removed
            for step in range(20)
        ]
    )
    # 1,000 draws of one half: the deviation of a share is 0.016.
    assert (removed.mean(0) - 0.5).abs().max() < 0.08


def test_the_decoder_puts_every_patch_in_its_place() -> None:
    torch.manual_seed(0)
    decoder = MaskedDecoder(MaskedDecoderConfig(dim=16, layers=0 + 1, heads=2, hidden=24), CONFIG)
    assert decoder.pred.out_features == 16 * 16
    noise = torch.rand(1, 16, generator=torch.Generator().manual_seed(4))
    masks = PatchMasks.lowest(noise, 8)
    tokens = torch.randn(1, 9, 16, generator=torch.Generator().manual_seed(5))
    # The same tokens in another order, told so: nothing changes.
    order = torch.randperm(8, generator=torch.Generator().manual_seed(6))
    moved = torch.cat([tokens[:, :1], tokens[:, 1:][:, order]], dim=1)
    place_of = torch.cat([order.argsort(), torch.arange(8, 16)])
    restore = place_of[masks.restore]
    torch.testing.assert_close(
        decoder(moved, restore), decoder(tokens, masks.restore), atol=1e-5, rtol=1e-4
    )


def test_published_weights_are_put_in_and_their_table_is_kept(tmp_path) -> None:
    source, target = encoder_of(replace(CONFIG, positions=OfficialPositions())), MaskedViT(CONFIG)
    state = {key: value.clone() for key, value in source.state_dict().items()}
    extra = {"decoder_embed.weight": torch.ones(2, 2), "head.bias": torch.ones(3)}
    save_file({**state, **extra}, tmp_path / "mae.safetensors")
    load_mae(target, tmp_path / "mae.safetensors")
    torch.testing.assert_close(target(pictures()), source(pictures()))


def test_weights_of_another_network_are_refused(tmp_path) -> None:
    state = {key: value.clone() for key, value in encoder_of().state_dict().items()}
    del state["norm.bias"]
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"lacks 1 of the image encoder's weights: norm\.bias"):
        load_mae(encoder_of(), tmp_path / "other.safetensors")
    (tmp_path / "pickle.pth").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ModelError, match=r"cannot be read as safetensors"):
        load_mae(encoder_of(), tmp_path / "pickle.pth")


def test_fresh_weights_in_place_of_published_ones_are_said(caplog) -> None:
    PublishedMAE().start(encoder_of())
    assert "starts from fresh weights; the paper's starts from MAE's ViT-B/16" in caplog.text


def test_a_small_network_can_embed_the_patches() -> None:
    network = ResNetConfig(block=Basic(), depths=(1, 1), widths=(4, 8), stem_width=4, channels=1)
    embedding = ConvolvedPatches(network=replace(network, dim=16))
    encoder = encoder_of(MaskedViTConfig(vit=VIT, embedding=embedding))
    grid = encoder.patch_embed(pictures())
    assert grid.shape == (2, 16, 16)
    kept = torch.tensor([[3, 7], [1, 2]])
    assert encoder(pictures(), kept).shape == (2, 3, 16)


def test_a_network_whose_features_are_no_patches_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stride, channels and dim \(16, 3, 768\); expected"):
        MaskedViTConfig(vit=VIT, embedding=ConvolvedPatches())
