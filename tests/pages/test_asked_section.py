"""The section of the report page for one real radiograph."""

import numpy as np

from carina.pages.html import SYNTHETIC_BUT_ONE_NOTE, SYNTHETIC_NOTE
from carina.pages.report_content import AskedFinding, AskedRadiograph, ReportPage
from carina.pages.report_page import render_report_page

IMAGE = np.linspace(0, 1, 60 * 50, dtype=np.float32).reshape(60, 50)


def page(asked: AskedRadiograph | None, synthetic: bool = True) -> str:
    return render_report_page(ReportPage(title="t", summary="s", synthetic=synthetic, asked=asked))


def test_the_radiograph_stands_beside_a_picture_for_each_finding() -> None:
    findings = (
        AskedFinding(finding="mass <b>", score=0.4321, heatmap=IMAGE, caption="rare"),
        AskedFinding(finding="edema", score=0.1),
    )
    html = page(AskedRadiograph(text="not to be believed", image=IMAGE, findings=findings))
    assert html.count('<figure class="case">') == 3
    assert "mass &lt;b&gt;" in html
    assert "score 0.432" in html
    assert "rare" in html
    assert "not to be believed" in html


def test_a_page_of_drawn_radiographs_says_that_one_is_real() -> None:
    html = page(AskedRadiograph(text="real", image=IMAGE))
    assert SYNTHETIC_BUT_ONE_NOTE in html
    assert SYNTHETIC_NOTE not in html


def test_without_a_radiograph_the_section_says_why() -> None:
    html = page(AskedRadiograph(text="the package is not installed"))
    assert "the package is not installed" in html
    assert "<figure" not in html
    assert SYNTHETIC_NOTE in html


def test_nothing_asked_means_no_section() -> None:
    assert "A real radiograph" not in page(None, synthetic=False)
