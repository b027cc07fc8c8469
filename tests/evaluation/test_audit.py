import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bright_cohort import BrightnessModel

from carina.errors import EvaluationError
from carina.evaluation.audit import audit, places
from carina.evaluation.failures import few_of_each, worst_cases
from carina.evaluation.page_cases import Choice
from carina.evaluation.result import Evaluation
from carina.evaluation.rows import rows_of_evaluation
from carina.evaluation.subgroups import age_band_of, groups_of, table_groupings
from carina.evaluation.zero_shot import ZeroShotSettings, evaluate_zero_shot
from carina.metrics.classification import auc
from carina.studies.manifest import Manifest

FEW = ZeroShotSettings(replicates=50)


@pytest.fixture(scope="module")
def known(cohort: Manifest) -> Manifest:
    """The cohort with a sex for all and an age for half of the studies."""
    studies = [
        replace(
            study,
            sex="F" if number % 7 < 4 else "M",
            age_years=float(30 + number % 60) if number % 2 else None,
        )
        for number, study in enumerate(cohort.studies)
    ]
    return cohort.with_studies(studies)


@pytest.fixture(scope="module")
def noisy(known: Manifest) -> Evaluation:
    return evaluate_zero_shot(BrightnessModel(noise=9.0), known, settings=FEW, model_name="noisy")


def test_a_group_scores_as_its_own_radiographs_do(noisy: Evaluation, known: Manifest) -> None:
    found = audit(noisy, known, replicates=30)
    women = next(one for one in found.groups if (one.grouping, one.name) == ("sex", "F"))
    men = next(one for one in found.groups if (one.grouping, one.name) == ("sex", "M"))
    rows = rows_of_evaluation(noisy)
    inside = np.array([frontal.study.sex == "F" for frontal in found.frontals])
    expected = auc(rows.scores[inside], rows.truth[inside]).mean()
    others = auc(rows.scores[~inside], rows.truth[~inside]).mean()
    assert women.images == inside.sum()
    assert women.scores["auc"].value == pytest.approx(expected)
    assert women.difference.value == pytest.approx(expected - others)
    assert men.difference.value == pytest.approx(others - expected)
    assert women.p_value_holm >= women.difference.p_value


def test_radiographs_of_unknown_age_are_in_no_band(noisy: Evaluation, known: Manifest) -> None:
    frontals = places(rows_of_evaluation(noisy), known)
    bands = groups_of(frontals, age_band_of)
    assert [name for name, _, _ in bands] == ["0-39", "40-59", "60-79", "80 and over"]
    with_age = sum(frontal.study.age_years is not None for frontal in frontals)
    assert sum(inside.sum() for _, inside, _ in bands) == with_age
    aged = replace(frontals[0], study=replace(frontals[0].study, age_years=40.0))
    assert age_band_of(aged) == "40-59"


def test_what_is_the_same_for_all_is_no_grouping(noisy: Evaluation, known: Manifest) -> None:
    found = audit(noisy, known, replicates=5)
    assert "source" in found.unknown
    assert not [one for one in found.groups if one.grouping == "source"]


def test_groups_come_from_a_table_too(known: Manifest, noisy: Evaluation, tmp_path: Path) -> None:
    table = tmp_path / "scanners.csv"
    lines = [
        f"{study.study_id},{'old' if number % 4 < 2 else 'new'}"
        for number, study in enumerate(known.studies)
    ]
    table.write_text("\n".join(["study_id,scanner", *lines]))
    found = audit(noisy, known, more_groupings=table_groupings(table), replicates=5)
    names = {one.name for one in found.groups if one.grouping == "scanner"}
    assert names <= {"old", "new"}
    table.write_text("scanner\nold\n")
    with pytest.raises(EvaluationError, match="has the columns scanner; expected study_id"):
        table_groupings(table)


def test_two_models_are_compared_in_every_group(
    noisy: Evaluation, known: Manifest, tmp_path: Path
) -> None:
    good = evaluate_zero_shot(BrightnessModel(), known, settings=FEW, model_name="good")
    found = audit(good, known, beside=noisy, replicates=40)
    assert found.compared_groups["sex"].keys() == {"F", "M"}
    women = next(one for one in found.groups if one.name == "F")
    other = audit(noisy, known, replicates=40)
    of_noisy = next(one for one in other.groups if one.name == "F")
    assert found.compared_groups["sex"]["F"].value == pytest.approx(
        women.scores["auc"].value - of_noisy.scores["auc"].value
    )
    found.save(tmp_path / "audit", known)
    plain = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert plain["compared"]["second"] == "noisy"
    page = (tmp_path / "audit" / "index.html").read_text()
    for words in ("sex: F", "Beside the other model", "Calibration", "Failure sheet", "p (DeLong)"):
        assert words in page
    found.save(tmp_path / "audit", known)  # an earlier audit is replaced
    (tmp_path / "audit" / "notes.txt").write_text("mine")
    with pytest.raises(EvaluationError, match="holds something that is no audit"):
        found.save(tmp_path / "audit", known)


def test_worst_cases_are_positives_at_the_bottom_and_negatives_at_the_top(
    noisy: Evaluation,
) -> None:
    rows = rows_of_evaluation(noisy)
    misses, alarms = worst_cases(noisy, rows)
    assert all(choice.truth for choice in misses)
    assert not any(choice.truth for choice in alarms)
    names = list(noisy.positives)
    for choice in misses:
        place = names.index(choice.finding)
        scores = rows.scores[rows.truth[:, place] == 1, place]
        assert choice.score <= np.sort(scores)[3]  # two of a finding, unless shown for another


def test_a_sheet_shows_no_radiograph_twice_and_two_cases_of_a_finding() -> None:
    def case(image: str, finding: str) -> Choice:
        return Choice(image=image, finding=finding, score=0.1, truth=True, caption="")

    ordered = [
        (0.3, case("c", "nodule")),
        (0.1, case("a", "nodule")),
        (0.2, case("a", "mass")),
        (0.4, case("b", "nodule")),
        (0.5, case("d", "mass")),
    ]
    assert [(one.image, one.finding) for one in few_of_each(ordered)] == [
        ("a", "nodule"),
        ("c", "nodule"),
        ("d", "mass"),
    ]


def test_what_cannot_be_audited_is_refused(noisy: Evaluation, known: Manifest) -> None:
    fewer = known.with_studies(known.studies[:8])
    with pytest.raises(EvaluationError, match="Give the manifest that was evaluated"):
        audit(noisy, fewer, replicates=5)
    with pytest.raises(EvaluationError, match="needs scores of findings on radiographs"):
        audit(replace(noisy, settings={}), known, replicates=5)
