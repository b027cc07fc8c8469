"""Grounding phrases: whose maps come out where, and what is written of them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from carina.errors import ConfigError, ModelError, OutputError, QueryError, RadiographError
from carina.imaging.preprocessing import CentreCrop, Placement, Preprocessing, Squash
from carina.zeroshot.ask import LoadedModel
from carina.zeroshot.ground import ground, smoothed
from carina.zeroshot.grounded import Grounded, on_pixels
from carina.zeroshot.phrases import Phrase
from carina.zeroshot.protocol import EncodedPhrases, PhraseGrounder

from .conftest import BrightnessModel


class CornerModel(nn.Module):
    """Maps the brightness of each cell, times the number of letters, below zero throughout."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.preprocessing = Preprocessing(size=64, resize=Squash(), mean=(0.0,), std=(1.0,))
        self.value = value
        self.encoded: list[tuple[str, ...]] = []

    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        self.encoded.append(tuple(phrases))
        vectors = torch.tensor([[float(len(phrase))] for phrase in phrases])
        return EncodedPhrases(phrases=tuple(phrases), vectors=vectors)

    def ground(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        cells = nn.functional.adaptive_avg_pool2d(radiographs, 4) * self.value - 5
        return cells * phrases.vectors[:, 0, None, None]


def film(column: int, row: int) -> np.ndarray:
    """A black picture of 80 x 40 pixels with one bright cell of 20 x 10."""
    picture = np.zeros((40, 80), np.float32)
    picture[10 * row : 10 * row + 10, 20 * column : 20 * column + 20] = 1
    return picture


def test_the_map_of_each_phrase_is_put_back_on_each_radiograph() -> None:
    model = CornerModel()
    assert isinstance(model, PhraseGrounder)
    grounded = ground(model, [film(3, 0), film(1, 2)], ["mass", "edema"], batch_size=1)
    assert grounded.grids.shape == (2, 2, 4, 4)
    assert model.encoded == [("mass", "edema")]
    # At the picture's corner the value of the cell's centre, (70, 5), is held to the edge.
    assert grounded.peak(0, 0) == pytest.approx((75, 2.5), abs=1)
    assert grounded.peak(1, 1) == pytest.approx((30, 25), abs=1)
    heat = grounded.heatmap(1, 0)
    assert heat.shape == (40, 80)
    assert heat.min() == 0  # though the model's maps are all below zero


def test_a_model_of_queries_is_asked_the_phrase() -> None:
    grounded = LoadedModel(BrightnessModel()).ground([film(1, 2)], ["left mass"])
    assert grounded.peak(0, 0) == pytest.approx((30, 25), abs=6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (BrightnessModel(cells=0), "makes no heat-maps"),
        (nn.Identity(), "A Identity cannot ground phrases"),
        (CornerModel(value=float("nan")), "not a number"),
    ],
)
def test_models_that_cannot_ground_are_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ground(model, [film(0, 0)], ["mass"])


def test_a_picture_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(RadiographError, match="image 1: is 30 x 12 pixels, expected at least 16"):
        ground(CornerModel(), [np.zeros((12, 30), np.float32)], ["mass"])
    ground(CornerModel(), [np.zeros((16, 16), np.float32)], ["mass"])


