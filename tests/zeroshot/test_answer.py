"""Answers: maps on the right pixels, and files that hold what was answered."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from carina.errors import OutputError
from carina.imaging.preprocessing import (
    CentreCrop,
    Letterbox,
    Preprocessing,
    ResizeRule,
    Squash,
)
from carina.zeroshot import answer as answer_module
from carina.zeroshot.answer import Answer, inert, unique_slugs
from carina.zeroshot.ask import ask

MakeModel = Callable[..., nn.Module]


@pytest.fixture
def answer(model: nn.Module, films: list[Path]) -> Answer:
    return ask(model, films[1:3], ["mass", "pleural effusion"])


def landmark(height: int, width: int, row: int, col: int) -> np.ndarray:
    film = np.zeros((height, width), np.float32)
    film[row - 12 : row + 12, col - 12 : col + 12] = 1
    return film


@pytest.mark.parametrize("resize", [Squash(), CentreCrop(), Letterbox()])
@pytest.mark.parametrize(
    ("height", "width", "row", "col"),
    [(300, 500, 90, 340), (500, 300, 350, 80), (256, 256, 50, 200)],
)
def test_the_map_peaks_at_the_landmark_on_the_original_pixels(
    make_model: MakeModel, resize: ResizeRule, height: int, width: int, row: int, col: int
) -> None:
    preprocessing = Preprocessing(size=128, resize=resize, mean=(0.0,), std=(1.0,))
    answer = ask(make_model(preprocessing, cells=16), [landmark(height, width, row, col)], ["mass"])
    heatmap = answer.heatmap(0, 0)
    assert heatmap is not None
    assert heatmap.shape == (height, width)
    assert heatmap.dtype == np.float32
    peak = np.unravel_index(heatmap.argmax(), heatmap.shape)
    # A cell of the coarsest map here spans 500 / 16 = 31 pixels.
    assert abs(peak[0] - row) <= 24
    assert abs(peak[1] - col) <= 24


def test_what_was_cropped_away_is_zero_on_the_map(make_model: MakeModel) -> None:
    preprocessing = Preprocessing(size=64, resize=CentreCrop(), mean=(0.0,), std=(1.0,))
    answer = ask(make_model(preprocessing), [np.ones((100, 300), np.float32)], ["mass"])
    heatmap = answer.heatmap(0, 0)
    assert heatmap is not None
    assert (heatmap[:, :99] == 0).all()
    assert (heatmap[:, 201:] == 0).all()
    assert heatmap[:, 101:199].min() == pytest.approx(1, abs=1e-5)


def test_a_small_map_is_the_map_on_fewer_pixels(make_model: MakeModel) -> None:
    answer = ask(make_model(), [landmark(240, 160, 60, 110)], ["mass"])
    heatmap, small = answer.heatmap(0, 0), answer.small_heatmap(0, 0, 60, 40)
    assert heatmap is not None
    assert small is not None
    blocks = heatmap.reshape(60, 4, 40, 4).mean((1, 3))
    np.testing.assert_allclose(small, blocks, atol=0.1 * heatmap.max())


def test_a_model_without_maps_gives_none(
    make_model: MakeModel, films: list[Path], tmp_path: Path
) -> None:
    answer = ask(make_model(cells=0), films, ["mass"])
    assert answer.grids is None
    assert answer.heatmap(0, 0) is None
    assert answer.small_heatmap(0, 0, 10, 10) is None
    answer.save(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "index.html",
        "scores.csv",
        "scores.json",
    ]


def test_saved_scores_read_back_exactly(answer: Answer, tmp_path: Path) -> None:
    answer.save(tmp_path / "out")
    saved = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    np.testing.assert_array_equal(np.array(saved["scores"], np.float32), answer.scores)
    assert saved["images"] == [image.name for image in answer.images]
    assert saved["queries"][1] == {"name": "pleural effusion", "description": None}
    with (tmp_path / "out" / "scores.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["image", "query", "score"]
    assert [np.float32(row["score"]) for row in rows] == answer.scores.ravel().tolist()
    assert rows[3]["query"] == "pleural effusion"


def test_one_overlay_an_image_and_query(answer: Answer, tmp_path: Path) -> None:
    answer.save(tmp_path / "out")
    overlays = tmp_path / "out" / "overlays"
    assert sorted(path.name for path in overlays.iterdir()) == [
        "film1__mass.png",
        "film1__pleural_effusion.png",
        "film2__mass.png",
        "film2__pleural_effusion.png",
    ]
    drawn = np.asarray(Image.open(overlays / "film1__mass.png"))
    assert drawn.shape[1:] == (50, 3)
    assert drawn.shape[0] > 40  # the colour bar stands below


def test_a_large_radiograph_is_drawn_at_1024_pixels(make_model: MakeModel, tmp_path: Path) -> None:
    ask(make_model(), [np.full((1500, 3000), 0.5, np.float32)], ["mass"]).save(tmp_path / "o")
    assert Image.open(tmp_path / "o" / "overlays" / "image_1__mass.png").width == 1024


def test_files_of_one_name_in_two_folders_keep_their_own_overlays(
    model: nn.Module, tmp_path: Path
) -> None:
    paths = [tmp_path / folder / "film.png" for folder in "ab"]
    for i, path in enumerate(paths):
        path.parent.mkdir()
        Image.fromarray(np.full((40, 50), 100 * i, np.uint8)).save(path)
    ask(model, paths, ["mass"]).save(tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "overlays").iterdir())
    assert names == ["film-2__mass.png", "film__mass.png"]


def test_the_page_is_well_formed_and_links_what_is_there(answer: Answer, tmp_path: Path) -> None:
    answer.save(tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    text = " ".join(ET.fromstring(page).itertext())
    assert "2 findings on 2 radiographs" in text
    assert f"{answer.scores[1, 0]:.3f}" in text
    links = re.findall(r'href="(overlays/[^"]+)"', page)
    assert len(set(links)) == 4
    assert all((tmp_path / "out" / link).is_file() for link in links)
    assert page.count('src="data:image/jpeg') == 4


def test_a_long_answer_shows_some_maps_and_links_all(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_module, "EMBEDDED_MAPS", 2)
    answer.save(tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg') == 2
    assert len(set(re.findall(r'href="(overlays/[^"]+)"', page))) == 4


def test_names_reach_the_page_as_text(model: nn.Module, tmp_path: Path) -> None:
    film = tmp_path / "<script>alert(1)&.png"
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(film)
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "<b>.png").write_bytes(b"")
    answer = ask(model, [film, tmp_path / "gone" / "<b>.png"], ['"><img src=x>'])
    answer.save(tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    text = " ".join(ET.fromstring(page).itertext())
    assert "<script>alert(1)&" in text
    assert '"><img src=x>' in text
    assert "1 image not answered" in text
    assert "<b>.png: " in text
    assert "src=x>" not in page.replace("&lt;img src=x&gt;", "")


def test_an_answer_replaces_an_earlier_one(
    answer: Answer, model: nn.Module, films: list[Path], tmp_path: Path
) -> None:
    answer.save(tmp_path / "out")
    ask(model, films[:1], ["edema"]).save(tmp_path / "out")
    names = [path.name for path in (tmp_path / "out" / "overlays").iterdir()]
    assert names == ["film0__edema.png"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_with_other_files_is_never_replaced(answer: Answer, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds 'thesis\.tex'"):
        answer.save(folder)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_place_of_the_folder_is_refused(answer: Answer, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="is a file, expected a folder"):
        answer.save(tmp_path / "out")


def test_a_failed_save_leaves_the_earlier_answer(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer.save(tmp_path / "out")
    before = (tmp_path / "out" / "scores.json").read_bytes()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(answer_module, "render_answer_page", fail)
    with pytest.raises(KeyboardInterrupt):
        answer.save(tmp_path / "out")
    assert (tmp_path / "out" / "scores.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-film.png", "@SUM(A1)", "\t=1"])
def test_cells_that_a_spreadsheet_would_run_are_made_inert(cell: str) -> None:
    assert inert(cell) == f"'{cell}"
    assert inert(f"film {cell}") == f"film {cell}"


@given(names=st.lists(st.text(max_size=90), max_size=8))
def test_slugs_are_unique_whatever_the_names_and_the_system(names: list[str]) -> None:
    slugs = unique_slugs(names)
    assert len({slug.lower() for slug in slugs}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,70}", slug) for slug in slugs)
    assert not any("__" in slug for slug in slugs)


def test_slugs_keep_what_people_can_read() -> None:
    assert unique_slugs(["Pleural effusion", "pleural  effusion", "a/b", "ü"]) == [
        "Pleural_effusion",
        "pleural_effusion-2",
        "a_b",
        "image",
    ]
