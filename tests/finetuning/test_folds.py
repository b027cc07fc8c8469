import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import ManifestError
from carina.finetuning.folds import check_pictures, divided, folds_of
from carina.finetuning.fractions import strata_of_grades, strata_of_scores
from carina.study import Radiograph, Study

STRATA = {f"p{i:02}": i % 3 for i in range(31)}


@given(st.integers(3, 8), st.integers(0, 50))
def test_folds_are_of_equal_size_and_equally_mixed(folds: int, seed: int) -> None:
    fold_of = folds_of(STRATA, folds, seed, "here")
    assert set(fold_of) == set(STRATA)
    for fold in range(folds):
        members = [patient for patient, number in fold_of.items() if number == fold]
        assert abs(len(members) - 31 / folds) < 1
        for stratum in range(3):
            share = sum(STRATA[patient] == stratum for patient in members)
            assert abs(share - sum(s == stratum for s in STRATA.values()) / folds) < 1


def test_another_seed_deals_other_folds() -> None:
    assert folds_of(STRATA, 5, 0, "here") == folds_of(STRATA, 5, 0, "here")
    assert folds_of(STRATA, 5, 0, "here") != folds_of(STRATA, 5, 1, "here")


def test_fewer_patients_than_folds_are_refused() -> None:
    with pytest.raises(ManifestError, match=r"here: 2 patients with known truth for 3 folds"):
        folds_of({"a": 0, "b": 0}, 3, 0, "here")


def test_in_every_round_another_fold_is_tested_and_no_patient_is_in_two_parts() -> None:
    studies = [
        Study(
            study_id=f"s{number}",
            patient_id=f"p{number // 2}",
            source="test",
            radiographs=(Radiograph(path=f"{number}.png"),),
            split="test",
        )
        for number in range(10)
    ]
    fold_of = {"p0": 0, "p1": 1, "p2": 2, "p3": 0}  # of p4 nothing is known
    tested = []
    for fold in range(3):
        parts = {study.study_id: study.split for study in divided(studies, fold_of, fold, 3)}
        tested += [name for name, part in parts.items() if part == "test"]
        assert parts["s8"] is None
        assert parts["s0"] == parts["s1"] == parts["s6"]
        assert {parts["s0"], parts["s2"], parts["s4"]} == {"train", "validate", "test"}
    assert sorted(tested) == [f"s{number}" for number in range(8)]


def test_patients_are_sorted_by_quarter_of_severity() -> None:
    patients = [f"p{number}" for number in range(8)] + ["p0"]
    scores = np.array([[0.0], [1], [2], [3], [4], [5], [6], [7], [0]])
    strata = strata_of_scores(patients, scores)
    assert [strata[f"p{number}"] for number in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_patient_counts_by_the_highest_grade_of_any_image() -> None:
    grades = np.array([[1, np.nan], [3, 0], [0, 0.4]], dtype=np.float64)
    assert strata_of_grades(["a", "a", "b"], grades) == {"a": 3, "b": 0}


def test_a_picture_of_two_patients_is_refused() -> None:
    studies = [
        Study(
            study_id=f"s{number}",
            patient_id=patient,
            source="test",
            radiographs=(Radiograph(path=path),),
        )
        for number, (patient, path) in enumerate([("a", "1.png"), ("a", "1.png"), ("b", "1.png")])
    ]
    check_pictures(studies[:2], "here")
    with pytest.raises(ManifestError, match=r"here: 1 pictures are of two patients.*'a' and 'b'"):
        check_pictures(studies, "here")
