"""Splits by patient, from a hash."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import ConfigError, ManifestError
from carina.studies.splits import SplitShares, split_by_patient, split_of_patient
from carina.study import Study


def study(number: int, patient: str, split: str | None = None) -> Study:
    return Study(
        study_id=str(number), patient_id=patient, source="here", radiographs=(), split=split
    )


@given(patients=st.lists(st.sampled_from("abcdefghij"), min_size=1), seed=st.integers(0, 99))
def test_a_patient_is_never_torn_apart(patients: list[str], seed: int) -> None:
    studies = split_by_patient([study(i, name) for i, name in enumerate(patients)], seed)
    assert len({(s.patient_id, s.split) for s in studies}) == len(set(patients))


def test_the_split_of_a_patient_does_not_change_when_studies_are_added() -> None:
    few = split_by_patient([study(i, str(i)) for i in range(20)], 7)
    many = split_by_patient([study(i, str(i)) for i in range(500)], 7)
    assert many[:20] == few


def test_a_patient_keeps_its_split_for_good() -> None:

    for patient in ("1", "2", "3"):
        start = hashlib.sha256(f"carina split 0: {patient}".encode()).hexdigest()[:16]
        position = int(start, 16) / 16**16
        expected = "train" if position < 0.7 else "validate" if position < 0.8 else "test"
        assert split_of_patient(patient, 0, SplitShares()) == expected


def test_shares_are_met_within_chance() -> None:
    names = [split_of_patient(str(i), 3, SplitShares()) for i in range(10_000)]
    # Five standard deviations of a binomial: 5 * sqrt(10000 * 0.7 * 0.3) = 229.
    assert names.count("train") == pytest.approx(7000, abs=229)
    assert names.count("validate") == pytest.approx(1000, abs=150)


def test_another_seed_gives_other_splits() -> None:
    cohort = [study(i, str(i)) for i in range(50)]
    assert split_by_patient(cohort, 0) != split_by_patient(cohort, 1)


def test_a_study_joins_its_patient() -> None:
    for split in ("train", "validate", "test"):
        studies = split_by_patient([study(0, "a"), study(1, "a", split)], 0)
        assert [s.split for s in studies] == [split, split]


def test_a_patient_in_two_splits_is_refused() -> None:
    with pytest.raises(ManifestError, match="'a' stands in the splits 'test' and 'train'"):
        split_by_patient([study(0, "a", "test"), study(1, "a", "train"), study(2, "b")], 0)


def test_shares_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected to add up to 1"):
        SplitShares(train=0.7, validate=0.7, test=0.1)
    with pytest.raises(ConfigError, match="expected to add up to 1"):
        replace(SplitShares(), train=1.2, test=-0.3)
    with pytest.raises(ConfigError, match="expected to add up to 1"):
        SplitShares(train=float("nan"))
