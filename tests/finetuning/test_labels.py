from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.errors import ManifestError
from carina.finetuning.labels import (
    LabelledImages,
    check_examples,
    check_some_examples,
    labelled_images,
    uncertain_is_absent,
    uncertain_is_present,
    uncertain_is_unknown,
)
from carina.imaging.building import build_store
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest, write_manifest
from carina.studies.truth import absent_where_only_presence_is_listed, always_unknown
from carina.study import Assertion, Finding, Radiograph, Study

P, A, U = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN


def study(number: int, **findings: Assertion) -> Study:
    return Study(
        study_id=f"s{number}",
        patient_id=f"p{number}",
        source="test",
        radiographs=(Radiograph(path=f"{number}.png", view="PA"),),
        findings=tuple(Finding(name=name, value=value) for name, value in findings.items()),
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    studies = [study(0, edema=P), study(1, edema=A, nodule=U), study(2, nodule=P), study(3)]
    for number in range(4):
        Image.fromarray(np.full((20, 20), 9 * number, np.uint8)).save(tmp_path / f"{number}.png")
    write_manifest(studies, tmp_path / "m.parquet", tmp_path)
    return Manifest.read(tmp_path / "m.parquet")


@pytest.fixture
def store(manifest: Manifest, tmp_path: Path) -> ImageStore:
    files = [(f"{number}.png", tmp_path / f"{number}.png") for number in range(4)]
    build_store(files, tmp_path / "store", 16, processes=1)
    return ImageStore.open(tmp_path / "store")


@pytest.mark.parametrize(
    ("policy", "nodule_of_1"),
    [(uncertain_is_unknown, np.nan), (uncertain_is_absent, 0.0), (uncertain_is_present, 1.0)],
)
def test_uncertain_is_what_the_policy_says(
    manifest: Manifest, store: ImageStore, policy, nodule_of_1: float
) -> None:
    images = labelled_images(
        manifest,
        manifest,
        ["edema", "nodule"],
        store,
        unmentioned=always_unknown,
        uncertainty=policy,
    )
    assert images.keys == ("0.png", "1.png", "2.png")  # of the last nothing is known
    np.testing.assert_array_equal(images.labels, [[1, np.nan], [0, nodule_of_1], [np.nan, 1]])


def test_what_is_not_listed_is_absent_only_where_no_absence_is_listed(
    manifest: Manifest, store: ImageStore
) -> None:
    images = labelled_images(
        manifest,
        manifest,
        ["edema", "nodule"],
        store,
        unmentioned=absent_where_only_presence_is_listed,
        uncertainty=uncertain_is_unknown,
    )
    np.testing.assert_array_equal(images.labels[:, 1], [0, np.nan, 1, 0])
    np.testing.assert_array_equal(images.labels[:, 0], [1, 0, np.nan, np.nan])


def test_a_finding_that_nobody_has_is_refused_with_those_that_there_are(
    manifest: Manifest, store: ImageStore
) -> None:
    with pytest.raises(ManifestError, match=r"known label of hernia.*edema, nodule"):
        labelled_images(
            manifest,
            manifest,
            ["hernia"],
            store,
            unmentioned=always_unknown,
            uncertainty=uncertain_is_unknown,
        )


def test_a_fraction_without_an_example_names_what_it_lacks() -> None:
    images = LabelledImages(
        keys=("a", "b"),
        studies=("a", "b"),
        patients=("a", "b"),
        labels=np.array([[1.0, 0.0], [0.0, 0.0]]),
    )
    with pytest.raises(ManifestError, match=r"1% .*nodule \(0 present, 2 absent\)"):
        check_examples(images, ["edema", "nodule"], "1% of m.parquet")
    check_examples(images.of_patients(frozenset("ab")), ["edema"], "m.parquet")
    check_some_examples(images, ["edema", "nodule"], "1% of m.parquet")  # edema has both
    with pytest.raises(ManifestError, match=r"1% .*nodule \(0 present, 2 absent\)"):
        check_some_examples(
            replace(images, labels=images.labels[:, 1:]), ["nodule"], "1% of m.parquet"
        )
