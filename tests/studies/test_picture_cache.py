"""What the cache of `check` remembers, and what it does not."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from carina.errors import OutputError
from carina.studies import picture_cache
from carina.studies.checks import check, pictures_of
from carina.studies.examination import Examined, Picture, examine
from carina.studies.manifest import Manifest
from carina.studies.picture_cache import PictureCache
from carina.studies.reading import examine_all

Cohort = Callable[..., Manifest]


def filled(cache: Path, pictures: list[Picture]) -> dict[str, Examined]:
    return examine_all(pictures, 1, PictureCache(cache))


def test_unchanged_pictures_are_known_as_they_were(cohort: Cohort, tmp_path: Path) -> None:
    pictures = pictures_of([cohort()])
    found = filled(tmp_path / "seen", pictures)
    assert PictureCache(tmp_path / "seen").known(pictures) == found
    assert all(file.glance for file in found.values())


def test_known_pictures_are_not_read_again(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = cohort()
    first = check([manifest], cache=tmp_path / "seen")

    def refuse(_: Picture) -> Examined:
        raise AssertionError("read again")

    monkeypatch.setattr("carina.studies.reading.examine", refuse)
    assert check([manifest], cache=tmp_path / "seen") == first


def test_changed_and_missing_files_are_looked_at_again(
    cohort: Cohort, drawn: Callable[..., None], tmp_path: Path
) -> None:
    pictures = pictures_of([cohort()])
    filled(tmp_path / "seen", pictures)
    drawn(Path(pictures[0].path), 9)
    os.utime(pictures[1].path, ns=(0, 0))
    Path(pictures[2].path).unlink()
    known = PictureCache(tmp_path / "seen").known(pictures)
    assert list(known) == [pictures[3].path]
    found = filled(tmp_path / "seen", pictures)
    assert found[pictures[0].path] == examine(pictures[0])
    assert found[pictures[2].path].missing


def test_what_cannot_be_read_is_remembered_with_its_reason(cohort: Cohort, tmp_path: Path) -> None:
    pictures = pictures_of([cohort()])
    Path(pictures[0].path).write_bytes(b"%PDF")
    found = filled(tmp_path / "seen", pictures)
    assert "PDF" in found[pictures[0].path].error
    assert PictureCache(tmp_path / "seen").known(pictures) == found


def test_a_mask_that_became_a_radiograph_is_read_again(cohort: Cohort, tmp_path: Path) -> None:
    pictures = pictures_of([cohort()])
    filled(tmp_path / "seen", [replace(picture, glanced=False) for picture in pictures])
    assert not PictureCache(tmp_path / "seen").known(pictures)


def test_what_was_seen_before_a_stop_is_kept(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = pictures_of([cohort()])

    def stopped_at_the_third(picture: Picture) -> Examined:
        if picture == pictures[2]:
            raise KeyboardInterrupt
        return examine(picture)

    monkeypatch.setattr("carina.studies.reading.examine", stopped_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        filled(tmp_path / "seen", pictures)
    known = PictureCache(tmp_path / "seen").known(pictures)
    assert list(known) == [picture.path for picture in pictures[:2]]


def test_many_small_files_become_one_and_the_last_word_counts(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_cache, "_PICTURES_A_PART", 1)
    monkeypatch.setattr(picture_cache, "_MOST_PARTS", 5)
    pictures = pictures_of([cohort()])
    cache = PictureCache(tmp_path / "seen")
    for _ in range(2):
        for picture in pictures:
            cache.add(picture, Examined(error="not yet"))
    for picture in pictures:
        cache.add(picture, examine(picture))
    cache.flush()
    assert len(list((tmp_path / "seen").iterdir())) == 1
    assert not any(file.error for file in PictureCache(tmp_path / "seen").known(pictures).values())


def test_a_damaged_file_of_the_cache_is_told_and_read_again(
    cohort: Cohort, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = pictures_of([cohort()])
    found = filled(tmp_path / "seen", pictures)
    (part,) = (tmp_path / "seen").iterdir()
    part.write_bytes(part.read_bytes()[:100])
    assert filled(tmp_path / "seen", pictures) == found
    assert "A file of the cache is damaged" in caplog.text


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds files that are no part of a cache"):
        PictureCache(tmp_path)


def test_a_place_where_no_folder_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="no cache can be kept here"):
        PictureCache(tmp_path / "file" / "seen")
