"""The reproduction report: what papers report, what users got, what was found here."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from carina.pages.html import chart, contents, document, paragraph, section
from carina.pages.measured import Measured
from carina.pages.reported_chart import ReportedRow, reported_chart

EXPLAINED = (
    "Each row is a number that a paper reports of its own model under a named protocol: which "
    "images, which findings in which words, which metric, which threshold rule. “Users” are people "
    "who ran the weights that the paper's authors released, and told so in public. The columns "
    "behind are what the models named there gave here, each with a 95% interval over patients. A "
    "difference between a paper and a number here means something only as far as the deviations of "
    "the protocol allow: they are listed below, protocol by protocol."
)
DRAWN = (
    "Synthetic radiographs, drawn by carina: these numbers tell that a protocol runs, and nothing "
    "of patients or of the papers. Of these protocols:"
)
STYLE = (
    "<style>td.found{white-space:nowrap}td.where{max-width:16em;white-space:normal;"
    "text-align:left}td.reported{min-width:6em;max-width:13em}"
    "td.reported .interval,td.found .interval{white-space:normal;min-width:8em}"
    "th.name{white-space:nowrap;vertical-align:top}"
    "th .counted{display:block;color:var(--soft);font-size:.82em;font-weight:400}"
    "tr.first td,tr.first th{border-top:2px solid var(--line)}"
    "details{margin:.4em 0}summary{cursor:pointer;color:var(--accent)}"
    "h3 .told{font-weight:400;color:var(--soft)}li{max-width:75ch}"
    ".within{color:var(--good)}.outside{color:var(--bad)}</style>"
)


@dataclass(frozen=True, kw_only=True)
class Reports:
    """A number that somebody reports: as text, and where it stands."""

    value: float
    text: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one model gave: value, interval and number of radiographs as text.

    `holds_the_paper` tells whether the paper's number lies within the interval; None where one of
    the two is missing.
    """

    measured: Measured
    text: str
    interval: str
    radiographs: str
    holds_the_paper: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ReproductionRow:
    """One metric under one protocol; `found` is one a model, None where it was not carried out."""

    metric: str
    paper: Reports | None
    users: Reports | None
    found: tuple[Found | None, ...]


