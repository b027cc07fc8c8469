"""The picture of papers, users and models: where marks lie, and what is left out."""

import re
import xml.etree.ElementTree as ET

from carina.pages.measured import Measured
from carina.pages.reported_chart import ReportedRow, reported_chart

MODELS = ("first", "second")


def drawn(*rows: ReportedRow) -> str:
    svg = reported_chart("Numbers", "", MODELS, rows)
    ET.fromstring(svg)
    return svg


def test_every_mark_lies_at_its_number() -> None:
    svg = drawn(
        ReportedRow(
            name="kad/chestxray14, AUC",
            paper=0.8,
            users=0.7,
            found=(Measured(value=0.75, low=0.6, high=0.9), None),
        )
    )
    axis = {
        float(text): float(x)
        for x, text in re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="middle">([\d.]+)<', svg)
    }
    assert {0.6, 0.8} <= axis.keys()
    pixels = (axis[0.8] - axis[0.6]) / 0.2
    dots = re.findall(r'<circle cx="([\d.]+)" cy="[\d.]+" r="4" class="(f\d)"', svg)
    (at,) = [float(x) for x, colour in dots if colour == "f0"][1:]  # the first is the legend's
    assert abs(at - (axis[0.6] + 0.15 * pixels)) < 0.2
    (line,) = re.findall(r'<line x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"[^>]*class="s0"', svg)
    assert abs(float(line[1]) - float(line[0]) - 0.3 * pixels) < 0.2
    assert svg.count("<polygon") == 2  # the paper's: in the legend and in the row
    assert len([1 for _, colour in dots if colour == "f1"]) == 1  # the second was not measured


def test_numbers_that_nobody_reports_or_found_are_left_out() -> None:
    row = ReportedRow(
        name="x", paper=None, users=None, found=(Measured(value=0.5), Measured(value=None))
    )
    svg = drawn(row)
    assert svg.count("<polygon") == 1
    assert "stroke-opacity" not in svg  # no interval, no line


def test_a_legend_of_many_models_takes_several_lines() -> None:
    names = [f"a model of some length {i}" for i in range(9)]
    row = ReportedRow(name="x", paper=0.5, users=None, found=(None,) * 9)
    svg = reported_chart("Numbers", "", names, [row])
    places = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="ink" text-anchor="start">a', svg)
    assert len(places) == 9
    assert len({y for _, y in places}) > 1
    assert all(float(x) < 700 for x, _ in places)
