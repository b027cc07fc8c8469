import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carina.errors import ConfigError
from carina.phantom import phrases
from carina.phantom.clinic import draw_lesion
from carina.phantom.dictation import fill
from carina.phantom.drawing import PhantomConfig, draw_study, places, plan_study
from carina.phantom.findings import DIFFUSE, FINDINGS, FOCAL, IMPLIED, SEEN, UNSEEN
from carina.phantom.pleural_lesions import rib_fracture
from carina.phantom.randomness import generator
from carina.phantom.render import Plan, empty_scene, render
from carina.study import Assertion

CONFIG = PhantomConfig(studies=120, seed=3, size=128)
DIGEST = """
import hashlib
from carina.phantom.drawing import PhantomConfig, draw_study
config = PhantomConfig(studies=120, seed=3, size=128)
digest = hashlib.sha256()
for index in (0, 41, 100, 117):
    drawn = draw_study(config, index)
    digest.update(repr(drawn.study).encode())
    for name in sorted(drawn.masks):
        digest.update(drawn.masks[name].tobytes())
    digest.update(drawn.image.tobytes())
print(digest.hexdigest())
"""


def truth(index: int) -> str:
    drawn = draw_study(CONFIG, index)
    digest = hashlib.sha256(repr(drawn.study).encode())
    for name in sorted(drawn.masks):
        digest.update(drawn.masks[name].tobytes())
    digest.update(drawn.image.tobytes())
    return digest.hexdigest()


def healthy_plan() -> Plan:
    """A large adult upright, without any lesion, so that each lesion can be put in alone."""
    for index in range(CONFIG.studies):
        _, visit, plan = plan_study(CONFIG, index)
        if not visit.lesions and plan.film.collimation == (0, 0, 0, 0):
            return plan
    raise AssertionError("no healthy study in the sample")


HEALTHY = healthy_plan()


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_studies_are_the_same_in_another_process_under_any_hash_seed(hash_seed: str) -> None:
    digest = hashlib.sha256()
    for index in (0, 41, 100, 117):
        drawn = draw_study(CONFIG, index)
        digest.update(repr(drawn.study).encode())
        for name in sorted(drawn.masks):
            digest.update(drawn.masks[name].tobytes())
        digest.update(drawn.image.tobytes())
    other = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == digest.hexdigest()


def test_a_study_does_not_depend_on_the_studies_drawn_before_it() -> None:
    first = truth(90)
    truth(5)
    assert truth(90) == first


def test_another_seed_draws_other_patients() -> None:
    ours, other = draw_study(CONFIG, 0), draw_study(replace(CONFIG, seed=4), 0)
    assert np.abs(ours.image.astype(int) - other.image.astype(int)).mean() > 5


@pytest.mark.parametrize("name", FINDINGS)
def test_a_lesion_changes_the_picture_where_its_mask_lies(name: str) -> None:
    lesion = replace(draw_lesion(generator(1, name), name), severity=3, conspicuity=1.0, extent=1.0)
    plain, _ = render(HEALTHY)
    picture, masks = render(replace(HEALTHY, lesions=(lesion,)))
    mask = masks[name]
    change = np.abs(picture.astype(float) - plain.astype(float))
    assert 0.0003 < mask.mean() < 0.6
    # Far more change inside than outside; scatter and moved vessels leave a little everywhere.
    assert change[mask].mean() > 4.0
    assert change[mask].mean() > 2.5 * change[~mask].mean()


@pytest.mark.parametrize("name", sorted(IMPLIED))
def test_what_a_finding_implies_is_present_with_a_mask_of_its_own(name: str) -> None:
    lesion = replace(draw_lesion(generator(2, name), name), severity=3)
    _, masks = render(replace(HEALTHY, lesions=(lesion,)))
    for implied in IMPLIED[name]:
        assert masks[implied].any()
        assert not (masks[implied] & ~masks[name]).any()


def test_lesions_lie_on_the_side_they_say() -> None:
    for name in ("pleural effusion", "pneumothorax", "mass", "empyema"):
        for side in (-1, 1):
            lesion = replace(draw_lesion(generator(5, name), name), side=side, severity=2)
            _, masks = render(replace(HEALTHY, lesions=(lesion,)))
            columns = np.flatnonzero(masks[name].any(axis=0))
            # The patient's right is at the left of the picture.
            assert (columns.mean() > CONFIG.size / 2) == (side > 0)


def test_a_denser_lesion_shows_more() -> None:
    changes = []
    plain, _ = render(HEALTHY)
    for conspicuity in (0.35, 1.0):
        lesion = replace(draw_lesion(generator(7, "mass"), "mass"), conspicuity=conspicuity)
        picture, masks = render(replace(HEALTHY, lesions=(lesion,)))
        changes.append(np.abs(picture.astype(float) - plain)[masks["mass"]].mean())
    assert changes[1] > 1.4 * changes[0]


def test_every_finding_is_focal_or_diffuse_and_at_least_25_are_seen() -> None:
    assert set(FOCAL) & set(DIFFUSE) == set()
    assert set(FOCAL) | set(DIFFUSE) == set(FINDINGS)
    assert len(SEEN) >= 25
    assert len(UNSEEN) == 5


def test_unseen_findings_occur_in_test_patients_only() -> None:
    config = PhantomConfig(studies=700, seed=11)
    counts = {split: dict.fromkeys(FINDINGS, 0) for split in ("train", "validate", "test")}
    for index in range(config.studies):
        place, visit, _ = plan_study(config, index)
        for name in visit.present:
            counts[place.split][name] += 1
    for name in UNSEEN:
        assert counts["train"][name] == counts["validate"][name] == 0
        assert counts["test"][name] > 6
    assert min(counts["train"][name] for name in SEEN) > 15


