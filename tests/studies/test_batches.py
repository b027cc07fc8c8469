"""Batches of images: a pure function of seed, step and place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carina.errors import ConfigError, StoreError
from carina.imaging.building import build_store
from carina.imaging.store import ImageStore
from carina.studies.batches import ImageBatches
from carina.training.objective import Place


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    folder = tmp_path_factory.mktemp("pictures")
    items = []
    for number in range(7):
        # Shapes (height, width) 16 x 20, 21, ..., so that no two have the same.
        levels = np.full((32, 40 + 2 * number), 10 * number + 5, dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{number}.png")
        items.append((f"{number}.png", folder / f"{number}.png"))
    build_store(items, folder / "store", 16, 1)
    return ImageStore.open(folder / "store")


def batches_of(store: ImageStore, size: int, seed: int = 0) -> ImageBatches:
    names = [f"study {key}" for key in store.keys]
    return ImageBatches(store.keys, names, store, size, seed)


@given(size=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_each_epoch_shows_every_image_once_and_drops_none(store, size: int, seed: int) -> None:
    batches = batches_of(store, size, seed)
    rows = np.concatenate([batches.rows_of(step) for step in range(7)])
    assert len(rows) == 7 * size
    for start in range(0, 7 * size, 7):
        assert sorted(rows[start : start + 7]) == list(range(7))


def test_steps_per_epoch_reach_every_image(store: ImageStore) -> None:
    # 7 images: 7 batches of 1, 4 of 2, 1 of 7, 1 of 20.
    assert [batches_of(store, n).steps_per_epoch for n in (1, 2, 7, 20)] == [7, 4, 1, 1]


def test_epochs_and_seeds_have_orders_of_their_own(store: ImageStore) -> None:
    orders = {
        tuple(batches_of(store, 7, seed).rows_of(epoch)) for seed in (0, 1) for epoch in range(4)
    }
    assert len(orders) == 8


@pytest.mark.parametrize("processes", [2, 3, 6])
def test_shares_of_processes_make_up_the_batch_of_one(store: ImageStore, processes: int) -> None:
    batches = batches_of(store, 6, seed=5)
    whole = batches.batch(3, Place())
    shares = [batches.batch(3, Place(rank=rank, processes=processes)) for rank in range(processes)]
    assert torch.equal(torch.cat([share.rows for share in shares]), whole.rows)
    assert sum((share.names for share in shares), ()) == whole.names
    assert [place for share in shares for place in share.places] == list(range(6))
    assert all((share.seed, share.step, share.batch_size) == (5, 3, 6) for share in shares)


def test_a_batch_is_the_same_whatever_was_read_before(store: ImageStore) -> None:
    alone = batches_of(store, 4).batch(9, Place())
    late = batches_of(store, 4)
    for step in (0, 30, 2, 8):
        late.batch(step, Place())
    assert torch.equal(late.batch(9, Place()).pixels, alone.pixels)


def test_pictures_are_padded_at_the_right_and_keep_their_sizes(store: ImageStore) -> None:
    batch = batches_of(store, 7).batch(0, Place())
    # The short side 32 becomes 16, so widths halve: 20 ... 26.
    assert batch.pixels.shape == (7, 1, 16, 26)
    for row, size, pixels in zip(batch.rows, batch.sizes, batch.pixels, strict=True):
        assert size.tolist() == [16, 20 + int(row)]
        width = int(size[1])
        assert (pixels[0, :, :width] == 10 * int(row) + 5).all()
        assert (pixels[0, :, width:] == 0).all()


def test_names_follow_the_rows(store: ImageStore) -> None:
    batch = batches_of(store, 5).batch(2, Place())
    assert batch.names == tuple(f"study {row}.png" for row in batch.rows.tolist())


def test_a_batch_moves_to_a_device(store: ImageStore) -> None:
    batch = batches_of(store, 2).batch(0, Place()).to(torch.device("meta"))
    assert {batch.pixels.device.type, batch.sizes.device.type, batch.rows.device.type} == {"meta"}


def test_images_that_are_not_in_the_store_are_refused(store: ImageStore) -> None:
    with pytest.raises(StoreError, match=r"lacks 1 of 2 images, such as 'x\.png'"):
        ImageBatches(["0.png", "x.png"], ["a", "b"], store, 2, 0)


def test_no_images_and_empty_batches_are_refused(store: ImageStore) -> None:
    with pytest.raises(ConfigError, match="no images to make batches of"):
        ImageBatches([], [], store, 2, 0)
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        ImageBatches(store.keys, store.keys, store, 0, 0)


def test_a_picture_of_the_store_is_not_changed_by_its_batch(store: ImageStore) -> None:
    before = {key: store[key].copy() for key in store.keys}
    batches_of(store, 7).batch(0, Place()).pixels.zero_()
    assert all(np.array_equal(store[key], before[key]) for key in store.keys)


def test_the_order_is_fixed_for_good() -> None:
    # Philox 4x64-10 with key (3, 1), as specified by Salmon et al., SC 2011: the raw stream is
    # part of the algorithm, so its ranks are the same on every machine and in every version.
    raw = np.random.Philox(key=np.array([3, 1], dtype=np.uint64)).random_raw(5)
    expected = sorted(range(5), key=lambda place: int(raw[place]))

    class Five:
        keys = ("a", "b", "c", "d", "e")

    batches = ImageBatches.__new__(ImageBatches)
    batches.keys, batches.batch_size, batches.seed = Five.keys, 5, 3
    assert batches.rows_of(1).tolist() == expected


def test_shared_store_folder_is_untouched(store: ImageStore, tmp_path: Path) -> None:
    assert not store.verify()
