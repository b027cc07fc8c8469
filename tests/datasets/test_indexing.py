"""From a release on disk to a manifest."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.indexing import compared_with_whole, index_release, masks_beside
from carina.datasets.plain_csv import CSV
from carina.datasets.registry import DATASETS, dataset_named
from carina.datasets.tally import Tally
from carina.errors import ConfigError, DatasetError
from carina.phantom.layout import NOTICE
from carina.studies.checks import check
from carina.studies.manifest import Manifest
from carina.studies.packing import images_to_pack
from carina.study import Study

Folder = Callable[..., Path]


def test_the_names_of_datasets_are_those_they_declare() -> None:
    assert {name: dataset.name for name, dataset in DATASETS.items()} == {
        name: name for name in DATASETS
    }
    assert all(
        dataset.source and dataset.licence and dataset.layout for dataset in DATASETS.values()
    )


def test_a_dataset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"There is no dataset 'mimic-7'\. .*Datasets: .*csv"):
        dataset_named("mimic-7")


@pytest.mark.parametrize("found", ["nothing", "a file"])
def test_a_root_that_is_no_folder_is_refused(tmp_path: Path, found: str) -> None:
    if found == "a file":
        (tmp_path / "root").write_text("image\n")
    with pytest.raises(DatasetError, match=f"found {found}, expected the folder of the release"):
        read_studies(CSV, Release(root=tmp_path / "root"))


def test_a_release_that_is_not_laid_out_as_declared_is_refused(folder: Folder) -> None:
    root = folder("image\na.png\n", name="list.csv")
    with pytest.raises(DatasetError, match=r"manifest\.csv expected for csv .* found list\.csv, a"):
        read_studies(CSV, Release(root=root))
    with pytest.raises(DatasetError, match=r"other\.csv expected for csv .* with --table\.$"):
        read_studies(CSV, Release(root=root, table="other.csv"))


def test_a_call_must_fit_the_dataset(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="csv is one download"):
        read_studies(CSV, Release(root=tmp_path, second_root=tmp_path))
    two = replace(CSV, name="mimic", second_root="the folder of the reports")
    with pytest.raises(ConfigError, match="two downloads; give a second folder: the folder of th"):
        read_studies(two, Release(root=tmp_path))
    one = replace(CSV, name="phantom", takes_table=False, takes_columns=False)
    with pytest.raises(ConfigError, match="phantom has a table of its own; leave out --table"):
        read_studies(one, Release(root=tmp_path, table="a.csv"))
    with pytest.raises(ConfigError, match="phantom has columns of its own; leave out --column"):
        read_studies(one, Release(root=tmp_path, columns={"image": "file"}))


def test_a_layout_may_leave_a_choice_between_files(tmp_path: Path) -> None:
    either = replace(CSV, layout=("a.csv or b*/a.csv", "images/"))
    with pytest.raises(DatasetError, match=r"a\.csv or b\*/a\.csv, images/ expected for csv"):
        read_studies(either, Release(root=tmp_path))
    (tmp_path / "batch 1").mkdir()
    (tmp_path / "batch 1" / "a.csv").write_text("image\n")
    with pytest.raises(DatasetError, match=r": images/ expected for csv"):
        read_studies(either, Release(root=tmp_path))
    with pytest.raises(DatasetError, match=r": other\[1\]\.csv, images/ expected for csv"):
        read_studies(either, Release(root=tmp_path, table="other[1].csv"))


def test_sizes_are_read_where_the_table_has_none(folder: Folder, tmp_path: Path) -> None:
    root = folder("image,width,height\na.png,,\nb.png,80,64\n")
    manifest = index_release(CSV, Release(root=root), tmp_path / "m.parquet")
    sizes = [
        (study.radiographs[0].width, study.radiographs[0].height) for study in manifest.studies
    ]
    assert sizes == [(40, 32), (80, 64)]
    assert Manifest.read(tmp_path / "m.parquet").absolute("a.png").exists()


@pytest.mark.parametrize("beside", [True, False])
def test_studies_of_a_synthetic_copy_have_the_licence_that_says_so(
    folder: Folder, tmp_path: Path, beside: bool
) -> None:
    root = folder("image,licence\na.png,CC0\nb.png,\n")
    index_release(CSV, Release(root=root), tmp_path / "m.parquet")
    assert [one.licence for one in Manifest.read(tmp_path / "m.parquet").studies] == ["CC0", None]
    # A release of two downloads has the notice above its first.
    (root if beside else root.parent).joinpath("README.txt").write_text(f"{NOTICE}\nAll of it.")
    index_release(CSV, Release(root=root), tmp_path / "m.parquet")
    assert {one.licence for one in Manifest.read(tmp_path / "m.parquet").studies} == {"synthetic"}


def test_broken_images_stay_in_the_manifest_and_are_counted(
    folder: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = folder("image\na.png\nb.png\ngone.png\n")
    (root / "b.png").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        manifest = index_release(CSV, Release(root=root), tmp_path / "m.parquet")
    assert "2 files are missing or cannot be read" in caplog.text
    report = check([manifest])
    assert (len(report.missing), len(report.unreadable)) == (1, 1)


def test_studies_without_a_split_get_one_on_demand(folder: Folder, tmp_path: Path) -> None:
    root = folder("image,split\na.png,\nb.png,test\n")
    plain = index_release(CSV, Release(root=root), tmp_path / "m.parquet")
    assert [study.split for study in plain.studies] == [None, "test"]
    split = index_release(CSV, Release(root=root), tmp_path / "m.parquet", split_seed=1)
    assert split.studies[0].split in ("train", "validate", "test")
    assert split.studies[1].split == "test"


def test_a_release_without_studies_is_refused(tmp_path: Path) -> None:
    def read_nothing(release: Release, tally: Tally) -> Iterator[Study]:
        return iter(())

    empty = Dataset(name="empty", source="-", licence="-", layout=(), read=read_nothing)
    with pytest.raises(DatasetError, match="no study was found"):
        index_release(empty, Release(root=tmp_path), tmp_path / "m.parquet")


def covid(data_dir: Path, tmp_path: Path) -> Manifest:
    return index_release(CSV, Release(root=data_dir / "covid_cxr"), tmp_path / "covid.parquet")


def test_covid_cxr_is_read_as_it_is(data_dir: Path, tmp_path: Path) -> None:
    manifest = covid(data_dir, tmp_path)
    # The counts are those of the set's own README.
    assert len(manifest) == 241
    assert len({study.patient_id for study in manifest.studies}) == 138
    assert [len(manifest.split(name)) for name in ("train", "validate", "test")] == [181, 29, 31]
    assert sum(bool(study.report.text) for study in manifest.studies) == 177
    findings = [finding.name for study in manifest.studies for finding in study.findings]
    assert findings.count("COVID-19") == 155
    assert sum(not study.findings for study in manifest.studies) == 23
    masks = [mask.label for study in manifest.studies for mask in study.masks]
    assert (masks.count("lung"), masks.count("ground glass opacities")) == (155, 33)
    assert sum(bool(study.boxes) for study in manifest.studies) == 49
    brixia = [
        score.value
        for study in manifest.studies
        for score in study.severity
        if score.name == "brixia_senior_global"
    ]
    assert max(brixia) == 18


def test_nih_cxr_is_read_as_it_is(data_dir: Path, tmp_path: Path) -> None:
    release = Release(root=data_dir / "nih_cxr")
    manifest = index_release(CSV, release, tmp_path / "nih.parquet")
    assert len(manifest) == 770
    assert [len(manifest.split(name)) for name in ("train", "validate", "test")] == [575, 79, 116]
    boxes = [box for study in manifest.studies for box in study.boxes]
    assert len(boxes) == 205
    assert sum(box.reader == "rsna" for box in boxes) == 162
    counts = [finding.name for study in manifest.studies for finding in study.findings]
    assert (counts.count("Pneumonia"), counts.count("No Finding")) == (405, 365)
    assert len(images_to_pack(manifest)) == 770


@pytest.mark.slow
def test_real_sets_are_healthy_but_for_the_picture_that_is_known_to_be_twice(
    data_dir: Path, tmp_path: Path
) -> None:
    nih = index_release(CSV, Release(root=data_dir / "nih_cxr"), tmp_path / "nih.parquet")
    report = check([covid(data_dir, tmp_path), nih])
    assert report.healthy
    assert [[place.study_id for place in shared.places] for shared in report.pictures] == [
        ["00002658_001", "00002658_002"]
    ]


def test_labels_of_another_version_are_told_once_all_studies_are_there(folder: Folder) -> None:
    boxes = '"[{""label"": ""mass"", ""box"": [1, 2, 3, 4]}]"'
    root = folder(f"image,findings,split,boxes\na.png,mass,test,{boxes}\nb.png,mass;edema,,\n")
    declared = replace(
        CSV,
        counts={"studies": 2},
        labels={"studies with mass": 2, "studies with edema": 4, "boxes of mass in test": 1},
    )
    manifest = index_release(declared, Release(root=root), root / "m.parquet")
    assert compared_with_whole(declared, manifest) == {"studies with edema": (1, 4)}
    larger = replace(declared, counts={"studies": 3})
    assert compared_with_whole(larger, manifest) == {"studies": (2, 3)}


def test_masks_lie_beside_the_manifest_under_its_name(tmp_path: Path) -> None:
    assert masks_beside(tmp_path / "siim.parquet") == tmp_path / "siim_masks"