def test_each_patient_is_in_one_split_with_at_most_three_visits() -> None:
    config = PhantomConfig(studies=800, seed=2)
    patients: dict[int, set[str]] = {}
    visits: dict[int, int] = {}
    for place in places(config):
        patients.setdefault(place.patient, set()).add(place.split)
        visits[place.patient] = visits.get(place.patient, 0) + 1
    assert all(len(splits) == 1 for splits in patients.values())
    assert set(visits.values()) == {1, 2, 3}
    assert [p.split for p in places(config)].count("test") == config.counts["test"]


def test_a_third_of_the_training_studies_and_a_fifth_of_the_others_are_healthy() -> None:
    config = PhantomConfig(studies=700, seed=1)
    healthy = {"train": [], "test": []}
    for index in range(config.studies):
        place, visit, _ = plan_study(config, index)
        if place.split in healthy:
            healthy[place.split].append(not visit.lesions)
    assert np.mean(healthy["train"]) == pytest.approx(0.34, abs=0.07)
    assert np.mean(healthy["test"]) == pytest.approx(0.2, abs=0.1)


@settings(max_examples=8)
@given(index=st.integers(0, CONFIG.studies - 1))
def test_a_study_knows_every_finding_and_boxes_fit_their_masks(index: int) -> None:
    drawn = draw_study(CONFIG, index)
    values = {finding.name: finding.value for finding in drawn.study.findings}
    assert tuple(values) == FINDINGS
    present = {name for name, value in values.items() if value is Assertion.PRESENT}
    assert present == set(drawn.masks)
    for box in drawn.study.boxes:
        mask = drawn.masks[box.label].copy()
        mask[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = False
        assert not mask.any()
    assert drawn.image.dtype == np.uint8
    assert drawn.image.shape == (128, 128)
    assert drawn.study.licence == "synthetic"
    assert drawn.study.source == "phantom"


def test_radiographs_use_the_grey_scale_with_bone_bright_and_air_dark() -> None:
    picture, _ = render(HEALTHY)
    _, left = np.percentile(picture, (1, 99))
    assert left > 170
    middle = picture[:, 58:70]  # spine and heart
    lung = picture[45:75, 30:42]
    assert middle[45:100].mean() > lung.mean() + 30


def test_patients_differ_clearly() -> None:
    plans = [plan_study(CONFIG, index)[2] for index in range(0, 30)]
    widths = [plan.anatomy.left.width for plan in plans]
    hearts = [max(plan.anatomy.heart_radii) for plan in plans]
    assert np.std(widths) / np.mean(widths) > 0.04
    assert np.std(hearts) / np.mean(hearts) > 0.04


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"studies": 0}, "studies must be at least 1, got 0"),
        ({"validate_share": 0.6, "test_share": 0.6}, "must be >= 0 and at most 1 together"),
        ({"test_share": -0.1}, "must be >= 0 and at most 1 together"),
        ({"size": 32}, "size must be from 64 to 4096 pixels, got 32"),
        ({"mask_splits": ("dev",)}, "mask_splits names 'dev'"),
    ],
)
def test_impossible_cohorts_are_refused(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PhantomConfig(**settings_)  # type: ignore[arg-type]


@pytest.mark.parametrize("index", [-1, 120])
def test_a_study_outside_the_cohort_is_refused(index: int) -> None:
    with pytest.raises(ConfigError, match=f"there is no study {index}: the cohort has 120"):
        draw_study(CONFIG, index)


def test_the_rib_that_a_report_names_is_the_first_broken_one() -> None:
    for seed in range(12):
        drawn = draw_lesion(generator(seed, "rib"), "rib fracture")
        lesion = replace(drawn, zone=("upper", "middle", "lower")[seed % 3])
        scene = empty_scene(HEALTHY, HEALTHY.anatomy)
        rib_fracture(scene, lesion, lesion.random())
        first = min(number for _, number in scene.fractures)
        assert fill("{rib}", lesion, lesion.random()).lower() == phrases.RIBS[first]


def test_a_report_puts_atelectasis_where_it_is_drawn() -> None:
    for seed in range(12):
        lesion = draw_lesion(np.random.default_rng(seed), "atelectasis")
        assert lesion.zone == "lower"
        _, masks = render(replace(HEALTHY, lesions=(lesion,)))
        rows = np.flatnonzero(masks["atelectasis"].any(axis=1))
        lung = HEALTHY.anatomy.lung(lesion.side)
        ends = np.array([[0.0, lung.apex], [0.0, lung.dome]])
        apex, dome = HEALTHY.frame.to_pixels(ends)[:, 1]
        assert (rows.mean() - apex) / (dome - apex) > 0.6


def test_a_report_tells_how_far_above_the_carina_a_tube_ends() -> None:
    # The detector's 43 cm are two units of u, seen through the zoom.
    carina = HEALTHY.anatomy.carina_at
    for severity in (1, 2, 3):
        lesion = replace(draw_lesion(generator(1), "endotracheal tube"), severity=severity)
        _, masks = render(replace(HEALTHY, lesions=(lesion,)))
        row = float(np.flatnonzero(masks["endotracheal tube"].any(axis=1))[-1] + 1)
        height = HEALTHY.frame.to_pixels(np.array([[0.0, carina]]))[0, 1] - row
        told = float(fill("{length}", lesion, lesion.random()))
        assert height / HEALTHY.frame.size * 43 == pytest.approx(told, abs=0.9)
