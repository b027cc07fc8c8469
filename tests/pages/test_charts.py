"""Charts: well-formed, and their marks where the numbers say."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.pages.charts import (
    PANEL,
    Bar,
    Line,
    calibration_chart,
    interval_chart,
    line_chart,
    precision_recall_chart,
    roc_chart,
    thinned,
    training_charts,
)
from carina.pages.matrices import Confusion, confusion_chart, similarity_chart
from carina.pages.measured import Measured
from carina.pages.overlay import heat_table
from carina.pages.svg import Frame, nice_range, nice_ticks, polyline, shortened, tick_text

AUC = Measured(value=0.9124, low=0.8846, high=0.9351)
NASTY = "<script>\"&'pneumothorax"


def texts(svg: str) -> list[str]:
    """Every visible text; the document must be well-formed."""
    root = ET.fromstring(svg)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def path_of(svg: str, colour: str) -> list[tuple[float, float]]:
    """The corners of the line of one colour."""
    found = re.search(rf'd="([^"]*)" class="line {colour}"', svg)
    assert found is not None
    pairs = re.findall(r"[ML](\S+?) ([^ML]+)", found[1])
    return [(float(x), float(y)) for x, y in pairs]


def test_the_roc_goes_through_its_points() -> None:
    svg = roc_chart("edema", [0, 0, 0.5, 1], [0, 0.5, 1, 1], AUC)
    right, bottom = PANEL.left + PANEL.width, PANEL.top + PANEL.height
    middle = PANEL.left + PANEL.width / 2
    assert path_of(svg, "s0") == [
        (PANEL.left, bottom),
        (PANEL.left, PANEL.top + PANEL.height / 2),
        (middle, PANEL.top),
        (right, PANEL.top),
    ]


def test_panels_show_the_numbers_they_were_given() -> None:
    assert "AUC 0.91 (0.88 to 0.94)" in texts(roc_chart("edema", [0, 1], [0, 1], AUC))
    svg = precision_recall_chart("edema", [0, 1], [1, 0.2], AUC, 0.2)
    assert "AP 0.91 (0.88 to 0.94)" in texts(svg)


def test_the_dashed_line_of_precision_recall_is_the_share_of_positives() -> None:
    svg = precision_recall_chart("edema", [0, 1], [1, 0.25], AUC, 0.25)
    heights = {y for _, y in path_of(svg, "axis dash")}
    assert heights == {PANEL.top + 0.75 * PANEL.height}


def test_calibration_has_a_dot_for_each_bin() -> None:
    svg = calibration_chart("edema", np.array([0.1, 0.5, 0.9]), np.array([0.0, 0.5, 1.0]))
    circles = list(ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 3
    assert float(circles[1].get("cy", "")) == PANEL.top + PANEL.height / 2


@pytest.mark.parametrize(
    "svg",
    [
        roc_chart(NASTY, [0, 1], [0, 1], AUC),
        calibration_chart(NASTY, [0.5], [0.5]),
        interval_chart(NASTY, [Bar(name=NASTY * 4, measured=AUC)], NASTY),
        line_chart(NASTY, [0, 1], [Line(name=NASTY, y=[0, 1])], NASTY, NASTY),
        similarity_chart([NASTY], np.ones((1, 1)), np.ones((1, 1))),
        confusion_chart(
            [
                Confusion(
                    finding=NASTY,
                    threshold=0.5,
                    true_positive=1,
                    false_positive=0,
                    false_negative=0,
                    true_negative=0,
                )
            ]
        ),
    ],
)
def test_names_are_escaped_and_the_chart_is_well_formed(svg: str) -> None:
    texts(svg)
    assert "<script" not in svg


def test_interval_bars_show_values_and_say_why_one_is_undefined() -> None:
    bars = [
        Bar(name="edema", measured=AUC),
        Bar(name="hernia", measured=Measured(value=None, reason="no positive")),
    ]
    svg = interval_chart("AUC", bars, "AUC", reference=0.5)
    shown = texts(svg)
    assert "0.91 (0.88 to 0.94)" in shown
    assert "undefined (no positive)" in shown
    assert svg.count("<circle") == 1


def test_the_dot_of_an_interval_lies_between_its_ends() -> None:
    svg = interval_chart("AUC", [Bar(name="edema", measured=AUC)], "AUC")
    line = re.search(r'x1="(\S+)" y1="\S+" x2="(\S+)" y2="\S+" class="s0"', svg)
    dot = re.search(r'circle cx="(\S+)"', svg)
    assert line is not None
    assert dot is not None
    share = (float(dot[1]) - float(line[1])) / (float(line[2]) - float(line[1]))
    assert share == pytest.approx((0.9124 - 0.8846) / (0.9351 - 0.8846), abs=0.02)


def test_lines_are_named_at_their_ends_without_overlap() -> None:
    lines = [Line(name=name, y=[1.0, 0.5]) for name in ("query", "contrast", "all")]
    svg = line_chart("loss", [0, 1], lines, "step", "loss")
    named = [
        float(e.get("y", ""))
        for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
        if e.text in ("query", "contrast", "all")
    ]
    assert min(np.diff(sorted(named))) >= 14


def test_a_line_is_broken_where_a_value_is_no_number() -> None:
    frame = Frame(left=0, top=0, width=100, height=100)
    path = polyline(frame, [0, 0.25, 0.5, 0.75, 1], [0, 0, float("nan"), 1, 1], "s0")
    assert path.count("M") == 2
    assert polyline(frame, [0, 1], [float("nan")] * 2, "s0") == ""


def test_points_closer_than_half_a_pixel_are_left_out_but_never_the_last() -> None:
    frame = Frame(left=0, top=0, width=100, height=100)
    x = np.linspace(0, 1, 100_000)
    path = polyline(frame, x, x, "s0")
    assert path.count("L") < 300
    assert path.endswith('L100 0" class="line s0"/>')


def test_a_long_training_log_is_averaged_and_says_so() -> None:
    steps = range(1, 1201)
    losses, rate = training_charts("alignment", list(steps), {"query": [1.0] * 1200}, [1e-4] * 1200)
    assert "alignment: losses, mean of every 4 steps" in texts(losses)
    assert "alignment: learning rate" in texts(rate)
    assert thinned([1.0, 3.0, float("nan"), 5.0, float("nan")], 2) == pytest.approx(
        [2.0, 5.0, float("nan")], nan_ok=True
    )


def test_a_short_training_log_is_shown_as_it_is() -> None:
    (losses,) = training_charts("knowledge", [1, 2], {"triples": [2.0, 1.0]})
    assert "knowledge: losses" in texts(losses)


def test_a_log_of_one_step_or_without_numbers_can_be_drawn() -> None:
    assert "a: losses" in texts(training_charts("a", [1], {"query": [2.0]})[0])
    nothing = training_charts("a", [1, 2], {"query": [float("nan")] * 2})[0]
    assert "a: losses" in texts(nothing)


def test_the_similarity_map_colours_its_cells_by_value() -> None:
    before = np.array([[1.0, 0.0], [0.0, 1.0]])
    svg = similarity_chart(["edema", "hernia"], before, np.ones((2, 2)))
    cells = re.findall(r'width="22" height="22" fill="(#\w+)"', svg)
    low, high = ("#{:02x}{:02x}{:02x}".format(*heat_table()[i]) for i in (0, -1))
    assert cells == [high, low, low, high, high, high, high, high]


def test_confusion_shows_all_four_counts() -> None:
    confusion = Confusion(
        finding="edema",
        threshold=0.314,
        true_positive=91,
        false_positive=4,
        false_negative=17,
        true_negative=1388,
    )
    shown = texts(confusion_chart([confusion]))
    assert {"91", "4", "17", "1,388", "said so (score ≥ 0.314)"} <= set(shown)


@given(
    low=st.floats(-1e6, 1e6, allow_nan=False),
    width=st.floats(1e-4, 1e6),
    most=st.integers(2, 10),
)
def test_ticks_are_even_few_and_inside(low: float, width: float, most: int) -> None:
    high = low + width
    ticks = nice_ticks(low, high, most)
    assert len(ticks) <= most + 1
    assert all(low - width * 1e-6 <= tick <= high + width * 1e-6 for tick in ticks)


def test_ticks_are_round() -> None:
    assert nice_ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert nice_ticks(3, 97, 5) == [20, 40, 60, 80]
    assert nice_ticks(2, 2) == [2]
    assert nice_range(0.13, 3.4) == pytest.approx((0, 4))
    assert nice_range(2, 2) == pytest.approx((1, 3))


def test_tick_texts_are_short() -> None:
    assert [tick_text(v) for v in (0, 0.25, -2, 1200, 5e-5, 20_000)] == [
        "0",
        "0.25",
        "−2",
        "1200",
        "5e−5",
        "2e4",
    ]


def test_a_long_name_is_shortened_with_an_ellipsis() -> None:
    assert shortened("edema", 100) == "edema"
    assert shortened("pleural thickening of both apices", 80).endswith("…")
