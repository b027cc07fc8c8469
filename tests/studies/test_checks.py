"""What `check` finds, and what it does not take for trouble."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from carina.studies import reading
from carina.studies.check_report import CheckReport
from carina.studies.checks import check, pictures_of
from carina.studies.examination import Examined, Picture, examine
from carina.studies.manifest import Manifest
from carina.study import Assertion, Box, Finding, Mask, Report

Cohort = Callable[..., Manifest]


def changed(manifest: Manifest, number: int, **values: object) -> Manifest:
    studies = list(manifest.studies)
    studies[number] = replace(studies[number], **values)
    return manifest.with_studies(studies)


def found(report: CheckReport) -> str:
    return report.summary()


def test_a_sound_cohort_is_healthy(cohort: Cohort) -> None:
    report = check([cohort()])
    assert report.healthy
    assert not report.leaks
    assert found(report) == "No leaks, and every file can be read."


def test_files_that_are_missing_or_cannot_be_read_are_named_and_counted(cohort: Cohort) -> None:
    manifest = cohort()
    manifest.absolute("m/0.png").unlink()
    manifest.absolute("m/1.png").write_bytes(b"")
    whole = manifest.absolute("m/2.png").read_bytes()
    manifest.absolute("m/2.png").write_bytes(whole[: len(whole) // 2])
    manifest.absolute("m/3.png").write_bytes(b"%PDF-1.7 not a radiograph")
    report = check([manifest])
    assert [problem.place.path for problem in report.missing] == ["m/0.png"]
    assert [problem.place.study_id for problem in report.unreadable] == ["m1", "m2", "m3"]
    assert not report.healthy
    assert not report.leaks
    assert "1 files are missing:\n  m0, m/0.png: there is no such file" in found(report)
    assert "3 files cannot be read:" in found(report)
    assert found(report).endswith("No leaks.")


def test_a_root_that_does_not_exist_makes_every_file_missing(cohort: Cohort) -> None:
    manifest = cohort()
    report = check([Manifest.read(manifest.path, manifest.root / "elsewhere")])
    assert len(report.missing) == 4


def test_empty_reports_are_counted_and_are_no_trouble(cohort: Cohort) -> None:
    report = check([changed(cohort(), 1, report=Report(text=" \n"))])
    assert report.healthy
    assert report.counts[0].empty_reports == 1
    assert "1 of 4 reports are empty" in found(report)


def test_unknown_views_are_counted(cohort: Cohort) -> None:
    manifest = cohort()
    radiograph = replace(manifest.studies[0].radiographs[0], view=None)
    report = check([changed(manifest, 0, radiographs=(radiograph,))])
    assert report.healthy
    assert report.counts[0].views == {"PA": 3, "not known": 1}
    assert "1 of 4 views are not known and are taken as frontal" in found(report)


def test_a_patient_in_two_splits_is_a_leak(cohort: Cohort) -> None:
    report = check([cohort(patients="abca")])
    assert report.leaks
    (shared,) = report.patients
    assert [(place.split, place.study_id) for place in shared.places] == [
        ("train", "m0"),
        ("test", "m3"),
    ]
    assert "patient a: train, m0; test, m3" in found(report)
    assert "take the leaks out" in found(report)


def test_a_patient_twice_in_one_split_is_no_leak(cohort: Cohort) -> None:
    assert check([cohort(patients="aabc")]).healthy


def test_a_picture_in_two_splits_is_a_leak_and_in_one_it_is_not(cohort: Cohort) -> None:
    leak = check([cohort(seeds=(0, 1, 2, 0))])
    assert leak.leaks
    assert [place.study_id for place in leak.pictures[0].places] == ["m0", "m3"]
    assert "LEAK: pictures stand in more than one split" in found(leak)
    twice = check([cohort(seeds=(0, 0, 2, 3))])
    assert twice.healthy
    assert len(twice.pictures) == 1
    assert "pictures are there more than once, on one side" in found(twice)


def test_pictures_are_compared_across_manifests(cohort: Cohort) -> None:
    ours, theirs = cohort(), cohort("other", "wxyz", seeds=(7, 8, 9, 0))
    report = check([ours, theirs])
    assert [place.study_id for place in report.pictures[0].places] == ["m0", "other3"]
    assert report.leaks  # train of ours, test of theirs


def test_a_set_without_splits_must_share_nothing_with_another(cohort: Cohort) -> None:
    whole = cohort("whole", "wxyz", splits=(None,) * 4, seeds=(5, 6, 7, 1))
    assert not check([whole]).leaks
    assert check([cohort(), whole]).leaks
    third = cohort("third", "stuv", splits=(None,) * 4, seeds=(5, 16, 17, 18))
    assert check([whole, third]).leaks


def test_patients_of_two_sources_may_have_the_same_number(cohort: Cohort) -> None:
    ours = cohort()
    split = ("test", "test", "train", "train")
    theirs = cohort("other", splits=split, seeds=(5, 6, 7, 8), source="there")
    assert check([ours, theirs]).healthy
    same = cohort("same", splits=split, seeds=(9, 10, 11, 12))
    assert {shared.places[0].patient_id for shared in check([ours, same]).patients} == set("abcd")


def test_a_study_without_a_split_stands_on_no_side(cohort: Cohort) -> None:
    splits = ("train", None, "validate", "test")
    assert check([cohort(patients="aabc", splits=splits)]).healthy


def test_annotations_must_fit_their_picture(cohort: Cohort, drawn: Callable[..., None]) -> None:
    manifest = cohort()
    drawn(manifest.absolute("good.png"), 1, 40, 32)
    drawn(manifest.absolute("bad.png"), 1, 32, 40)
    box = Box(radiograph=0, label="edema", x1=0.0, y1=0.0, x2=40.0, y2=32.0)
    masks = tuple(
        Mask(radiograph=place, label="lung", path=path)
        for place, path in ((0, "good.png"), (0, "bad.png"), (4, "good.png"))
    )
    study = manifest.studies[1]
    manifest = changed(manifest, 0, boxes=(box, replace(box, x2=60.0), replace(box, radiograph=2)))
    manifest = changed(manifest, 2, masks=masks)
    manifest = changed(manifest, 1, radiographs=(replace(study.radiographs[0], width=80),))
    messages = [problem.message for problem in check([manifest]).annotations]
    assert messages == [
        "a box (edema: 0, 0, 60, 32) lies outside of its 40 x 32 pixels",
        "a box (edema) lies on radiograph 2, which cannot be read",
        "is 40 x 32 pixels, the manifest says 80 x 32",
        "is a mask of 32 x 40 pixels, its radiograph has 40 x 32",
        "belongs to radiograph 4, of which there is none that can be read",
    ]
    assert "5 annotations do not fit their picture:" in found(check([manifest]))


def test_a_missing_mask_is_a_missing_file(cohort: Cohort) -> None:
    mask = Mask(radiograph=0, label="lung", path="gone.png")
    report = check([changed(cohort(), 0, masks=(mask,))])
    assert [problem.place.path for problem in report.missing] == ["gone.png"]


def test_findings_are_counted_by_split_and_assertion(cohort: Cohort) -> None:
    manifest = cohort()
    for number, value in enumerate((Assertion.PRESENT, Assertion.ABSENT, Assertion.PRESENT)):
        manifest = changed(manifest, number, findings=(Finding(name="edema", value=value),))
    counts = check([manifest]).counts[0]
    assert counts.findings == {
        "edema": {"train": {"present": 1, "absent": 1}, "validate": {"present": 1}}
    }
    assert counts.splits == {"train": 2, "validate": 1, "test": 1}
    assert counts.patients == 4


def test_only_the_first_of_many_problems_are_listed(cohort: Cohort) -> None:
    manifest = cohort("m", "abcdefgh", ("train",) * 8, tuple(range(8)))
    for number in range(8):
        manifest.absolute(f"m/{number}.png").unlink()
    report = check([manifest])
    assert "... and 3 more (all of them with --json)" in found(report)
    assert len(json.loads(report.to_json())["missing"]) == 8
    assert json.loads(report.to_json())["healthy"] is False


def test_several_processes_find_what_one_finds(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = cohort(seeds=(0, 1, 2, 0))
    manifest.absolute("m/1.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    alone = check([manifest], processes=1)
    monkeypatch.setattr(reading, "_FEW_FILES", 0)
    assert check([manifest], processes=2) == alone


class Dying:
    """Stands for a helper that dies whenever it is asked about one file."""

    def __init__(self) -> None:
        self.stopped = False
        self.starts = 1

    def start(self) -> None:
        self.starts += 1

    def ask(self, pictures: Sequence[Picture]) -> Iterator[Examined]:
        for picture in pictures:
            if Path(picture.path).name == "2.png":
                return
            yield examine(picture)

    def stop(self) -> None:
        self.stopped = True


def test_a_decoder_that_crashes_takes_one_file_down(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_Helper", Dying)
    found = dict(reading._spread(pictures_of([cohort()]), 1))
    by_name = {Path(picture.path).name: examined for picture, examined in found.items()}
    assert {name: bool(examined.digest) for name, examined in by_name.items()} == {
        **{"0.png": True, "1.png": True, "2.png": False, "3.png": True}
    }
    assert "the process that decoded this file crashed" in by_name["2.png"].error
