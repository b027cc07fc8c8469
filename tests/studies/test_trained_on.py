from pathlib import Path

import pytest

from carina.errors import ModelError
from carina.studies.manifest import Manifest, write_manifest
from carina.studies.trained_on import (
    TRAINED_ON,
    read_trained_on,
    seen_before,
    write_trained_on,
)
from carina.study import Radiograph, Study


def study(number: int, patient: str, source: str = "here", split: str | None = "test") -> Study:
    return Study(
        study_id=f"{source}{number}",
        patient_id=patient,
        source=source,
        radiographs=(Radiograph(path=f"{number}.png"),),
        split=split,
    )


def manifest(folder: Path, *studies: Study) -> Manifest:
    return write_manifest(studies, folder / "m.parquet", folder)


def test_test_patients_of_the_training_are_counted_and_named(tmp_path: Path) -> None:
    write_trained_on([study(0, "a"), study(1, "b"), study(2, "b")], tmp_path)
    part = manifest(
        tmp_path, study(0, "b"), study(1, "b"), study(2, "c"), study(3, "a", split="train")
    )
    found = seen_before(tmp_path, part)
    assert (found.part, found.patients, found.of, found.examples) == ("test", 1, 2, ("'b'",))
    assert found.studies == 2
    assert "trained on 1 of the 2 patients (test) of m.parquet, such as 'b'" in str(found)


def test_a_patient_of_another_release_is_another_patient(tmp_path: Path) -> None:
    write_trained_on([study(0, "7", source="there")], tmp_path)
    found = seen_before(tmp_path, manifest(tmp_path, study(0, "7")))
    assert found.patients == 0
    assert "trained on none of the 1 patients" in str(found)


def test_sources_of_one_family_share_their_patients(tmp_path: Path) -> None:
    write_trained_on([study(0, "7", source="chestxray14")], tmp_path)
    assert seen_before(tmp_path, manifest(tmp_path, study(0, "7", source="rsna"))).patients == 1


def test_without_a_test_part_all_patients_count(tmp_path: Path) -> None:
    write_trained_on([study(0, "a")], tmp_path)
    found = seen_before(tmp_path, manifest(tmp_path, study(0, "a", split=None)))
    assert (found.part, found.patients) == ("any", 1)


def test_what_the_start_was_trained_on_counts_too(tmp_path: Path) -> None:
    (tmp_path / "start" / "model").mkdir(parents=True)
    (tmp_path / "tuned").mkdir()
    write_trained_on([study(0, "a"), study(1, "b")], tmp_path / "start")
    before = read_trained_on(tmp_path / "start" / "model")  # the model folder of that run
    write_trained_on([study(2, "c"), study(3, "b")], tmp_path / "tuned", before)
    after = read_trained_on(tmp_path / "tuned")
    assert after is not None
    assert after["patient_id"].to_list() == ["a", "b", "c"]


def test_a_list_that_lacks_the_start_says_so(tmp_path: Path) -> None:
    """A converted checkpoint tells nothing, and what is tuned from it cannot be called clean."""
    write_trained_on([study(0, "a")], tmp_path, complete=False)
    found = seen_before(tmp_path, manifest(tmp_path, study(0, "b")))
    assert not found.complete
    assert str(found).endswith("(test); nothing tells whom its start was trained on")
    write_trained_on([study(0, "a")], tmp_path)
    assert seen_before(tmp_path, manifest(tmp_path, study(0, "b"))).complete


def test_a_model_that_does_not_tell_is_refused(tmp_path: Path) -> None:
    assert read_trained_on(tmp_path / "none") is None
    with pytest.raises(ModelError, match="nothing tells what it was trained on"):
        seen_before(tmp_path / "none", manifest(tmp_path, study(0, "a")))


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    (tmp_path / TRAINED_ON).write_text("no parquet")
    with pytest.raises(ModelError, match=r"trained_on.parquet: cannot be read"):
        read_trained_on(tmp_path)