@dataclass(frozen=True, kw_only=True)
class ProtocolReport:
    """Everything about one protocol.

    `deviations` are in sentences; `others` are the other rows that the paper reports under it
    (row, metric, value, where and note); `groups` are sentences about groups of findings.
    """

    name: str
    told: str
    digest: str
    rows: tuple[ReproductionRow, ...]
    deviations: tuple[str, ...]
    groups: tuple[str, ...] = ()
    others: tuple[tuple[str, str, str, str], ...] = ()

    @property
    def anchor(self) -> str:
        """The name as an id of the page."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)


@dataclass(frozen=True, kw_only=True)
class ReproductionReport:
    """The whole page: `models` are the columns, `papers` are (citation, protocols).

    `not_done` are (reason, what it concerns), `facts` sentences about the run, `synthetic` the
    protocols whose radiographs were drawn.
    """

    title: str
    models: tuple[str, ...]
    papers: tuple[tuple[str, tuple[ProtocolReport, ...]], ...]
    not_done: tuple[tuple[str, str], ...]
    facts: tuple[str, ...]
    synthetic: tuple[str, ...] = ()


def render_reproduction(report: ReproductionReport) -> str:
    """The page as HTML."""
    parts = [STYLE, paragraph(EXPLAINED)]
    if report.synthetic:
        drawn = ", ".join(escape(name) for name in report.synthetic)
        parts.append(f'<p class="note synthetic">{DRAWN} {drawn}.</p>')
    parts += [f'<p class="note">{escape(fact)}</p>' for fact in report.facts]
    details = [detail(one) for _, protocols in report.papers for one in protocols]
    sections = [
        *(
            section(
                f"paper{number}",
                cited,
                picture(report.models, protocols),
                result_table(report.models, protocols),
            )
            for number, (cited, protocols) in enumerate(report.papers)
        ),
        section("protocols", "Protocols, and how near these runs came", *details),
        section("missing", "Not carried out", not_done_table(report.not_done)),
    ]
    parts += [contents(sections), *sections]
    return document(report.title, "\n".join(part for part in parts if part))


def picture(models: Sequence[str], protocols: Sequence[ProtocolReport]) -> str:
    """The first metric of every protocol, where one has a number that lies between 0 and 1."""
    rows = []
    for protocol in protocols:
        first = protocol.rows[0]
        one = ReportedRow(
            name=f"{protocol.name}, {first.metric}",
            paper=None if first.paper is None else first.paper.value,
            users=None if first.users is None else first.users.value,
            found=tuple(None if found is None else found.measured for found in first.found),
        )
        values = (one.paper, one.users, *(found.value for found in one.found if found is not None))
        known = [value for value in values if value is not None]
        if known and min(known) >= 0 and max(known) <= 1:
            rows.append(one)
    if not rows:
        return ""
    return chart(reported_chart("The first metric of each protocol", "", models, rows))


def result_table(models: Sequence[str], protocols: Sequence[ProtocolReport]) -> str:
    """One row a protocol and metric."""
    heads = ("protocol", "metric", "paper", "users")
    cells = "".join(
        f'<th class="{"name" if place < 2 else "number"}" scope="col">{escape(head)}</th>'
        for place, head in enumerate((*heads, *models))
    )
    rows = "".join(
        table_row(protocol, row, place == 0)
        for protocol in protocols
        for place, row in enumerate(protocol.rows)
    )
    return (
        '<div class="scroll"><table><caption>Coloured where the same number of radiographs was '
        "scored as in the paper: green where its number lies within the interval, brown where not."
        f"</caption><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def table_row(protocol: ProtocolReport, row: ReproductionRow, first: bool) -> str:
    """One metric of one protocol; its name, and how many radiographs, stand before the first."""
    cells = [
        name_cell(protocol) if first else "",
        f'<td class="where">{escape(row.metric)}</td>',
        reports_cell(row.paper),
        reports_cell(row.users),
        *(found_cell(found) for found in row.found),
    ]
    return f'<tr class="{"first" if first else "more"}">{"".join(cells)}</tr>'


def name_cell(protocol: ProtocolReport) -> str:
    """The protocol and how many radiographs were scored, beside all its rows."""
    counts = dict.fromkeys(
        found.radiographs for row in protocol.rows for found in row.found if found is not None
    )
    return (
        f'<th scope="rowgroup" rowspan="{len(protocol.rows)}" class="name">'
        f'<a href="#{protocol.anchor}">{escape(protocol.name)}</a>'
        f'<span class="counted">{escape(", ".join(counts))} radiographs</span></th>'
    )


def reports_cell(reports: Reports | None) -> str:
    """A reported number with its place below."""
    if reports is None:
        return '<td class="reported soft">–</td>'
    return (
        f'<td class="reported">{escape(reports.text)}'
        f'<span class="interval">{escape(reports.where)}</span></td>'
    )


def found_cell(found: Found | None) -> str:
    """A number found here with its interval below."""
    if found is None:
        return '<td class="soft">not done</td>'
    held = {True: "within", False: "outside", None: "unknown"}[found.holds_the_paper]
    return (
        f'<td class="found"><span class="{held}">{escape(found.text)}</span>'
        f'<span class="interval">{escape(found.interval)}</span></td>'
    )


def detail(protocol: ProtocolReport) -> str:
    """What a protocol is, what was otherwise, and what else its paper reports."""
    listed = "".join(f"<li>{escape(line)}</li>" for line in protocol.deviations)
    parts = [
        f'<h3 id="{protocol.anchor}">{escape(protocol.name)} '
        f'<span class="told">{escape(protocol.told)}</span></h3>',
        "".join(paragraph(line) for line in protocol.groups),
        f"<p>Otherwise than in the paper:</p><ul>{listed}</ul>" if listed else "",
        paragraph(protocol.digest, "small soft"),
        others_table(protocol.others),
    ]
    return "\n".join(part for part in parts if part)


def others_table(others: Sequence[tuple[str, str, str, str]]) -> str:
    """What the paper reports of others, folded away."""
    if not others:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(row)}</th><td class="where">{escape(metric)}</td>'
        f'<td>{escape(value)}</td><td class="where">{escape(where)}</td></tr>'
        for row, metric, value, where in others
    )
    return (
        f"<details><summary>All {len(others)} numbers that are reported under it</summary>"
        '<div class="scroll"><table><thead><tr><th scope="col">row</th><th scope="col">metric</th>'
        '<th scope="col">value</th><th scope="col">where</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def not_done_table(not_done: Sequence[tuple[str, str]]) -> str:
    """Reasons, and what they concern."""
    if not not_done:
        return ""
    rows = "".join(
        f'<tr><td class="where" style="max-width:38em">{escape(what)}</td>'
        f'<td class="where" style="max-width:38em">{escape(why)}</td></tr>'
        for why, what in not_done
    )
    return (
        '<div class="scroll"><table><thead><tr><th class="name" scope="col">protocols</th>'
        f'<th class="name" scope="col">why</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
