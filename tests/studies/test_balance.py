"""Which findings are spread unevenly."""

import pytest

from carina.studies.balance import imbalances
from carina.studies.counts import Counts


def counts(splits: dict[str, int], present: dict[str, int]) -> Counts:
    return Counts(
        manifest="m.parquet",
        studies=sum(splits.values()),
        patients=1,
        radiographs=1,
        empty_reports=0,
        unknown_views=0,
        splits=splits,
        patients_by_split={},
        reports={},
        views={},
        findings={"edema": {split: {"present": number} for split, number in present.items()}},
        boxes={},
        masks={},
    )


@pytest.mark.parametrize(
    ("present", "uneven"),
    [
        # Of 1,000 and 1,000: with a common share of 0.1, the difference has a deviation of
        # sqrt(0.1 * 0.9 * 2 / 1000) = 0.0134; four of them are 0.0537.
        ({"train": 128, "test": 72}, True),  # 0.056, 1.8 times
        ({"train": 125, "test": 75}, False),  # 0.050
        ({"train": 500, "test": 400}, False),  # 0.1 of 0.022 deviations, but 1.25 times only
        ({"train": 19}, False),  # too few to tell
        ({"train": 40}, True),  # none in the test split
    ],
)
def test_far_is_a_ratio_that_is_no_chance(present: dict[str, int], uneven: bool) -> None:
    found = list(imbalances([counts({"train": 1000, "test": 1000}, present)]))
    assert bool(found) is uneven


def test_both_sides_are_counted() -> None:
    splits = {"train": 700, "validate": 100, "test": 200}
    present = {"train": 210, "validate": 30, "test": 10}
    found = {i.split: i for i in imbalances([counts(splits, present)])}
    assert set(found) == {"train", "test"}
    test = found["test"]
    assert (test.present, test.studies, test.others_present, test.others) == (10, 200, 240, 800)


def test_studies_without_a_split_are_compared_with_nobody() -> None:
    assert not list(imbalances([counts({"no split": 100}, {"no split": 50})]))