def test_unreadable_images_are_named_and_the_others_grounded(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    grounded = ground(CornerModel(), [broken, film(0, 0)], ["mass"])
    assert len(grounded.images) == 1
    assert "broken.png" in grounded.unreadable[0]
    with pytest.raises(RadiographError, match="broken"):
        ground(CornerModel(), [broken], ["mass"])


def test_blur_of_a_point_is_a_gaussian() -> None:
    point = np.zeros((1, 41, 41))
    point[0, 20, 20] = 1
    blurred = smoothed(point, 1.5)[0]
    assert blurred.sum() == pytest.approx(1)
    # exp(-x^2 / (2 * 1.5^2)) at x = 1 and 3, in either direction.
    assert blurred[20, 21] / blurred[20, 20] == pytest.approx(np.exp(-1 / 4.5))
    assert blurred[17, 20] / blurred[20, 20] == pytest.approx(np.exp(-9 / 4.5))
    assert blurred[20, 27] == 0  # beyond four deviations


def test_blur_keeps_a_constant_map_and_zero_changes_nothing() -> None:
    np.testing.assert_allclose(smoothed(np.full((2, 3, 3), 7.0), 1.5), 7.0)
    grid = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    assert smoothed(grid, 0.0) is grid
    assert smoothed(grid, 1.0).dtype == np.float32


@pytest.mark.parametrize("deviation", [-1.0, float("nan"), float("inf")])
def test_a_blur_that_cannot_be_is_refused(deviation: float) -> None:
    with pytest.raises(ConfigError, match="smoothing must be 0 or more"):
        smoothed(np.zeros((4, 4)), deviation)


def test_what_the_model_did_not_see_speaks_for_nothing() -> None:
    placement = Placement(
        height=40, width=80, size=40, scaled_height=40, scaled_width=80, top=0, left=-20
    )
    heat = on_pixels(np.full((2, 2), -3.0) + np.eye(2), placement, 40, 80)
    assert heat[:, :20].max() == 0
    assert heat[0, 20] == pytest.approx(1)


def test_blur_and_enlargement_equal_the_official_ones_parity_maco(parity_dir: Path) -> None:
    recorded = json.loads((parity_dir / "maco" / "manifest.json").read_text())["grounding"]
    whole = Placement(
        height=224, width=224, size=224, scaled_height=224, scaled_width=224, top=0, left=0
    )
    with np.load(parity_dir / "maco" / "outputs.npz") as arrays:
        assert recorded
        for place in range(len(recorded)):
            raw = arrays[f"grounding.{place}.raw"].reshape(14, 14)
            blurred = smoothed(raw, 1.5)
            expected = arrays[f"grounding.{place}.smooth"].reshape(14, 14)
            np.testing.assert_allclose(blurred, expected, atol=2e-5, rtol=1e-4)
            enlarged = whole.to_original(blurred.astype(np.float32))[::4, ::4]
            shown = arrays[f"grounding.{place}.map"]
            np.testing.assert_allclose(enlarged, shown, atol=2e-5, rtol=1e-4)


def test_a_saved_folder_holds_a_picture_a_phrase_and_the_peaks(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    Image.fromarray((film(1, 2) * 255).astype(np.uint8)).save(path)
    out = tmp_path / "where"
    phrases = ["left <mass>", "edema / at the base"]
    grounded = ground(CornerModel(), [path, tmp_path / "none.png"], phrases)
    grounded.save(out)
    grounded.save(out)  # what was saved before is replaced
    written = json.loads((out / "phrases.json").read_text())
    assert [phrase["given"] for phrase in written["phrases"]] == phrases
    maps = written["images"][0]["maps"]
    assert maps[0]["peak"] == pytest.approx([30, 25], abs=1)
    for one in maps:
        assert (out / one["picture"]).is_file()
    page = (out / "index.html").read_text()
    assert "left &lt;mass&gt;" in page
    assert "1 image not answered" in page


def test_the_page_says_which_phrases_were_not_read_whole(tmp_path: Path) -> None:
    grounded = ground(CornerModel(), [film(0, 0)], ["mass"])
    phrase = Phrase(given="a. b.", read="a.", note="it is longer")
    Grounded(images=grounded.images, phrases=(phrase,), grids=grounded.grids).save(tmp_path / "o")
    assert "“a.”: it is longer" in (tmp_path / "o" / "index.html").read_text()


def test_other_files_are_not_replaced(tmp_path: Path) -> None:
    grounded = ground(CornerModel(), [film(0, 0)], ["mass"])
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 'notes\.txt'"):
        grounded.save(tmp_path)
    with pytest.raises(OutputError, match="is a file"):
        grounded.save(tmp_path / "notes.txt")


def test_phrases_are_checked_before_anything_is_read() -> None:
    with pytest.raises(QueryError, match="empty"):
        ground(CornerModel(), ["/no/such/file"], [" "])


def test_a_crop_is_put_back_where_it_was_taken() -> None:
    model = CornerModel()
    model.preprocessing = Preprocessing(size=64, resize=CentreCrop(), mean=(0.0,), std=(1.0,))
    picture = np.zeros((64, 128), np.float32)
    picture[:16, 32:48] = 1  # the first cell of the middle square
    grounded = ground(model, [picture], ["mass"])
    x, y = grounded.peak(0, 0)
    assert (x, y) == pytest.approx((36, 4), abs=4.1)
    assert grounded.heatmap(0, 0)[:, :32].max() == 0
