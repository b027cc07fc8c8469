"""`carina ask`: what it prints, and how it ends."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carina
from carina.cli.main import main
from carina.imaging.preprocessing import CentreCrop, Placement, Preprocessing, place
from carina.zeroshot.answer import Answer, AskedImage
from carina.zeroshot.protocol import Query


class Loaded:
    """Answers 0.25, 0.5, ... whatever is asked."""

    unreadable: tuple[str, ...] = ()
    model = None

    def ask(self, images: list[Path], queries: tuple[Query, ...]) -> Answer:
        grid = np.ones((len(images), len(queries), 2, 2), np.float32)
        scores = np.linspace(0.25, 0.75, len(queries), dtype=np.float32)[None]
        return Answer(
            images=tuple(
                AskedImage(source=path, number=i, placement=self.placement())
                for i, path in enumerate(images)
            ),
            queries=queries,
            scores=np.repeat(scores, len(images), axis=0),
            grids=grid,
            unreadable=self.unreadable,
        )

    @staticmethod
    def placement() -> Placement:
        return place(40, 50, Preprocessing(size=32, resize=CentreCrop(), mean=(0.0,), std=(1.0,)))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(path)
    return path


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    model = Loaded()
    monkeypatch.setitem(vars(carina), "load", lambda folder, prompts=None: model)
    monkeypatch.setenv("COLUMNS", "200")
    return model


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["ask", *map(str, words)])
    return int(ended.value.code or 0)


def test_scores_are_printed_the_highest_first(
    loaded: Loaded, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("model", film, "--query", "mass", "--query", "covid-19=opacities") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1][:3] == [str(film), "covid-19", "0.750"]
    assert lines[2][:2] == ["mass", "0.250"]


def test_out_is_written_and_named(
    loaded: Loaded, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("model", film, "--query", "mass", "--out", tmp_path / "out") == 0
    assert "index.html" in capsys.readouterr().out
    assert (tmp_path / "out" / "overlays" / "film__mass.png").is_file()


def test_queries_are_described_by_ours_or_by_a_file_of_the_callers_own(
    loaded: Loaded, film: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"mass": "A bright lump."}', encoding="utf-8")
    for where in ("default", own):
        queries = ("--query", "mass", "--query", "edema", "--query", "gas=Dark.")
        out = ("--out", tmp_path / "out")
        assert run("model", film, *queries, "--descriptions", where, *out) == 0
        asked = json.loads((tmp_path / "out" / "scores.json").read_text())["queries"]
        texts = {query["name"]: query["description"] for query in asked}
        assert texts["gas"] == "Dark."
        assert "around both hila" in texts["edema"]
    assert texts["mass"] == "A bright lump."


def test_a_name_that_nobody_knows_is_told_with_what_may_be_meant(
    tiny_run: Path, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = ("--query", "pneumothorx", "--query", "mass", "--query", "gossypiboma=A lump.")
    assert run(tiny_run, film, *queries) == 0
    told = capsys.readouterr().err
    assert "'pneumothorx' was asked as it stands" in told
    assert "(is 'pneumothorax' meant?)" in told
    assert "gossypiboma" not in told


def test_a_finding_without_description_is_named(
    loaded: Loaded, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("model", film, "--query", "xyzzy", "--descriptions", "default") == 1
    assert "there is no description of 'xyzzy'" in capsys.readouterr().err


def test_long_lists_are_cut_and_say_so(
    loaded: Loaded, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("model", *[film] * 30, "--query", "mass") == 0
    assert "and 5 more" in capsys.readouterr().out


def test_images_that_were_not_answered_are_named_and_counted(
    loaded: Loaded, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded.unreadable = ("b.png: the file is empty (0 bytes).",)
    assert run("model", film, "--query", "mass") == 1
    error = capsys.readouterr().err
    assert "Not answered: 1" in error
    assert "b.png: the file is empty" in error


@pytest.mark.parametrize(
    ("queries", "message"),
    [(["mass", "MASS"], "given twice"), ([" "], "A query is empty"), (["mass="], "ends after '='")],
)
def test_wrong_queries_are_wrong_usage(
    film: Path, queries: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for query in queries for word in ("--query", query)]
    assert run("model", film, *words) == 2
    assert message in capsys.readouterr().err


def test_a_place_with_other_files_is_refused_before_the_work(
    film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("model", film, "--query", "mass", "--out", film.parent) == 1
    assert "holds 'film.png'" in capsys.readouterr().err
