"""The image store behind a `DataLoader`: same pictures, whatever the workers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, StackDataset, TensorDataset

from carina.errors import StoreError
from carina.imaging.building import build_store
from carina.imaging.preprocessing import CentreCrop, Preprocessing, Squash
from carina.imaging.shards import Codec, JpegCodec, RawCodec
from carina.imaging.store import ImageStore
from carina.imaging.torch_dataset import StoredRadiographs

PREPROCESSING = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))


def packed(folder: Path, codec: Codec) -> ImageStore:
    """Eight pictures, each of one grey level, 10 times its number, and of two shapes."""
    items = []
    for number in range(8):
        path = folder / f"{number}.png"
        Image.new("L", ((48, 64), (64, 48))[number % 2], 10 * number).save(path)
        items.append((path.name, path))
    build_store(items, folder / "store", 32, processes=1, codec=codec)
    return ImageStore.open(folder / "store")


@pytest.mark.parametrize("codec", [RawCodec(), JpegCodec(quality=95)])
def test_a_picture_is_standardised_as_the_model_wants_it(codec: Codec, tmp_path: Path) -> None:
    dataset = StoredRadiographs(packed(tmp_path, codec), PREPROCESSING, ["7.png", "0.png"])
    assert len(dataset) == 2
    assert dataset[0].shape == (1, 32, 32)
    # Level 70 of 255: (70 / 255 - 0.5) / 0.25
    torch.testing.assert_close(dataset[0], torch.full((1, 32, 32), -0.901961))
    torch.testing.assert_close(dataset[1], torch.full((1, 32, 32), -2.0))


def test_all_pictures_come_in_the_order_of_their_keys(tmp_path: Path) -> None:
    store = packed(tmp_path, RawCodec())
    dataset = StoredRadiographs(store, PREPROCESSING)
    levels = [round((float(picture.mean()) * 0.25 + 0.5) * 255) for picture in dataset]
    assert levels == [0, 10, 20, 30, 40, 50, 60, 70]
    assert dataset.keys == store.keys


def test_a_centre_crop_keeps_the_middle(tmp_path: Path) -> None:
    levels = np.zeros((32, 96), dtype=np.uint8)
    levels[:, 32:64] = 255
    Image.fromarray(levels).save(tmp_path / "a.png")
    build_store([("a", tmp_path / "a.png")], tmp_path / "store", 32, processes=1)
    crop = Preprocessing(size=32, resize=CentreCrop(), mean=(0.0,) * 3, std=(1.0,) * 3)
    picture = StoredRadiographs(ImageStore.open(tmp_path / "store"), crop)[0]
    torch.testing.assert_close(picture, torch.ones(3, 32, 32))


@pytest.mark.parametrize(("workers", "start"), [(0, None), (2, "fork"), (2, "spawn")])
def test_workers_give_the_pictures_of_one_process(
    workers: int, start: str | None, tmp_path: Path
) -> None:
    pictures = StoredRadiographs(packed(tmp_path, JpegCodec(quality=90)), PREPROCESSING)
    pictures[0]  # a shard is mapped already when workers are forked
    labels = TensorDataset(torch.arange(8))
    loader = DataLoader(
        StackDataset(pictures, labels),
        batch_size=3,
        num_workers=workers,
        multiprocessing_context=start,
    )
    batches = list(loader)
    assert [len(batch) for batch, _ in batches] == [3, 3, 2]
    told = torch.cat([label for _, (label,) in batches])
    assert told.tolist() == list(range(8))
    torch.testing.assert_close(
        torch.cat([batch for batch, _ in batches]), torch.stack(list(pictures))
    )


def test_pictures_that_the_store_lacks_are_refused(tmp_path: Path) -> None:
    store = packed(tmp_path, RawCodec())
    with pytest.raises(StoreError, match=r"lacks 1 of 2 images, such as 'gone\.png'"):
        StoredRadiographs(store, PREPROCESSING, ["1.png", "gone.png"])
