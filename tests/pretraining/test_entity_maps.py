"""Maps of entities: kept in a file, moved with their pictures, made into windows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import Tensor

from carina.errors import ManifestError, StoreError
from carina.imaging.augmentation import BatchShare, NoAugmentation, WarpAugmentation
from carina.imaging.preprocessing import (
    CentreCrop,
    Letterbox,
    LetterboxCrop,
    Preprocessing,
    ResizeRule,
    Squash,
    prepare_levels,
)
from carina.imaging.store import ImageStore
from carina.pretraining.entity_maps import (
    EntityMapper,
    EntityMaps,
    EntityText,
    EntityTexts,
    SoftWindow,
    SquareWindow,
    Window,
    moved,
    over_picture,
    write_entity_maps,
)
from carina.pretraining.entity_texts import (
    ByRules,
    DistilledEntities,
    DistilledSentences,
    FromManifest,
)
from carina.pretraining.pairs import Pairs
from carina.study import Assertion, Entity, EntityKind, Report

SIZES = torch.tensor([[120, 100], [100, 140]])
SHARE = BatchShare(seed=1, step=2, rows=range(2), batch_size=2)


def entity(name: str, assertion: Assertion, severity: str | None = None) -> Entity:
    return Entity(
        name=name,
        text=name,
        kind=EntityKind.OBSERVATION,
        assertion=assertion,
        start=0,
        end=len(name),
        severity=severity,
    )


def smooth_pictures() -> tuple[Tensor, Tensor]:
    """Stored pictures of two shapes, and the same as maps of 40 x 40 cells."""
    pixels = torch.zeros(2, 1, 120, 140, dtype=torch.uint8)
    maps = []
    for row, (height, width) in enumerate(SIZES.tolist()):
        down, across = np.mgrid[:height, :width]
        grey = 120 + 60 * np.sin(across / width * 5) + 60 * np.cos(down / height * 6)
        pixels[row, 0, :height, :width] = torch.from_numpy(grey.astype(np.uint8))
        whole = pixels[row : row + 1, :, :height, :width].float() / 255
        maps.append(F.interpolate(whole, (40, 40), mode="area")[0])
    return pixels, torch.stack(maps)


@pytest.mark.parametrize(
    "augmentation",
    [
        WarpAugmentation(
            scale=(0.5, 0.9), rotation_degrees=12.0, flip=0.5, brightness=0.0, contrast=0.0
        ),
        NoAugmentation(resize=CentreCrop()),
        NoAugmentation(resize=Letterbox()),
        NoAugmentation(resize=Squash()),
        NoAugmentation(resize=LetterboxCrop(kept=0.8)),
    ],
)
def test_a_map_moves_as_its_picture_does(augmentation: WarpAugmentation | NoAugmentation) -> None:
    pixels, maps = smooth_pictures()
    pictures = augmentation(pixels, SIZES, 64, SHARE)
    along = moved(maps, augmentation, SIZES, SHARE, 64)
    # Only where the picture ends may the two differ: one fades, the other stops.
    assert (pictures - along).abs().median() < 0.01
    assert (pictures - along).abs().mean() < 0.01
    smaller = moved(maps, augmentation, SIZES, SHARE, 16)
    expected = F.interpolate(along, (16, 16), mode="bilinear")
    # Letterboxes round the sides of the picture to whole pixels, 16 more coarsely than 64.
    assert (smaller - expected).abs().median() < 0.04


def test_a_flip_mirrors_the_map() -> None:
    maps = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    flip = WarpAugmentation(scale=(1.0, 1.0), aspect=(1.0, 1.0), rotation_degrees=0.0, flip=1.0)
    torch.testing.assert_close(moved(maps, flip, SIZES, SHARE, 6), maps.flip(3))


@pytest.mark.parametrize("rule", [Squash(), CentreCrop(), Letterbox()])
def test_a_map_over_the_input_is_put_back_over_the_picture(rule: ResizeRule) -> None:
    pixels, maps = smooth_pictures()
    wanted = Preprocessing(size=64, resize=rule, mean=(0.0,), std=(1.0,))
    for row, (height, width) in enumerate(SIZES.tolist()):
        seen, placement = prepare_levels(pixels[row, 0, :height, :width].numpy(), wanted)
        found = torch.from_numpy(over_picture(seen[0].numpy(), placement))
        expected = F.interpolate(maps[row : row + 1], (64, 64), mode="bilinear")[0, 0]
        assert found.mean().item() == pytest.approx(1)
        inner = (slice(18, 46), slice(18, 46))  # which each rule leaves in the picture
        ratio = found[inner] / expected[inner]
        assert (ratio / ratio.mean() - 1).abs().max() < 0.05


def test_the_soft_window_has_mean_one() -> None:
    maps = torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    weights = SoftWindow()(maps, 8)
    torch.testing.assert_close(weights.mean((1, 2, 3)), torch.ones(2))
    assert torch.equal(weights[1], torch.ones(1, 8, 8))
    assert weights[0, 0, 7, 7] > weights[0, 0, 0, 7] > weights[0, 0, 7, 0]


def test_the_square_holds_most_of_the_map() -> None:
    maps = torch.ones(3, 1, 14, 14)
    maps[0, 0, 0, 0] = 2  # upper left
    maps[1, 0, 13, 13] = 2  # lower right; the third map is flat
    window = SquareWindow()
    assert window.corners(maps).tolist() == [[0, 0], [2, 2], [1, 1]]
    weights = window(maps, 28)
    assert weights.sum((1, 2, 3)).tolist() == [24 * 24] * 3
    assert weights[1, 0, 4:, 4:].min() == 1
    assert weights[2, 0, 2:26, 2:26].min() == 1


def test_of_equal_squares_the_first_is_taken() -> None:
    maps = torch.ones(1, 1, 14, 14)
    maps[0, 0, 6, 6] = 5  # all nine squares hold it
    assert SquareWindow().corners(maps).tolist() == [[0, 0]]


def test_windows_are_windows() -> None:
    for kind in (SoftWindow(), SquareWindow()):
        assert isinstance(kind, Window)


class LeftOrRight:
    """A model whose map is on the left for a mass and on the right for all else."""

    preprocessing = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))

    def entity_maps(self, radiographs: Tensor, texts: Sequence[EntityText]) -> Tensor:
        maps = torch.zeros(len(radiographs), 4, 4)
        for one, text in zip(maps, texts, strict=True):
            one[:, slice(0, 2) if "mass" in text.entities else slice(2, 4)] = 1 / 8
            if not text.entities:
                one[:] = 1 / 16
        return maps


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    from PIL import Image

    from carina.imaging.building import build_store

    folder = tmp_path_factory.mktemp("pictures")
    for name in ("b", "a", "c"):
        Image.fromarray(np.full((40, 50), 99, dtype=np.uint8)).save(folder / f"{name}.png")
    items = [(f"{name}.png", folder / f"{name}.png") for name in ("b", "a", "c")]
    build_store(items, folder / "store", 32, processes=1)
    return ImageStore.open(folder / "store")


def pairs() -> Pairs:
    entities = (
        (entity("nodule", Assertion.PRESENT),),
        (entity("mass", Assertion.PRESENT), entity("edema", Assertion.ABSENT)),
        (),
    )
    return Pairs(
        keys=("b.png", "a.png", "c.png"),
        names=("s1", "s2", "s3"),
        reports=(Report(text="x"),) * 3,
        entities=entities,
    )


def test_maps_are_kept_and_read_by_key(store: ImageStore, tmp_path: Path) -> None:
    path = tmp_path / "maps.safetensors"
    model = LeftOrRight()
    assert isinstance(model, EntityMapper)
    texts = DistilledEntities(source=ByRules())
    assert isinstance(texts, EntityTexts)
    written = write_entity_maps(model, pairs(), texts, store, path)
    opened = EntityMaps.open(path)
    assert len(opened) == 3
    assert opened.pointless == written.pointless == 1
    maps = opened.of(["a.png", "b.png", "c.png", "a.png"])
    torch.testing.assert_close(maps, written.of(["a.png", "b.png", "c.png", "a.png"]))
    left = torch.tensor([2.0, 2.0, 0.0, 0.0]).repeat(4, 1)
    torch.testing.assert_close(maps[:, 0], torch.stack([left, 2 - left, left * 0 + 1, left]))


def test_an_image_without_a_map_is_named() -> None:
    maps = EntityMaps(["a"], np.ones((1, 2, 2), dtype=np.float16), np.array([True]))
    with pytest.raises(StoreError, match=r"no entity map of 1 of 2 images, such as 'b'"):
        maps.of(["a", "b"])


def test_a_damaged_file_of_maps_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "maps.safetensors"
    with pytest.raises(StoreError, match=r"cannot be read as entity maps"):
        EntityMaps.open(path)
    path.write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"cannot be read as entity maps"):
        EntityMaps.open(path)
    content = {
        "keys": np.frombuffer(b"a\nb", dtype=np.uint8),
        "maps": np.ones((1, 2, 2), dtype=np.float16),
        "found": np.array([True]),
    }
    save_file(content, path)
    with pytest.raises(StoreError, match=r"has 1 entity maps for 2 images"):
        EntityMaps.open(path)


def test_what_is_there_is_looked_for_and_else_what_is_denied() -> None:
    texts = DistilledEntities(source=ByRules())
    found = texts.of(
        Report(text="x"),
        [
            entity("pneumothorax", Assertion.ABSENT),
            entity("pleural effusion", Assertion.PRESENT, "small"),
            entity("mass", Assertion.UNCERTAIN),
        ],
    )
    assert found.entities == ("pleural effusion", "mass")
    assert found.text == "there is small pleural effusion. there may be mass."
    denied = texts.of(Report(text="x"), [entity("pneumothorax", Assertion.ABSENT)])
    assert denied == EntityText(text="there is no pneumothorax.", entities=("pneumothorax",))
    assert texts.of(Report(text="x"), []) == EntityText(text="", entities=())


def test_captions_are_sentences_of_the_distilled_report() -> None:
    report = Report(text="Findings as before.", distilled="There is no edema. There is mass.")
    pieces = DistilledSentences(present=2).of(report, [])
    assert pieces == ("there is no edema.", "there is mass.", "there is mass.")
    nothing = Report(text="Findings as before.", distilled="")
    assert DistilledSentences().of(nothing, []) == ("findings as before.",)


def test_a_report_never_distilled_is_said() -> None:
    with pytest.raises(ManifestError, match=r"never distilled; expected the sentences"):
        FromManifest().of(Report(text="x"), [])


def test_pieces_said_no_time_are_refused() -> None:
    from carina.errors import ConfigError

    with pytest.raises(ConfigError, match=r"present must be at least 1, got 0"):
        DistilledSentences(present=0)
