"""The report page: whole, self-contained, and showing what it was given."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from carina.errors import OutputError
from carina.pages.html import RESEARCH_NOTE, SYNTHETIC_NOTE
from carina.pages.matrices import Confusion
from carina.pages.measured import Measured
from carina.pages.report_content import (
    Case,
    FindingCurves,
    GroundingRow,
    Headline,
    ReportPage,
    RunFact,
    ScoreRow,
    SimilarityMap,
    TrainingLog,
)
from carina.pages.report_page import render_report_page, write_report_page

AUC = Measured(value=0.9124, low=0.8846, high=0.9351)
HTML = "{http://www.w3.org/1999/xhtml}"
NASTY = '<i>edema & "more"</i>]]>'


def case(finding: str, caption: str = "") -> Case:
    image = np.linspace(0, 1, 600 * 500, dtype=np.float32).reshape(600, 500)
    mask = np.zeros((600, 500), bool)
    mask[100:200, 100:200] = True
    return Case(
        image=image,
        finding=finding,
        score=0.8765,
        truth=True,
        heatmap=image[::-1],
        mask=mask,
        boxes=((10, 20, 30, 40),),
        caption=caption,
    )


def whole_page(finding: str = "edema") -> ReportPage:
    score = ScoreRow(finding=finding, positives=17, images=3456, values={"auc": AUC})
    curves = FindingCurves(
        finding=finding,
        auc=AUC,
        average_precision=AUC,
        prevalence=0.2,
        roc=([0, 1], [0, 1]),
        precision_recall=([0, 1], [1, 0.2]),
        calibration=([0.5], [0.4]),
    )
    confusion = Confusion(
        finding=finding,
        threshold=0.3,
        true_positive=1,
        false_positive=2,
        false_negative=3,
        true_negative=4,
    )
    return ReportPage(
        title=f"KAD asked about {finding}",
        summary=f"Trained on reports, asked about {finding}.",
        synthetic=True,
        headlines=(Headline(label=f"AUC of {finding}", measured=AUC, note=finding),),
        scores=(score,),
        mean={"auc": AUC},
        unseen=(score,),
        curves=(curves,),
        best=(case(finding, f"reader: {finding}"),),
        worst=(dataclasses.replace(case(finding), truth=None, heatmap=None, mask=None),),
        grounding=(
            GroundingRow(
                finding=finding,
                cases=8,
                values={"pointing_game": AUC},
                chance=Measured(value=0.041),
                position=Measured(value=0.213),
            ),
        ),
        training=(TrainingLog(stage=finding, steps=(1, 2), losses={finding: (2.0, 1.0)}),),
        similarity=SimilarityMap(names=(finding,), before=np.ones((1, 1)), after=np.ones((1, 1))),
        confusions=(confusion,),
        facts=(RunFact(name="recipe", value=finding),),
        notes=(f"About {finding}.",),
    )


EMPTY = ReportPage(title="Nothing yet", summary="Nothing was measured.", synthetic=False)


@pytest.mark.parametrize("finding", ["edema", NASTY])
def test_the_page_is_well_formed_and_shows_names_as_text(finding: str) -> None:
    page = render_report_page(whole_page(finding))
    root = ET.fromstring(page)
    text = " ".join(root.itertext())
    assert f"Trained on reports, asked about {finding}." in text
    assert f"reader: {finding}" in text
    assert not list(root.iter(f"{HTML}i"))


def test_the_page_needs_no_other_file_and_no_network() -> None:
    page = render_report_page(whole_page())
    addresses = set(re.findall(r"https?://[^\"' )]+", page))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    sources = re.findall(r'src="([^"]{0,11})', page)
    assert sources == ["data:image/"] * 4
    assert "<link" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_every_section_has_a_heading_and_a_link_to_it() -> None:
    root = ET.fromstring(render_report_page(whole_page()))
    anchors = [section.get("id") for section in root.iter(f"{HTML}section")]
    links = [(a.get("href") or "")[1:] for a in root.iter(f"{HTML}a")]
    assert anchors == links
    assert anchors == [
        "scores",
        "unseen",
        "cases",
        "grounding",
        "curves",
        "confusion",
        "training",
        "similarity",
        "made",
    ]


def test_the_numbers_shown_are_those_given() -> None:
    text = " ".join(ET.fromstring(render_report_page(whole_page())).itertext())
    for shown in (
        "0.912",
        "95% interval 0.885 to 0.935",
        "0.885 to 0.935",
        "3,456",
        "score 0.876",  # 0.8765 in binary lies below the half
        "truth: present",
        "truth: not known",
        "0.041",
        "0.213",
    ):
        assert shown in text


def test_images_and_charts_have_words_for_those_who_cannot_see_them() -> None:
    root = ET.fromstring(render_report_page(whole_page()))
    images = list(root.iter(f"{HTML}img"))
    assert len(images) == 4
    assert all(image.get("alt") for image in images)
    svg = "{http://www.w3.org/2000/svg}"
    charts = list(root.iter(f"{svg}svg"))
    assert len(charts) == 9
    assert all(chart.findtext(f"{svg}title") for chart in charts)


def test_what_was_not_measured_is_left_off() -> None:
    root = ET.fromstring(render_report_page(EMPTY))
    assert not list(root.iter(f"{HTML}section"))
    assert not list(root.iter(f"{HTML}table"))


def test_synthetic_data_are_marked_and_real_ones_are_not() -> None:
    assert SYNTHETIC_NOTE in render_report_page(whole_page())
    assert SYNTHETIC_NOTE not in render_report_page(EMPTY)


def test_every_page_says_that_it_is_no_medical_device() -> None:
    assert RESEARCH_NOTE in render_report_page(EMPTY)


def test_findings_are_called_seen_only_where_others_are_known_as_unseen() -> None:
    page = whole_page()
    assert "Findings that occurred in training" in render_report_page(page)
    alone = render_report_page(dataclasses.replace(page, unseen=()))
    assert "occurred in training" not in alone
    assert "Scores of each finding" in alone


def test_an_undefined_headline_gives_its_reason() -> None:
    undefined = Headline(label="AUC", measured=Measured(value=None, reason="no positive"))
    page = render_report_page(dataclasses.replace(EMPTY, headlines=(undefined,)))
    assert "–" in page
    assert "no positive" in page


def test_digits_of_a_headline_follow_its_wish() -> None:
    minutes = Headline(label="minutes", measured=Measured(value=4.94), digits=1)
    assert ">4.9<" in render_report_page(dataclasses.replace(EMPTY, headlines=(minutes,)))


def test_an_auc_below_the_axis_moves_the_axis() -> None:
    low = ScoreRow(
        finding="hernia",
        positives=3,
        images=9,
        values={"auc": Measured(value=0.3, low=0.1, high=0.5)},
    )
    page = render_report_page(dataclasses.replace(EMPTY, scores=(low,)))
    assert "0.30 (0.10 to 0.50)" in page
    assert ">0.2</text>" in page


def test_findings_without_auc_are_shown_without_a_chart() -> None:
    row = ScoreRow(finding="hernia", positives=3, images=9, values={"mcc": Measured(value=0.3)})
    page = render_report_page(dataclasses.replace(EMPTY, scores=(row,)))
    assert "<svg" not in page
    assert "0.300" in page


def test_a_case_takes_less_than_160_kilobytes() -> None:
    grain = np.random.default_rng(0).normal(0, 0.02, (1024, 1024))
    image = np.clip(np.linspace(0, 1, 1024)[:, None] + grain, 0, 1).astype(np.float32)
    cases = (Case(image=image, finding="edema", score=0.5, truth=True, heatmap=image),) * 3
    page = render_report_page(dataclasses.replace(EMPTY, best=cases))
    assert len(page) < 3 * 160_000  # thirty of them: less than 5 MB


def test_the_page_is_written_whole_and_replaces_the_last(tmp_path: Path) -> None:
    path = tmp_path / "run" / "index.html"
    write_report_page(EMPTY, path)
    write_report_page(whole_page(), path)
    assert path.read_text(encoding="utf-8") == render_report_page(whole_page())
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"index\.html: cannot be written"):
        write_report_page(EMPTY, tmp_path / "file" / "index.html")
