"""Where two readers of the same reports differ, as one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from carina.pages.html import document, paragraph, section
from carina.pages.measured import Measured, format_measured
from carina.pages.table import TableRow, score_table

PATIENT_NOTE = (
    "This page quotes reports. Treat it as the reports themselves: where they may not go, it may "
    "not go."
)
EXPLAINED = (
    "Both present: both say that it is there. Only one: one says so, and the other does not "
    "mention it. Opposite: one says that it is there, the other that it is not. Doubt: exactly one "
    "is uncertain. Denial: one says that it is not there, and the other does not mention it. Kappa "
    "is Cohen's, over present, absent, uncertain and not mentioned: 1 is full agreement, 0 is "
    "chance; with its 95% interval over reports."
)
SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class DifferenceRow:
    """One observation: counts in the order of the page's columns, and kappa."""

    name: str
    counts: tuple[int, ...]
    kappa: Measured


@dataclass(frozen=True, kw_only=True)
class DifferenceExample:
    """A report of which two readers say different things."""

    name: str
    study: str
    first: str
    second: str
    sentences: tuple[str, ...]


def difference_page(
    *,
    first: str,
    second: str,
    studies: int,
    unread: int,
    columns: Sequence[str],
    overall: DifferenceRow,
    rows: Sequence[DifferenceRow],
    examples: Sequence[DifferenceExample],
) -> str:
    """The page: a table of observations, then sentences by observation.

    Args:
        first: name of one reader.
        second: name of the other.
        studies: how many reports both have read.
        unread: how many at least one has not.
        columns: headings of the counts.
        overall: all observations together.
        rows: one an observation, in the order to be shown.
        examples: grouped by observation in the order of `rows`; the first 30 observations that
            have some are shown.
    """
    left_out = f" {unread:,} were not read by both and are left out." if unread else ""
    opening = (
        f"{studies:,} reports, each read by {first} and by {second}.{left_out} Agreement over all "
        f"observations: kappa {format_measured(overall.kappa)}."
    )
    table = score_table(
        f"Reports by what {first} and {second} say of an observation. {EXPLAINED}",
        "observation",
        columns,
        [TableRow(name=r.name, counts=r.counts, values={"kappa": r.kappa}) for r in rows],
    )
    body = "\n".join(
        (
            paragraph(opening),
            paragraph(PATIENT_NOTE, "note"),
            section("observations", "Observations", table if rows else ""),
            section("sentences", "Sentences", *example_blocks(first, second, examples)),
        )
    )
    return document(f"{first} and {second}", body)


def example_blocks(first: str, second: str, examples: Sequence[DifferenceExample]) -> list[str]:
    """A heading and a table of sentences for each observation."""
    groups: dict[str, list[DifferenceExample]] = {}
    for example in examples:
        groups.setdefault(example.name, []).append(example)
    columns = ("study", first, second, "the report")
    heads = "".join(f'<th class="name">{escape(column)}</th>' for column in columns)
    blocks = []
    for name, group in list(groups.items())[:SHOWN]:
        lines = "\n".join(example_row(example) for example in group)
        blocks.append(
            f"<h3>{escape(name)}</h3>\n"
            f'<div class="scroll"><table class="facts"><thead><tr>{heads}'
            f"</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>"
        )
    return blocks


def example_row(example: DifferenceExample) -> str:
    """One report: what each reader says, and the sentences."""
    quoted = "<br/>".join(map(escape, example.sentences)) or "–"
    cells = "".join(f"<td>{escape(text)}</td>" for text in (example.first, example.second))
    return f'<tr><th scope="row">{escape(example.study)}</th>{cells}<td>{quoted}</td></tr>'
