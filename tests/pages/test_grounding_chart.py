import re

import numpy as np

from carina.pages.grounding import PointingBars, pointing_chart
from carina.pages.measured import Measured
from carina.pages.overlay import CROSS, overlay


def bars(finding: str, model: float | None, position: float, reason: str = "") -> PointingBars:
    return PointingBars(
        finding=finding,
        cases=12,
        model=Measured(value=model, low=None, high=None, reason=reason or None),
        position=Measured(value=position, low=position - 0.1, high=position + 0.1),
        chance=Measured(value=0.1),
    )


def widths(svg: str, kind: int) -> list[float]:
    found = re.findall(rf'width="([\d.]+)" height="9" class="f{kind}"', svg)
    return [float(width) for width in found][1:]  # the first is the legend's


def test_bars_are_as_long_as_their_values_and_sorted_by_the_gain() -> None:
    svg = pointing_chart("Pointing", [bars("mass", 0.5, 0.4), bars("nodule", 0.8, 0.2)])
    model, position = widths(svg, 0), widths(svg, 1)
    # The nodule gains 0.6, the mass 0.1: the nodule comes first.
    assert svg.index("nodule (12)") < svg.index("mass (12)")
    assert np.isclose(model[0] / model[1], 0.8 / 0.5, atol=0.01)
    assert np.isclose(position[0] / model[0], 0.2 / 0.8, atol=0.01)


def test_finding_without_a_value_says_why_and_comes_last() -> None:
    svg = pointing_chart("P", [bars("hernia", None, 0.2, "no case"), bars("mass", 0.1, 0.9)])
    assert "undefined (no case)" in svg
    assert svg.index("mass (12)") < svg.index("hernia (12)")


def test_peak_is_marked_around_and_not_over_its_pixel() -> None:
    picture = overlay(np.zeros((200, 300)), peak=(50, 120))
    white = (picture == CROSS).all(axis=2)
    rows, columns = np.nonzero(white)
    assert not white[50, 120]
    assert (rows.mean(), columns.mean()) == (50, 120)
    half = overlay(np.zeros((200, 300)), peak=(50, 120), longest_side=150)
    rows, columns = np.nonzero((half == CROSS).all(axis=2))
    assert abs(rows.mean() - 25) <= 1
    assert abs(columns.mean() - 60) <= 1
