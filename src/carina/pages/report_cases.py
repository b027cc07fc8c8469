"""The pictures of a report page: cases, where heat-maps point, and a radiograph asked about."""

from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float

from carina.pages.html import heat_key, paragraph
from carina.pages.overlay import jpeg_data_uri, overlay
from carina.pages.report_content import Case, CaseGroup, ReportPage

CASE_SIDE = 480  # pixels of a case's longer side: some 30 kB each


def pointed_parts(groups: Sequence[CaseGroup]) -> list[str]:
    """Hits, near misses and misses."""
    shown = [group for group in groups if group.cases]
    if not shown:
        return []
    parts = [heat_key(outline=True, peak=True)]
    for group in shown:
        parts.append(f"<h3>{escape(group.heading)}</h3>")
        parts.append(paragraph(group.text, "small"))
        parts.append(case_cards(group.cases))
    return parts


def case_parts(page: ReportPage) -> list[str]:
    """The best and worst cases."""
    cases = (*page.best, *page.worst)
    if not cases:
        return []
    outlined = any(case.mask is not None or case.boxes for case in cases)
    parts = [heat_key(outlined)]
    if page.best:
        parts.append(f"<h3>Best cases</h3>{case_cards(page.best)}")
    if page.worst:
        parts.append(f"<h3>Worst cases</h3>{case_cards(page.worst)}")
    return parts


def case_cards(cases: Sequence[Case]) -> str:
    """A grid of cases."""
    return f'<div class="cases">{"".join(case_card(case) for case in cases)}</div>'


def case_card(case: Case) -> str:
    """The radiograph, the same under its heat-map and outline, and what was said."""
    plain = overlay(case.image, longest_side=CASE_SIDE)
    drawn = overlay(
        case.image,
        case.heatmap,
        mask=case.mask,
        boxes=case.boxes,
        peak=case.peak,
        longest_side=CASE_SIDE,
    )
    finding = escape(case.finding)
    truth = {True: "present", False: "absent", None: "not known"}[case.truth]
    said = escape(case.said) or f"score {case.score:.3f}; truth: {truth}"
    return (
        f'<figure class="case"><div class="pair"><img src="{jpeg_data_uri(plain)}" '
        f'alt="Radiograph"/><img src="{jpeg_data_uri(drawn)}" '
        f'alt="Heat-map of {finding} over the radiograph; {said}"/></div>'
        f"<figcaption><strong>{finding}</strong> {said}"
        f"{paragraph(case.caption, 'small')}</figcaption></figure>"
    )


def asked_parts(page: ReportPage) -> list[str]:
    """A radiograph as it is, and under the heat-map of each finding that was asked about."""
    if page.asked is None:
        return []
    if page.asked.image is None:
        return [paragraph(page.asked.text)]
    image = page.asked.image
    plain = asked_card(image, None, "Radiograph", "as it was read", "")
    cards = [
        asked_card(image, one.heatmap, one.finding, f"score {one.score:.3f}", one.caption)
        for one in page.asked.findings
    ]
    return [
        f'<p class="note synthetic">{escape(page.asked.text)}</p>',
        heat_key(outline=False),
        f'<div class="panels">{"".join([plain, *cards])}</div>',
    ]


def asked_card(
    image: Float[np.ndarray, "height width"],
    heatmap: Float[np.ndarray, "height width"] | None,
    name: str,
    said: str,
    caption: str,
) -> str:
    """One picture with its caption."""
    drawn = jpeg_data_uri(overlay(image, heatmap, longest_side=CASE_SIDE))
    return (
        f'<figure class="case"><div class="one"><img src="{drawn}" '
        f'alt="{escape(name)}; {escape(said)}"/></div><figcaption><strong>{escape(name)}</strong> '
        f"{escape(said)}{paragraph(caption, 'small')}</figcaption></figure>"
    )
