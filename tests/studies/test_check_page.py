"""The page of `check`: what it shows, and that it loads nothing."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, ImageOps

from carina.imaging.building import build_store
from carina.imaging.store import ImageStore
from carina.studies import check_page as module
from carina.studies.check_page import PRIVATE_NOTE, check_page, write_check_page
from carina.studies.checks import check
from carina.studies.manifest import Manifest
from carina.study import Assertion, Finding, Report

Cohort = Callable[..., Manifest]


def troubled(cohort: Cohort) -> Manifest:
    """One patient and one picture on two sides, a negative, a broken file, a contradiction."""
    manifest = cohort("m", "abcdea", ("train",) * 4 + ("test",) * 2, (0, 1, 2, 3, 4, 5))
    first, second = (manifest.absolute(f"m/{number}.png") for number in (0, 4))
    with Image.open(first) as image:
        image.resize((60, 48)).save(second)
    with Image.open(manifest.absolute("m/1.png")) as image:
        ImageOps.invert(image).save(manifest.absolute("m/1.png"))
    manifest.absolute("m/2.png").write_bytes(b"")
    studies = list(manifest.studies)
    size = replace(studies[4].radiographs[0], width=60, height=48)
    studies[4] = replace(studies[4], radiographs=(size,))
    studies[3] = replace(
        studies[3],
        report=Report(text="Heart normal. No pleural <b>effusion."),
        findings=(Finding(name="Effusion", value=Assertion.PRESENT),),
    )
    return manifest.with_studies(studies)


def test_the_page_shows_what_was_found_with_pictures(cohort: Cohort, tmp_path: Path) -> None:
    manifest = troubled(cohort)
    report = check([manifest])
    write_check_page(report, [manifest], tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    for words in (
        PRIVATE_NOTE.split(".")[0],
        "Patients on two sides",
        "Near duplicates",
        "on two sides",
        "inverted",
        "the file is empty",
        "No pleural &lt;b&gt;effusion.",
        "pleural effusion absent",
    ):
        assert words in page, words
    assert page.count("<img ") == len(re.findall(r'<img src="data:image/jpeg;base64,', page)) == 3
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_sentences_are_on_the_page_and_in_neither_the_summary_nor_the_json(
    cohort: Cohort,
) -> None:
    report = check([troubled(cohort)])
    assert len(report.contradictions) == 1
    assert "No pleural" not in report.summary() + report.to_json()
    assert "Effusion is present, its report says pleural effusion absent" in report.summary()


def test_two_exposures_of_one_study_are_told_and_not_shown(cohort: Cohort) -> None:
    manifest = troubled(cohort)
    first, *others = manifest.studies
    joined = replace(first, radiographs=(*first.radiographs, *manifest.studies[4].radiographs))
    studies = [joined, *(study for study in others if study.study_id != "m4")]
    report = check([manifest.with_studies(studies)])
    page = check_page(report, [manifest])
    assert "1 pairs of one study are nearly one picture" in page
    assert "pairs that seem to be one picture" in page
    assert page.count("<img ") == 1  # the negative alone


def test_a_page_without_trouble_says_so(cohort: Cohort) -> None:
    manifest = cohort()
    page = check_page(check([manifest]), [manifest])
    assert "No patient and no picture stands on both sides" in page
    assert "<img" not in page


def test_a_picture_that_is_gone_by_now_is_said_to_be(cohort: Cohort) -> None:
    manifest = troubled(cohort)
    report = check([manifest])
    manifest.absolute("m/1.png").unlink()
    assert "cannot be shown" in check_page(report, [manifest])


def test_pictures_come_from_the_store_where_it_holds_them(cohort: Cohort, tmp_path: Path) -> None:
    manifest = troubled(cohort)
    items = [(f"m/{number}.png", manifest.absolute(f"m/{number}.png")) for number in (0, 1, 4)]
    build_store(items, tmp_path / "store", 32, 1)
    stores = [ImageStore.open(tmp_path / "store")]
    report = check([manifest], stores=stores)
    for _, file in items:
        file.unlink()
    assert check_page(report, [manifest], stores).count("<img") == 3


def test_only_so_many_pictures_are_shown(cohort: Cohort) -> None:
    manifest = troubled(cohort)
    report = check([manifest])
    many = replace(report, doubtful=report.doubtful * 70)
    page = check_page(many, [manifest])
    assert page.count("<img") == 2 + module._MOST_PICTURES
    assert "10 more are in the JSON." in page
