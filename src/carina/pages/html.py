"""The shell of every page: one file, readable in light and dark, printable, no libraries."""

import re
from collections.abc import Sequence
from html import escape

from carina.pages.overlay import ALONE, EVERYWHERE, heat_table
from carina.pages.svg import style_sheet

RESEARCH_NOTE = (
    "For research only. carina is not a medical device: no score or heat-map on this page may be "
    "used to diagnose or treat a person."
)
SYNTHETIC_NOTE = (
    "Synthetic data. The radiographs, reports and findings on this page were drawn by a program; "
    "no patient is shown, and the numbers say nothing about patients."
)
SYNTHETIC_BUT_ONE_NOTE = (
    "Synthetic data. The radiographs, reports and findings on this page were drawn by a program, "
    "but for the one real radiograph in a section of its own; the numbers say nothing about "
    "patients."
)

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--card:#f6f7f8;--ink:#1b1d1f;--soft:#575d63;
--line:#d9dde1;--accent:#005a8f;--good:#00694e;--bad:#a84300;--warn:#fff3d6;--warnline:#d9a400}
@media screen and (prefers-color-scheme:dark){:root{--paper:#161a1d;--card:#1f2529;--ink:#e8eaec;
--soft:#a7afb6;--line:#3a4248;--accent:#7cc4f5;--good:#4fd0a8;--bad:#ff9d66;--warn:#3a2f10;
--warnline:#b98f1b}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
main{max-width:1200px;margin:0 auto;padding:24px 20px 48px}
h1{font-size:1.9rem;line-height:1.2;margin:.2em 0 .4em}
h2{font-size:1.3rem;margin:2.2em 0 .5em;padding-top:.5em;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.2em 0 .3em}
p{max-width:75ch;margin:.5em 0}a{color:var(--accent)}
.soft{color:var(--soft)}.small{font-size:.875rem}
.note{border-left:4px solid var(--line);padding:.4em .9em;background:var(--card);margin:.8em 0}
.synthetic{border-left-color:var(--warnline);background:var(--warn)}
nav{font-size:.9rem;margin:.8em 0}nav a{margin-right:1em;white-space:nowrap}
.headlines{display:grid;grid-template-columns:repeat(auto-fill,minmax(205px,1fr));gap:12px;
margin:1.2em 0}
.headline{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 16px}
.headline .value{font-size:2rem;font-weight:650;line-height:1.2;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.86rem;margin:.6em 0}
caption{text-align:left;color:var(--soft);padding-bottom:.4em;max-width:75ch}
th,td{padding:.35em .5em;text-align:right;border-bottom:1px solid var(--line);
vertical-align:baseline}
th{font-weight:600}thead th{border-bottom:2px solid var(--line);vertical-align:bottom}
th[scope=row],th.name{text-align:left;position:sticky;left:0;background:var(--paper)}th[scope=row]{font-weight:500}
tbody tr:hover{background:var(--card)}tfoot th,tfoot td{border-top:2px solid var(--line);
font-weight:600}
td .reason{max-width:8em;margin-left:auto}
td .interval,td .reason{display:block;color:var(--soft);font-size:.82em;font-weight:400}
td .interval{white-space:nowrap}
th button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
th button::after{content:"\\a0\\2195";color:var(--soft)}
th[aria-sort=ascending] button::after{content:"\\a0\\2191"}
th[aria-sort=descending] button::after{content:"\\a0\\2193"}
.facts th{text-align:left}.facts td{text-align:left;overflow-wrap:anywhere}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:16px}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(205px,1fr));gap:4px 8px}
.curves .chart{margin:0}
figure{margin:0;break-inside:avoid}figure svg{max-width:100%;height:auto}
.chart{margin:.8em 0}.chart svg{max-width:100%;height:auto}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,460px),1fr));gap:16px}
.case{background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden;
break-inside:avoid}
.case .pair{display:flex;background:#000}.case .pair img{width:50%;object-fit:contain;
display:block}
.case .one{background:#000}.case .one img{width:100%;display:block}
.case figcaption{padding:8px 12px 12px;font-size:.9rem}
.case strong{font-size:1rem}
.key{display:inline-block;width:6.5em;height:.8em;vertical-align:middle;border-radius:2px;
margin:0 .4em}
.truth{display:inline-block;width:1.6em;height:0;border-top:3px solid #00b8d4;vertical-align:middle;
margin:0 .4em}
footer{margin-top:3em;border-top:1px solid var(--line);padding-top:1em}
@media print{body{font-size:11pt}nav{display:none}a{color:inherit}h2,h3{break-after:avoid}
.headline,.note,.case{background:none}th button::after{content:""}
.scroll{overflow:visible}table{font-size:8pt}th,td{padding:.2em .4em}
tr{break-inside:avoid}tfoot{display:table-row-group}
.cases{grid-template-columns:1fr 1fr}.case figcaption{font-size:8.5pt}
.curves{grid-template-columns:repeat(4,1fr)}section{break-inside:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""

SORT_SCRIPT = """
for(const table of document.querySelectorAll("table.sortable")){
 table.tHead.querySelectorAll("th").forEach((head,column)=>{
  const button=document.createElement("button");
  button.type="button";button.textContent=head.textContent;
  button.title="Sort by this column";head.replaceChildren(button);
  button.addEventListener("click",()=>{
   const up=head.getAttribute("aria-sort")==="descending";
   table.tHead.querySelectorAll("th").forEach(other=>other.removeAttribute("aria-sort"));
   head.setAttribute("aria-sort",up?"ascending":"descending");
   const body=table.tBodies[0];
   const key=row=>row.cells[column].dataset.sort;
   const rows=[...body.rows].sort((a,b)=>{
    const x=key(a),y=key(b);
    if(x===""||y==="")return (x==="")-(y==="");
    const by=isNaN(x)||isNaN(y)?x.localeCompare(y):x-y;
    return up?by:-by;});
   body.append(...rows);});});}
"""


def document(title: str, body: str) -> str:
    """Puts a body into a whole HTML page, which is well-formed XML too."""
    return (
        '<!DOCTYPE html>\n<html lang="en-GB" xmlns="http://www.w3.org/1999/xhtml">\n<head>\n'
        '<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style_sheet()}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n"
        f'<footer><p class="small">{RESEARCH_NOTE}</p></footer>\n</main>\n'
        f"<script>//<![CDATA[\n{SORT_SCRIPT}\n//]]></script>\n</body>\n</html>\n"
    )


def section(anchor: str, heading: str, *parts: str) -> str:
    """A part of a page with its heading; nothing at all where there is nothing to show."""
    shown = [part for part in parts if part]
    if not shown:
        return ""
    body = "\n".join(shown)
    return f'<section id="{anchor}">\n<h2>{escape(heading)}</h2>\n{body}\n</section>'


def contents(sections: Sequence[str]) -> str:
    """Links to the sections that are there."""
    found = [re.match(r'<section id="(\w+)">\n<h2>(.*)</h2>', one) for one in sections]
    links = " ".join(f'<a href="#{one[1]}">{one[2]}</a>' for one in found if one)
    return f'<nav aria-label="Contents">{links}</nav>'


def paragraph(text: str, classes: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{classes}">{escape(text)}</p>' if text else ""


def heat_key(outline: bool, peak: bool = False) -> str:
    """The legend of overlays: the map's colours and, where drawn, true outline and peak."""
    stops = ",".join("#{:02x}{:02x}{:02x}".format(*colour) for colour in heat_table(8))
    truth = '<span class="truth"></span>true outline. ' if outline else ""
    cross = "The white cross is around the map's greatest value. " if peak else ""
    return (
        f'<p class="small soft">Heat-map: {EVERYWHERE} <span class="key" role="img" '
        f'aria-label="colour scale from dark red to pale yellow" '
        f'style="background:linear-gradient(90deg,{stops})"></span> {ALONE}. The colour is how far '
        "a place stands above the map's mean, relative to the map's maximum: it says where the "
        f"model looked, not how likely the finding is. {cross}{truth}</p>"
    )


def chart(svg: str) -> str:
    """A chart within a page, which already holds the charts' style sheet."""
    return f'<figure class="chart">{svg.replace(f"<style>{style_sheet()}</style>", "")}</figure>'
