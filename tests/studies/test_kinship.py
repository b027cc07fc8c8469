"""Who holds whose films: what is known beforehand, and what check finds of it."""

from collections.abc import Callable

from PIL import Image

from carina.datasets.registry import DATASETS
from carina.studies.checks import check
from carina.studies.kinship import FAMILY, KINSHIPS, kin
from carina.studies.leaks import studies_shared
from carina.studies.manifest import Manifest

Cohort = Callable[..., Manifest]


def nih(cohort: Cohort) -> Manifest:
    patients = ("00000061", "00000062", "00000063", "00000064")
    return cohort("nih", patients, (None,) * 4, source="chestxray14")


def test_a_patient_of_rsna_is_found_by_nih_s_number(cohort: Cohort) -> None:
    outer = nih(cohort)
    patients = ("00000063", *(f"0000000{n}-1111-4222-8333-444444444444" for n in (1, 2, 3)))
    inner = cohort("rsna", patients, (None,) * 4, seeds=(10, 11, 12, 13), source="rsna")
    report = check([outer, inner])
    (shared,) = report.patients
    assert {place.study_id for place in shared.places} == {"nih2", "rsna0"}
    assert report.leaks
    (related,) = report.related
    assert (related.patients, related.radiographs, related.asked) == (1, 0, 4)
    told = "rsna.parquet is of rsna, which has films of chestxray14 (with the published mapping"
    assert told in report.summary()
    assert "0 of 4 radiographs and 1 patients were found in" in report.summary()


def test_films_under_new_names_are_found_by_their_pictures(cohort: Cohort) -> None:
    outer = nih(cohort)
    inner = cohort("siim", "wxyz", (None,) * 4, seeds=(10, 11, 12, 13), source="siim")
    with Image.open(outer.absolute("nih/1.png")) as picture:
        picture.save(inner.absolute("siim/3.png"), compress_level=0)  # other bytes, one picture
    report = check([outer, inner])
    assert report.patients == ()
    (related,) = report.related
    assert (related.patients, related.radiographs) == (0, 1)
    assert [one.study_id for one in studies_shared([outer, inner], report)] == ["nih1"]
    assert [one.study_id for one in studies_shared([inner, outer], report)] == ["siim3"]


def test_where_nothing_is_found_that_is_told_too(cohort: Cohort) -> None:
    inner = cohort("siim", "wxyz", (None,) * 4, seeds=(10, 11, 12, 13), source="siim")
    outer = nih(cohort)
    report = check([inner, outer])
    assert report.related[0].inner == str(inner.path)
    assert "were found in" in report.summary()
    assert "; this set may not have them" in report.summary()
    assert studies_shared([inner, outer], report) == ()
    assert not report.leaks


def test_sets_of_strangers_are_not_related(cohort: Cohort) -> None:
    report = check([nih(cohort), cohort("other", seeds=(10, 11, 12, 13))])
    assert report.related == ()


def test_all_studies_of_a_shared_patient_are_shared_and_so_are_equal_pictures(
    cohort: Cohort,
) -> None:
    first = cohort("a", "pqpr", (None,) * 4, seeds=(1, 2, 3, 1))
    second = cohort("b", "wxyz", (None,) * 4, seeds=(1, 12, 13, 14), source="there")
    report = check([first, second])
    # Film 1 of p is b's; film 4 of r has the same bytes; the other film of p goes too.
    assert [one.study_id for one in studies_shared([first, second], report)] == ["a0", "a2", "a3"]


def test_a_picture_that_is_shared_within_one_set_alone_is_not_meant(cohort: Cohort) -> None:
    first = cohort("a", "pqrs", (None,) * 4, seeds=(1, 1, 3, 4))
    second = cohort("b", "wxyz", (None,) * 4, seeds=(11, 12, 13, 14), source="there")
    assert studies_shared([first, second], check([first, second])) == ()


def test_a_patient_on_one_side_in_both_is_no_leak_and_is_shared_all_the_same(
    cohort: Cohort,
) -> None:
    first = cohort("a", "pqpr", ("train",) * 4, seeds=(1, 2, 3, 4))
    second = cohort("b", "pxyz", ("train",) * 4, seeds=(11, 12, 13, 14))
    report = check([first, second])
    assert not report.leaks
    assert [one.study_id for one in studies_shared([first, second], report)] == ["a0", "a2"]


def test_every_kinship_is_of_releases_that_carina_reads() -> None:
    names = {*DATASETS}
    for one in KINSHIPS:
        assert {one.inner, one.outer} <= names
        assert one.told
    assert set(FAMILY) | set(FAMILY.values()) <= names


def test_kin_is_found_either_way_round() -> None:
    assert kin(["rsna"], ["chestxray14", "x"]) == kin(["chestxray14"], ["rsna"]) == KINSHIPS[0]
    assert kin(["rsna"], ["mimic-cxr"]) is None
