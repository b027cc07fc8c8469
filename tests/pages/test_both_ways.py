"""The section that sets direct names and descriptions side by side."""

from carina.pages.both_ways import AskedBothWays, both_ways_parts
from carina.pages.measured import Measured

NOTHING = Measured(value=None, reason="no positive image")


def row(finding: str, gain: float, positives: int | None = 7) -> AskedBothWays:
    return AskedBothWays(
        finding=finding,
        metric="auc",
        positives=positives,
        by_name=Measured(value=0.6, low=0.5, high=0.7),
        described=Measured(value=0.6 + gain, low=0.5 + gain, high=0.7 + gain),
        difference=Measured(value=gain, low=gain - 0.02, high=gain + 0.02),
        p_value=Measured(value=0.04),
        p_value_holm=None if positives is None else Measured(value=0.08),
    )


def test_findings_stand_in_the_order_of_their_gain_and_the_mean_below() -> None:
    rows = [row("edema", -0.1), row("empyema", 0.2), row("mean", 0.05, None)]
    _, chart, table = both_ways_parts(rows)
    assert chart.index("empyema") < chart.index("edema") < chart.index(">mean<")
    assert "−0.1" in chart  # the axis reaches as far to the left as to the right
    assert table.index("<tfoot>") < table.index(">mean<")
    assert "0.08" in table
    assert "AUC, each value" in table


def test_a_finding_without_positives_says_why_it_has_no_numbers() -> None:
    bare = AskedBothWays(
        finding="empyema",
        metric="auc",
        positives=0,
        by_name=NOTHING,
        described=NOTHING,
        difference=NOTHING,
        p_value=NOTHING,
    )
    _, chart, table = both_ways_parts([bare])
    assert "no positive image" in chart
    assert "no positive image" in table


def test_nothing_asked_both_ways_shows_nothing() -> None:
    assert both_ways_parts([]) == []
