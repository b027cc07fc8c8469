"""The papers' numbers, as they are printed."""

import re
from statistics import mean

import pytest

from carina.evaluation.papers import (
    BY_USERS,
    MEAN,
    PAPERS,
    Reported,
    beside,
    by_users,
    claimed,
    numbers_of,
    reported,
)
from carina.evaluation.protocols import PROTOCOLS

FOURTEEN = 14


def number(protocol: str, metric: str, name: str, where: str, finding: str = MEAN) -> Reported:
    (found,) = (
        one
        for one in numbers_of(protocol)
        if (one.metric, one.name, one.where, one.finding) == (metric, name, where, finding)
    )
    return found


# Copied by eye from the papers' pages: table, row and column by name.
@pytest.mark.parametrize(
    ("protocol", "metric", "name", "where", "value"),
    [
        ("kad/chestxray14", "auc", "w/ RadGraph (KAD)", "Table 1", 0.789),
        ("kad/chestxray14", "accuracy", "KAD w/o random select", "Table 1", 0.780),
        ("kad/chexpert", "f1", "w/ ChatGPT", "Table 1", 0.622),
        ("kad/chexpert", "mcc", "ResNet-50, 1024", "Table 2", 0.556),
        ("kad/chexpert", "auc", "ViT-16, 224", "Table 2", 0.907),
        ("medklip/chestxray14", "auc", "MedKLIP", "Table 1 of the ICCV version", 0.7676),
        ("ecamp/chestxray14-classification@1%", "auc", "ECAMP (Ours), ViT", "Table 1", 0.819),
        (
            "ecamp/covidx-classification@100%",
            "accuracy_of_classes",
            "KAD [60], CNN",
            "Table 1",
            0.958,
        ),
        ("ecamp/rsna-linear@10%", "auc", "MAE [15], ViT", "Table 2", 0.897),
        ("ecamp/chexpert-linear@1%", "auc", "MedIM [56], ViT", "Table 2", 0.889),
        ("ecamp/siim-segmentation@100%", "dice_with_empty", "ECAMP (Ours), ViT", "Table 3", 0.845),
        ("ecamp/rsna-detection@10%", "map", "Med-Unic [48], CNN", "Table 3", 0.223),
        ("ecamp/rsna-detection@1%", "map", "CD + DM + RF + SR + local", "Table 4", 0.204),
        ("ecamp/covidx-linear@1%", "accuracy_of_classes", "lambda_neg 0.1", "Table 5", 0.805),
    ],
)
def test_numbers_stand_where_the_paper_prints_them(
    protocol: str, metric: str, name: str, where: str, value: float
) -> None:
    assert number(protocol, metric, name, where).value == value


def test_percent_become_shares_and_keep_the_digits_that_are_printed() -> None:
    printed = number(
        "maco/rsna-classification@1%", "auc", "+Correlation Weighting", "Ablation study; Table 7"
    )
    assert (printed.value, printed.text) == (0.915, "0.915")
    interval = number("kad/padchest", "auc", "KAD", "Results, PadChest", "pulmonary edema")
    assert interval.text == "0.966 (0.958 to 0.974)"


def test_a_number_that_is_not_given_or_cut_short_is_left_out() -> None:
    rows = {one.name for one in numbers_of("ecamp/chestxray14-linear@1%") if one.where == "Table 2"}
    assert not any(name.startswith(("Med-UniC", "MedIM")) for name in rows)
    clip = [one for one in numbers_of("maco/rsna-classification@10%") if one.name == "+CLIP"]
    assert clip == []


def test_the_fourteen_diseases_of_a_row_have_the_mean_that_the_row_prints() -> None:
    rows: dict[tuple[str, str, str], dict[str, Reported]] = {}
    for one in reported():
        if one.where in ("Table S4", "Table S5"):
            rows.setdefault((one.protocol, one.where, one.name), {})[one.finding] = one
    assert len(rows) == 7 * 3 * 2
    odd = 0
    for row in rows.values():
        diseases = [one.value for finding, one in row.items() if finding != MEAN]
        assert len(diseases) == FOURTEEN
        difference = abs(mean(diseases) - row[MEAN].value)
        told = re.search(r"have the mean (\d\d\.\d\d)", row[MEAN].note)
        odd += told is not None
        assert difference < 0.0006 if told is None else f"{100 * mean(diseases):.2f}" == told[1]
    assert odd == 6  # rows whose mean in print is not that of their fourteen numbers


def test_what_users_got_is_told_apart_from_what_the_paper_claims() -> None:
    users = by_users("medklip/chestxray14", "auc")
    assert users is not None
    assert (users.value, users.by) == (0.7233, BY_USERS)
    paper = claimed("medklip/chestxray14", "auc")
    assert paper is not None
    assert paper.value == 0.77
    assert by_users("kad/chexpert", "auc") is None
    assert beside("kad/chestxray14", "auc") == (
        "0.789, Table 1",
        "0.703, issue 19 of the published code",
    )
    assert beside("kad/chestx-det10", "auc") == ("", "")
    told = {one.value for one in numbers_of("kad/chestxray14") if one.by == BY_USERS}
    assert told == {0.703, 0.573}  # the second with an input of the wrong size


def test_no_number_is_told_twice_but_where_the_paper_repeats_itself() -> None:
    seen: dict[tuple[str, str, str, str, str], Reported] = {}
    for one in reported():
        key = (one.protocol, one.metric, one.finding, one.name, one.where)
        assert key not in seen, key
        seen[key] = one


def test_every_share_is_one() -> None:
    """Percent printed as such would be a share above 1."""
    for one in reported():
        if not one.metric.startswith(("unseen_reaching_", "cnr")):
            assert 0 < one.value <= 1, one
            assert one.high is None or one.high <= 1, one


def test_every_number_is_of_a_protocol_that_measures_it_and_of_its_paper() -> None:
    for one in reported():
        protocol = PROTOCOLS[one.protocol]
        assert one.metric in protocol.metrics or one.metric.startswith("unseen_reaching_")
        assert one.paper == protocol.paper
        assert one.paper in PAPERS
        assert one.low is None or one.low <= one.value
