"""What the cells of a table mean."""

from pathlib import Path

import pytest

from carina.datasets.cells import (
    age_of,
    boxes_of,
    findings_of,
    masks_of,
    severity_of,
    sex_of,
    slashes,
    split_of,
    whole_number,
)
from carina.datasets.table import Row
from carina.errors import DatasetError


def row(**cells: str) -> Row:
    return Row(Path("t.csv"), 7, cells)


@pytest.mark.parametrize(
    ("text", "split"),
    [
        *(("train", "train"), ("Training", "train"), ("val", "validate"), ("VALID", "validate")),
        *(("validation", "validate"), (" test ", "test"), ("", None)),
    ],
)
def test_splits_get_our_names(text: str, split: str | None) -> None:
    assert split_of(row(split=text)) == split


def test_a_split_of_another_name_is_refused() -> None:
    with pytest.raises(DatasetError, match="row 7, split: found 'holdout', expected one of train"):
        split_of(row(split="Holdout"))


@pytest.mark.parametrize(
    ("text", "years"),
    [
        *(("61", 61), ("61.5", 61.5), ("061Y", 61), ("18M", 1.5), ("0", 0), (" 45 years", 45)),
        *(("90+", 90), (">89", 89), ("730.5D", 2), ("", None), ("adult", None)),
        *(("-1", None), ("411", None), ("nan", None), ("55-60", None), ("060Z", None)),
    ],
)
def test_ages_are_years(text: str, years: float | None) -> None:
    assert age_of(text) == years


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        *(("M", "M"), ("female", "F"), ("f", "F"), ("W", "F"), ("O", "O"), ("", None)),
        *(("unknown", None), ("1", None)),
    ],
)
def test_sexes_are_letters(text: str, sex: str | None) -> None:
    assert sex_of(text) == sex


def listed(**cells: str) -> list[tuple[str, str]]:
    return [(finding.name, finding.value.value) for finding in findings_of(row(**cells))]


def test_findings_are_present_and_what_is_not_listed_is_not_absent() -> None:
    assert listed(findings="Edema; Effusion;Edema;") == [
        ("Edema", "present"),
        ("Effusion", "present"),
    ]
    assert listed(findings="No Finding") == [("No Finding", "present")]


@pytest.mark.parametrize("text", ["", "todo", "TODO", ";"])
def test_an_image_that_nobody_labelled_has_no_findings(text: str) -> None:
    assert listed(findings=text) == []


def test_absent_findings_have_a_column_of_their_own() -> None:
    assert listed(findings="edema", absent="mass;nodule") == [
        ("edema", "present"),
        ("mass", "absent"),
        ("nodule", "absent"),
    ]


def test_a_finding_both_present_and_absent_is_refused() -> None:
    with pytest.raises(DatasetError, match="row 7, absent: 'edema' is in `findings` too"):
        findings_of(row(findings="edema", absent="mass;edema"))


def test_boxes_are_read_with_their_reader_and_phrase() -> None:
    text = (
        '[{"label": "Mass", "box": [1, 2.5, 3, 4], "by": "rsna"},'
        ' {"label": "Edema", "box": [0, 0, 9, 9], "phrase": "both bases"}]'
    )
    mass, edema = boxes_of(row(boxes=text), 2)
    assert (mass.x1, mass.y1, mass.x2, mass.y2) == (1, 2.5, 3, 4)
    assert (mass.radiograph, mass.label, mass.reader, mass.phrase) == (2, "Mass", "rsna", None)
    assert (edema.reader, edema.phrase) == (None, "both bases")
    assert boxes_of(row(boxes=""), 0) == boxes_of(row(), 0) == boxes_of(row(boxes="null"), 0) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{", "is no JSON"),
        ("{}", "expected a list"),
        ("[3]", "found 3, expected a label and a box"),
        ('[{"box": [1, 2, 3, 4]}]', "expected a label and a box"),
        ('[{"label": "a", "box": [1, 2, 3]}]', r"corners \[1, 2, 3\], expected four numbers"),
        ('[{"label": "a", "box": [1, 2, 3, "4"]}]', "expected four numbers"),
        ('[{"label": "a", "box": [1, 2, 3, NaN]}]', "expected four numbers"),
        ('[{"label": "a", "box": [3, 2, 3, 4]}]', "is empty: expected x1 < x2, y1 < y2"),
        ('[{"label": "a", "box": [3, 9, 5, 4]}]', "is empty"),
    ],
)
def test_boxes_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=f"row 7, boxes: .*{message}"):
        boxes_of(row(boxes=text), 0)


def test_masks_come_from_both_columns_and_a_path_counts_once() -> None:
    text = '{"lung": "m/a.png", "mass": "m\\\\b.png"}'
    both = masks_of(row(mask="m/a.png", masks=text), 1)
    assert [(mask.radiograph, mask.label, mask.path) for mask in both] == [
        (1, "lung", "m/a.png"),
        (1, "mass", "m/b.png"),
    ]
    (alone,) = masks_of(row(mask="m/a.png"), 0)
    assert (alone.label, alone.path) == ("lung", "m/a.png")


def test_two_different_lung_masks_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"row 7, mask: is 'a\.png', `masks` has another lung"):
        masks_of(row(mask="a.png", masks='{"lung": "b.png"}'), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected an object"),
        ('{"lung": 3}', "'lung' is 3, expected a path"),
        ('{"lung": " "}', "expected a path"),
    ],
)
def test_masks_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=f"row 7, masks: .*{message}"):
        masks_of(row(masks=text), 0)


def test_nested_severity_is_flattened() -> None:
    text = (
        '{"opacity": 0.7, "zones": [1, 2], "mrale": {"left": 3, "right": null},'
        ' "edema": {"value": 2, "by": "senior"}}'
    )
    scores = [(score.name, score.value, score.reader) for score in severity_of(row(severity=text))]
    assert scores == [
        ("opacity", 0.7, None),
        ("zones.1", 1, None),
        ("zones.2", 2, None),
        ("mrale.left", 3, None),
        ("edema", 2, "senior"),
    ]


@pytest.mark.parametrize("text", ['{"edema": "mild"}', '{"edema": true}', '{"edema": Infinity}'])
def test_severity_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match=r"row 7, severity: edema is .*, expected a number"):
        severity_of(row(severity=text))


def test_pixels_are_whole_numbers() -> None:
    assert whole_number(row(width="512"), "width") == 512
    assert whole_number(row(width="512.0"), "width") == 512
    assert whole_number(row(width=""), "width") is None


@pytest.mark.parametrize("text", ["0", "-3", "wide", "51.5"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(DatasetError, match=f"row 7, width: found '{text}', expected pixels"):
        whole_number(row(width=text), "width")


def test_paths_have_forward_slashes() -> None:
    assert slashes(".\\images\\a.png") == slashes(" ./images/a.png ") == "images/a.png"
