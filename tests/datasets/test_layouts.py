"""A phantom cohort written in the layout of a release."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from carina.datasets.declaration import Dataset, Release
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_jpeg, save_png, save_table, save_text
from carina.datasets.layouts import write_layout
from carina.datasets.registry import DATASETS, layout_named
from carina.datasets.tally import Tally
from carina.errors import ConfigError, OutputError
from carina.phantom.cohort import PhantomConfig
from carina.study import Study

CONFIG = PhantomConfig(studies=3, seed=2, size=64)


def read_nothing(release: Release, tally: Tally) -> Iterator[Study]:
    return iter(())


def write_names(cohort: DrawnCohort, out: Path) -> None:
    for study in cohort.studies:  # of any split: releases outline what they train on too
        assert {box.label for box in study.boxes} == {mask.label for mask in study.masks}
    names = [f"{study.study_id} {picture.size[0]}" for study, picture in cohort.pictures()]
    save_text("\n".join(names), out / "list" / "names.txt")


NAMES = Dataset(
    name="names", source="-", licence="-", layout=(), read=read_nothing, write=write_names
)


def test_a_layout_holds_every_study_and_says_that_it_is_synthetic(tmp_path: Path) -> None:
    out = tmp_path / "release"
    write_layout(NAMES, CONFIG, out, processes=1)
    lines = (out / "list" / "names.txt").read_text().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("phantom-") and line.endswith(" 64") for line in lines)
    assert "shows no person" in (out / "README.txt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release"]  # no drawings left


def test_a_layout_that_is_complete_is_left_and_another_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "release"
    write_layout(NAMES, CONFIG, out, processes=1)
    (out / "list" / "names.txt").write_text("mine")
    write_layout(NAMES, CONFIG, out, processes=1)
    assert (out / "list" / "names.txt").read_text() == "mine"
    with pytest.raises(OutputError, match="no phantom release with these settings"):
        write_layout(NAMES, replace(CONFIG, seed=3), out, processes=1)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match="Choose another folder"):
        write_layout(NAMES, CONFIG, tmp_path / "own", processes=1)


def test_a_writer_that_fails_leaves_no_release_and_the_next_run_draws_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(cohort: DrawnCohort, out: Path) -> None:
        save_text("half", out / "half.txt")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_layout(replace(NAMES, write=fail), CONFIG, tmp_path / "release", processes=1)
    assert not (tmp_path / "release").exists()
    monkeypatch.setattr("carina.phantom.cohort.draw_study", None)  # would fail if it drew again
    write_layout(NAMES, CONFIG, tmp_path / "release", processes=1)
    assert (tmp_path / "release" / "list" / "names.txt").exists()


def test_what_cannot_be_written_as_a_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names has image files of its own kind; leave out --d"):
        write_layout(NAMES, replace(CONFIG, dicom=True), tmp_path / "release")
    with pytest.raises(ConfigError, match="phantom has no layout"):
        write_layout(DATASETS["phantom"], CONFIG, tmp_path / "release")
    with pytest.raises(ConfigError, match=r"There is no layout 'nhi'; layouts: .*Leave --layout"):
        layout_named("nhi")


def test_every_release_can_be_tried_before_it_is_there() -> None:
    without = [dataset.name for dataset in DATASETS.values() if dataset.write is None]
    assert without == ["phantom"]  # which is what a cohort is written as anyhow


def test_files_of_a_layout_say_that_they_are_synthetic(tmp_path: Path) -> None:
    picture = Image.new("L", (8, 6), 90)
    save_jpeg(picture, tmp_path / "a" / "p.jpg")
    save_png(picture, tmp_path / "a" / "p.png")
    with Image.open(tmp_path / "a" / "p.jpg") as read:
        assert b"Synthetic" in read.info["comment"]
    with Image.open(tmp_path / "a" / "p.png") as read:
        assert "Synthetic" in read.info["Source"]


def test_a_table_of_a_layout_is_gzipped_by_its_name_and_the_same_every_time(tmp_path: Path) -> None:
    rows = [{"a": "x,y", "b": None}]
    save_table(rows, ("a", "b"), tmp_path / "t.csv", line_end="\r\n")
    assert (tmp_path / "t.csv").read_bytes() == b'a,b\r\n"x,y",\r\n'
    save_table(rows, ("a", "b"), tmp_path / "t.csv.gz")
    first = (tmp_path / "t.csv.gz").read_bytes()
    assert gzip.decompress(first) == b'a,b\n"x,y",\n'
    save_table(rows, ("a", "b"), tmp_path / "t.csv.gz")
    assert (tmp_path / "t.csv.gz").read_bytes() == first
