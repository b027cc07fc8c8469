"""COVID Rural as people have it on disk: every quirk of the release on a tiny fake."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carina.datasets.covid_rural import COVID_RURAL, COVID_RURAL_LOVT
from carina.datasets.covid_rural_layout import LOVT, MADE_OF
from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.indexing import index_release
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.evaluation.outlines import read_mask
from carina.phantom.findings import FINDINGS
from carina.study import Assertion, Study

ONE, TWO = "COVID-19-AR-16406490_01-11-2012-XR", "COVID-19-AR-16406491_01-29-2012-XR"
PRESENT, ABSENT = Assertion.PRESENT, Assertion.ABSENT


def release(root: Path, *names: str) -> Path:
    """Writes a colour JPEG of 40 x 32 pixels for each name, and the folder of masks."""
    (root / "jpgs" / "jsons").mkdir(parents=True)
    (root / "pngs_masks").mkdir()
    for name in names:
        Image.new("RGB", (40, 32)).save(root / "jpgs" / f"{name}.jpg")
    return root


def outline(root: Path, name: str, level: int = 1, size: tuple[int, int] = (40, 32)) -> None:
    """Writes a mask with the levels 0 and 1, as the release has them."""
    mask = Image.new("L", size)
    mask.paste(level, (10, 4, 20, 12))
    mask.save(root / "pngs_masks" / f"{name}.png")


def shape(root: Path, name: str, *labels: str) -> None:
    text = json.dumps({"shapes": [{"label": label} for label in labels]})
    (root / "jpgs" / "jsons" / f"{name}.json").write_text(text)


def patients(root: Path, *lines: str) -> None:
    header = "PATIENT_ID,AGE,SEX,RACE,COVID TEST POSITIVE,TEST NAME"
    (root / "covid_rural_patient_info.csv").write_text("\n".join([header, *lines]) + "\n")


def index(root: Path, out: Path) -> Sequence[Study]:
    return index_release(COVID_RURAL, Release(root=root), out).studies


def studies_in(root: Path, tally: Tally | None = None) -> list[Study]:
    return list(read_studies(COVID_RURAL, Release(root=root), tally))


def said(study: Study) -> dict[str, Assertion]:
    return {item.name: item.value for item in study.findings}


def test_masks_of_zeros_and_ones_are_drawn_so_that_they_are_seen(tmp_path: Path) -> None:
    root = release(tmp_path / "rural", ONE)
    outline(root, ONE)
    # As the release has it the mask is empty to a reader of levels above half of 255.
    assert not read_mask(root / "pngs_masks" / f"{ONE}.png", 32, 40).any()
    (study,) = index(root, tmp_path / "m.parquet")
    inside = read_mask(root / study.masks[0].path, 32, 40)
    assert inside[4:12, 10:20].all()
    assert inside.sum() == 80
    assert said(study) == {"Lung Opacity": PRESENT}
    assert (study.masks[0].label, study.patient_id) == ("Lung Opacity", "COVID-19-AR-16406490")


@pytest.mark.parametrize("mode", ["P", "RGB", "1"])
def test_masks_of_other_modes_are_read_by_what_is_not_zero(tmp_path: Path, mode: str) -> None:
    root = release(tmp_path / "rural", ONE)
    mask = Image.new("L", (40, 32))
    mask.paste(1 if mode == "P" else 255, (0, 0, 20, 32))
    if mode == "P":
        mask = Image.fromarray(np.asarray(mask), "P")
        mask.putpalette([0, 0, 0, 128, 0, 0])
    mask.convert(mode).save(root / "pngs_masks" / f"{ONE}.png")
    (study,) = index(root, tmp_path / "m.parquet")
    assert read_mask(root / study.masks[0].path, 32, 40).sum() == 20 * 32


def test_the_table_of_patients_tells_age_sex_and_the_test(tmp_path: Path) -> None:
    root = release(tmp_path, ONE, TWO)
    patients(root, "COVID-19-AR-16406490,38,F,WHITE,1,PCR")
    tally = Tally()
    one, two = studies_in(root, tally)
    assert (one.age_years, one.sex, said(one)) == (38, "F", {"COVID-19": PRESENT})
    assert (two.age_years, two.sex, said(two)) == (None, None, {})
    assert tally.counts["patients that covid_rural_patient_info.csv lacks"] == 1
    patients(root, *["COVID-19-AR-16406490,38,F,WHITE,1,PCR"] * 2)
    with pytest.raises(DatasetError, match="row 3, PATIENT_ID: COVID-19-AR-16406490 is there twic"):
        studies_in(root)
    patients(root, "COVID-19-AR-16406490,38,F,WHITE,yes,PCR")
    with pytest.raises(DatasetError, match="row 2, COVID TEST POSITIVE: found 'yes', expected 1 o"):
        studies_in(root)


def test_without_a_mask_the_shapes_say_whether_there_is_an_opacity(tmp_path: Path) -> None:
    root = release(tmp_path, ONE, TWO)
    tally = Tally()
    assert [said(study) for study in studies_in(root, tally)] == [{}, {}]
    assert tally.counts == {"images that nobody outlined: opacity is not told": 2}
    shape(root, ONE, "left_lung", "right_lung")
    shape(root, TWO, "left_lung", "subtle_hazy")
    tally = Tally()
    assert [said(study) for study in studies_in(root, tally)] == [{"Lung Opacity": ABSENT}, {}]
    assert tally.counts == {"images with outlines but without a mask: opacity is not told": 1}
    (root / "jpgs" / "jsons" / f"{ONE}.json").write_text("{}")
    with pytest.raises(DatasetError, match=rf"{ONE}\.json: cannot be read as outlines"):
        studies_in(root)


def test_masks_that_are_empty_or_do_not_fit_are_counted(tmp_path: Path) -> None:
    root = release(tmp_path, ONE, TWO)
    outline(root, ONE, level=0)
    outline(root, TWO, size=(32, 40))
    outline(root, "COVID-19-AR-16406499_01-01-2012-XR")
    tally = Tally()
    assert [said(study) for study in studies_in(root, tally)] == [{"Lung Opacity": ABSENT}, {}]
    assert tally.counts == {
        "masks without a pixel: no opacity": 1,
        "masks of another size than their image, left out": 1,
        "masks without an image, left out": 1,
    }
    (root / "pngs_masks" / f"{ONE}.png").write_bytes(b"x")
    tally = Tally()
    studies_in(root, tally)
    assert tally.counts["masks left out: they or their image cannot be read"] == 1


def test_images_of_another_name_are_left_out(tmp_path: Path) -> None:
    root, tally = release(tmp_path, ONE, "selfie"), Tally()
    assert [study.study_id for study in studies_in(root, tally)] == [ONE]
    assert (
        tally.counts["images of another name than COVID-19-AR-16406490_01-11-2012-XR, left out"]
        == 1
    )
    (root / "jpgs" / f"{ONE}.jpg").unlink()
    with pytest.raises(DatasetError, match="none of the 1 images that are listed is there"):
        studies_in(root)


@pytest.mark.parametrize("dataset", [COVID_RURAL, COVID_RURAL_LOVT])
def test_a_phantom_in_this_layout_says_what_was_drawn(
    tmp_path: Path, stand_in: Callable[..., DrawnCohort], dataset: Dataset
) -> None:
    assert set(MADE_OF) <= set(FINDINGS)
    assert sum(LOVT.lengths) == 221
    cohort, root = stand_in([(), ("nodule",)] * 4), tmp_path / "out"
    assert dataset.write is not None
    dataset.write(cohort, root)
    lists = None if dataset is COVID_RURAL else root / "lists"
    release = Release(root=root, second_root=lists)
    manifest = index_release(dataset, release, tmp_path / "m.parquet")
    for place, (drawn, study) in enumerate(zip(cohort.studies, manifest.studies, strict=True)):
        outlined = place > 0
        opacity = {"Lung Opacity": ABSENT} if outlined else {}
        assert said(study) == {"COVID-19": PRESENT} | opacity
        assert study.split == (drawn.split if outlined and lists is not None else None)
        assert (study.sex, study.age_years) == ("F", 93)
    assert np.array_equal(
        [each.patient_id for each in manifest.studies[::2]],
        [f"COVID-19-AR-{16_400_000 + number}" for number in range(4)],
    )
