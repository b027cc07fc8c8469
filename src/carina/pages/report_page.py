"""The report page of an evaluation: plain data in, one self-contained index.html out."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from carina.files import write_text
from carina.pages.both_ways import both_ways_parts
from carina.pages.html import (
    RESEARCH_NOTE,
    SYNTHETIC_BUT_ONE_NOTE,
    SYNTHETIC_NOTE,
    contents,
    document,
    paragraph,
    section,
)
from carina.pages.report_cases import asked_parts, case_parts
from carina.pages.report_content import ReportPage, RunFact
from carina.pages.report_curves import (
    confusion_parts,
    curve_parts,
    similarity_parts,
    training_parts,
)
from carina.pages.report_scores import (
    grounding_parts,
    headline_cards,
    score_heading,
    score_parts,
    unseen_parts,
)


def write_report_page(page: ReportPage, path: Path) -> None:
    """Writes the page as one self-contained HTML file, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text(path, render_report_page(page))


def render_report_page(page: ReportPage) -> str:
    """Builds the HTML of the page."""
    sections = [
        section("scores", score_heading(page), *score_parts(page)),
        section("unseen", "Findings that never occurred in training", *unseen_parts(page)),
        section("ways", "By direct name and by description", *both_ways_parts(page.both_ways)),
        section("cases", "Cases", *case_parts(page)),
        section("asked", "A real radiograph", *asked_parts(page)),
        section("grounding", "Do heat-maps point at the finding?", *grounding_parts(page)),
        section("curves", "Curves", *curve_parts(page)),
        section("confusion", "Right and wrong at the threshold", *confusion_parts(page)),
        section("training", "Training", *training_parts(page)),
        section("similarity", "What the text encoder learnt", *similarity_parts(page)),
        section("made", "How this was made", facts_table(page.facts), *notes(page.notes)),
    ]
    opening = [
        f'<p class="note small">{RESEARCH_NOTE}</p>',
        synthetic_note(page),
        paragraph(page.summary),
        headline_cards(page.headlines),
    ]
    return document(page.title, "\n".join([*opening, contents(sections), *sections]))


def synthetic_note(page: ReportPage) -> str:
    """Says that the radiographs were drawn, and which one was not."""
    if not page.synthetic:
        return ""
    real = page.asked is not None and page.asked.image is not None
    return f'<p class="note synthetic">{SYNTHETIC_BUT_ONE_NOTE if real else SYNTHETIC_NOTE}</p>'


def facts_table(facts: Sequence[RunFact]) -> str:
    """Recipe, versions, data, seed, hardware, time."""
    if not facts:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(fact.name)}</th><td>{escape(fact.value)}</td></tr>'
        for fact in facts
    )
    return f'<div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div>'


def notes(texts: Sequence[str]) -> list[str]:
    """Remarks below the facts."""
    return [paragraph(text, "small") for text in texts]
