import numpy as np
import pytest

from carina.studies.truth import (
    absent_where_only_presence_is_listed,
    always_absent,
    always_unknown,
    canonical,
    listed_findings,
    outlined_findings,
    truth_of,
)
from carina.study import Assertion, Box, Finding, Mask, Study

PRESENT, ABSENT, UNCERTAIN = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN


def study(**findings: Assertion) -> Study:
    listed = tuple(Finding(name=name, value=value) for name, value in findings.items())
    return Study(study_id="s", patient_id="p", source="", radiographs=(), findings=listed)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Pleural_Thickening", "pleural thickening"),
        ("Effusion", "pleural effusion"),
        ("  Lung   Nodule ", "nodule"),
        ("COVID-19", "covid-19"),
        ("hernia", "hernia"),
    ],
)
def test_names_are_compared_in_one_form(name: str, expected: str) -> None:
    assert canonical(name) == expected


def test_uncertain_is_unknown_and_present_and_absent_are_known() -> None:
    studies = [study(Edema=PRESENT), study(Edema=ABSENT), study(Edema=UNCERTAIN)]
    truth = truth_of(studies, ["edema"], studies, always_absent)
    np.testing.assert_array_equal(truth.values[:, 0], [1, 0, np.nan])


def test_not_listed_is_absent_only_where_the_data_list_presence_alone() -> None:
    # Mass is somewhere called absent, so silence about it says nothing; nodule never is.
    studies = [study(Nodule=PRESENT), study(Mass=ABSENT), study(Mass=PRESENT)]
    names = ["nodule", "mass"]
    truth = truth_of(studies, names, studies, absent_where_only_presence_is_listed)
    np.testing.assert_array_equal(truth.values, [[1, np.nan], [0, 0], [0, 1]])
    assert truth.listed_absent == (False, True)
    everywhere = truth_of(studies, names, studies, always_absent)
    np.testing.assert_array_equal(everywhere.values, [[1, 0], [0, 0], [0, 1]])
    nowhere = truth_of(studies, names, studies, always_unknown)
    np.testing.assert_array_equal(nowhere.values, [[1, np.nan], [np.nan, 0], [np.nan, 1]])


def test_whether_absence_is_listed_is_seen_in_all_studies_not_the_part_alone() -> None:
    part = [study(Mass=PRESENT), study()]
    everything = [*part, study(Mass=ABSENT)]
    truth = truth_of(part, ["mass"], everything, absent_where_only_presence_is_listed)
    np.testing.assert_array_equal(truth.values[:, 0], [1, np.nan])


def test_two_names_of_one_finding_are_united_and_both_are_said() -> None:
    studies = [study(Effusion=ABSENT), study(**{"pleural effusion": PRESENT, "Effusion": ABSENT})]
    truth = truth_of(studies, ["Pleural Effusion"], studies, always_unknown)
    np.testing.assert_array_equal(truth.values[:, 0], [0, 1])
    assert truth.sources == (("Effusion", "pleural effusion"),)


def test_default_queries_are_findings_and_no_parts_of_the_body() -> None:
    one = study(Effusion=PRESENT, **{"No Finding": PRESENT, "Hernia": ABSENT})
    assert listed_findings([one]) == ("hernia", "pleural effusion")
    outlined = Study(
        study_id="s",
        patient_id="p",
        source="",
        radiographs=(),
        boxes=(Box(radiograph=0, label="Left Lung", x1=0.0, y1=0.0, x2=1.0, y2=1.0),),
        masks=(
            Mask(radiograph=0, label="lung", path="a"),
            Mask(radiograph=0, label="Consolidation", path="b"),
        ),
    )
    assert outlined_findings([outlined]) == ("consolidation",)
