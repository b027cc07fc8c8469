"""What `check` finds, and what it does not take for trouble."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from carina.errors import ConfigError
from carina.imaging.building import build_store
from carina.imaging.doubts import DoubtKind
from carina.imaging.store import ImageStore
from carina.studies import reading
from carina.studies.check_report import CheckReport, Imbalance
from carina.studies.checks import check, pictures_of
from carina.studies.doubtful import doubtful_pictures
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


def test_a_release_without_reports_is_told_in_its_own_words(cohort: Cohort) -> None:
    manifest = cohort()
    bare = [replace(study, report=Report(text="")) for study in manifest.studies]
    report = check([manifest.with_studies(bare)])
    assert report.healthy
    assert f"no study has a report: {manifest.path}" in found(report)


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
    wrong = ({"x2": 60.0}, {"radiograph": 2}, {"x1": 40.0, "x2": 0.0}, {"y1": float("nan")})
    manifest = changed(manifest, 0, boxes=(box, *(replace(box, **each) for each in wrong)))
    manifest = changed(manifest, 2, masks=masks)
    manifest = changed(manifest, 1, radiographs=(replace(study.radiographs[0], width=80),))
    messages = [problem.message for problem in check([manifest]).annotations]
    assert messages == [
        "a box (edema: 0, 0, 60, 32) lies outside of its 40 x 32 pixels",
        "a box (edema) lies on radiograph 2, which cannot be read",
        "a box (edema: 40, 0, 0, 32) has no area",
        "a box (edema: 0, nan, 40, 32) has no area",
        "is 40 x 32 pixels, the manifest says 80 x 32",
        "is a mask of 32 x 40 pixels, its radiograph has 40 x 32",
        "belongs to radiograph 4, of which there is none that can be read",
    ]
    assert "7 annotations do not fit their picture:" in found(check([manifest]))


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


def resized_copy(manifest: Manifest, source: int, copy: int) -> Manifest:
    """The manifest with one picture made a smaller copy of another."""
    with Image.open(manifest.absolute(f"m/{source}.png")) as image:
        image.resize((36, 28)).save(manifest.absolute(f"m/{copy}.png"))
    radiograph = replace(manifest.studies[copy].radiographs[0], width=36, height=28)
    return changed(manifest, copy, radiographs=(radiograph,))


def test_a_near_duplicate_in_another_split_is_a_leak(cohort: Cohort) -> None:
    report = check([resized_copy(cohort(), 0, 3)])
    assert report.leaks
    assert not report.pictures
    (pair,) = report.near_duplicates
    assert [place.study_id for place in pair.places] == ["m0", "m3"]
    assert 0.6 < pair.likeness <= 1
    assert not pair.inverted
    assert "1 LEAK: near duplicates stand in two splits or sets:" in found(report)


def test_a_pair_on_two_sides_that_is_not_sure_is_suspected(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carina.studies.leaks.SURE", 1.01)
    report = check([resized_copy(cohort(), 0, 3)])
    assert report.healthy
    assert report.near_duplicates[0].apart
    assert "1 pairs in two splits or sets may be near duplicates, look:" in found(report)


def test_a_near_duplicate_on_one_side_is_no_leak(cohort: Cohort) -> None:
    report = check([resized_copy(cohort(), 0, 1)])
    assert report.healthy
    assert "1 pairs of near duplicates, each on one side:" in found(report)
    one_patient = check([resized_copy(cohort(patients="aacd"), 0, 1)])
    assert ", of one patient: train, m0" in found(one_patient)
    assert "of one patient" not in found(report)


def test_two_exposures_of_one_study_are_counted_and_not_listed(cohort: Cohort) -> None:
    manifest = resized_copy(cohort(), 0, 1)
    first, second, *rest = manifest.studies
    joined = replace(first, radiographs=(*first.radiographs, *second.radiographs))
    report = check([manifest.with_studies([joined, *rest])])
    assert [pair.of_one_study for pair in report.near_duplicates] == [True]
    assert "pairs of near duplicates, each on one side" not in found(report)
    assert "1 pairs of one study are nearly one picture" in found(report)


def test_a_negative_is_a_near_duplicate_and_doubtful(cohort: Cohort) -> None:
    manifest = cohort()
    with Image.open(manifest.absolute("m/0.png")) as image:
        ImageOps.invert(image).save(manifest.absolute("m/3.png"))
    report = check([manifest])
    assert report.near_duplicates[0].inverted
    assert ", inverted: train, m0" in found(report)
    (picture,) = report.doubtful
    assert picture.place.study_id == "m3"
    assert "1 picture suspected of being inverted, to be looked at:" in found(report)


def test_doubts_alone_leave_a_set_healthy(cohort: Cohort) -> None:
    manifest = cohort()
    Image.new("L", (40, 32), 90).save(manifest.absolute("m/2.png"))
    report = check([manifest])
    assert report.healthy
    assert [doubt.kind for doubt in report.doubtful[0].doubts] == [DoubtKind.BLANK]


def test_a_known_lateral_view_is_not_judged_as_a_frontal_one(cohort: Cohort) -> None:
    manifest = cohort()
    with Image.open(manifest.absolute("m/0.png")) as image:
        image.transpose(Image.Transpose.ROTATE_180).save(manifest.absolute("m/0.png"))
    assert len(check([manifest]).doubtful) == 1
    radiograph = replace(manifest.studies[0].radiographs[0], view="LATERAL")
    assert not check([changed(manifest, 0, radiographs=(radiograph,))]).doubtful


@pytest.mark.parametrize(
    ("view", "words"), [("PA", "the manifest says PA"), (None, "the manifest names no view")]
)
def test_a_file_that_calls_itself_lateral_is_doubtful(
    cohort: Cohort, view: str | None, words: str
) -> None:
    manifest = cohort()
    radiograph = replace(manifest.studies[0].radiographs[0], view=view)
    manifest = changed(manifest, 0, radiographs=(radiograph,))
    examined = {p.path: examine(p) for p in pictures_of([manifest])}
    path = str(manifest.absolute("m/0.png"))
    examined[path] = replace(examined[path], view="LATERAL")
    (picture,) = doubtful_pictures([manifest], examined)
    assert picture.doubts[0].kind is DoubtKind.LATERAL
    assert picture.doubts[0].reason == f"the file calls itself lateral, {words}"


def test_sets_that_share_pictures_are_named_with_how_many(cohort: Cohort) -> None:
    small = cohort("small", "ab", ("train", "train"), (1, 2), source="small")
    large = cohort("large", "cdefgh", ("train",) * 6, (0, 1, 2, 3, 4, 5), source="large")
    report = check([small, large])
    shared = {Path(o.inner).stem: (o.shared, o.radiographs) for o in report.overlaps}
    assert shared == {"small": (2, 2), "large": (2, 6)}
    assert f"{small.path} lies whole inside {large.path}: 2 of 2" in found(report)
    assert f"{large.path} has a part in {small.path}: 2 of 6 radiographs (33%)" in found(report)


def test_pictures_of_a_store_are_taken_from_it(cohort: Cohort, tmp_path: Path) -> None:
    manifest = resized_copy(cohort(), 0, 3)
    items = [(f"m/{number}.png", manifest.absolute(f"m/{number}.png")) for number in (0, 1, 3)]
    build_store(items, tmp_path / "store", 28, 1)
    for _, file in items:
        file.write_bytes(b"no longer a picture")
    report = check([manifest], stores=[ImageStore.open(tmp_path / "store")])
    assert not report.unreadable
    assert [place.study_id for place in report.near_duplicates[0].places] == ["m0", "m3"]


def test_as_many_stores_as_manifests_are_needed(cohort: Cohort, tmp_path: Path) -> None:
    manifest = cohort()
    build_store([("m/0.png", manifest.absolute("m/0.png"))], tmp_path / "store", 28, 1)
    store = ImageStore.open(tmp_path / "store")
    with pytest.raises(ConfigError, match="2 image stores for 1 manifests"):
        check([manifest], stores=[store, store])


def test_uneven_findings_are_in_the_summary(cohort: Cohort) -> None:
    report = check([cohort()])
    item = Imbalance(
        manifest="m.parquet",
        finding="edema",
        split="test",
        present=10,
        studies=200,
        others_present=240,
        others=800,
    )
    line = "edema: 10 of 200 in test (5.0%), 240 of 800 elsewhere (30.0%)"
    assert line in found(replace(report, imbalances=(item,)))
