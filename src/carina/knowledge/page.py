"""A concept graph as one page to search and browse; nothing is loaded from elsewhere."""

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind, Origin
from carina.knowledge.survey import EXAMPLES, GraphSurvey, survey
from carina.pages.html import document

HOME = Path(__file__).parent
_KINDS = tuple(ConceptKind)
# Letters that could end the element, or that are marks in XML: JSON may write them by number.
_MARKS = re.compile("[<>&\u2028\u2029]")
_FORBIDDEN = re.compile("[\ufffe\uffff\ud800-\udfff]")  # no page may hold them


def graph_page(graph: ConceptGraph, title: str = "Concept graph") -> str:
    """A page with a search box, each concept with its neighbours as links, and the numbers.

    It holds the whole graph: about 350 bytes a concept.
    """
    style = (HOME / "page.css").read_text(encoding="utf-8")
    script = (HOME / "page.js").read_text(encoding="utf-8")
    body = (
        f"<style>{style}</style>\n"
        f"{_summary(survey(graph), graph.origins)}\n"
        '<div class="browse"><div class="find"><label for="query">Find a concept</label>\n'
        '<input id="query" type="search" autocomplete="off" placeholder="name, synonym or id"/>\n'
        '<p id="count" class="small soft" role="status"></p><ol id="found"></ol></div>\n'
        '<article id="concept" class="concept"></article></div>\n'
        f'<script type="application/json" id="graph">{_content(graph, title)}</script>\n'
        f"<script>//<![CDATA[\n{script}\n//]]></script>"
    )
    return document(title, body)


def _content(graph: ConceptGraph, title: str) -> str:
    """The graph as compact JSON: relations are triples of places in a flat list."""
    names = list(dict.fromkeys(relation.kind for relation in graph.relations))
    kinds = {name: place for place, name in enumerate(names)}
    flat = [
        number
        for r in graph.relations
        for number in (graph.index(r.head), kinds[r.kind], graph.index(r.tail))
    ]
    content = {
        "title": title,
        "kinds": [kind.value for kind in _KINDS],
        "relation_kinds": names,
        "concepts": [_row(concept) for concept in graph.concepts],
        "relations": flat,
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return _MARKS.sub(lambda mark: f"\\u{ord(mark.group()):04x}", _FORBIDDEN.sub("", text))


def _row(concept: Concept) -> list[object]:
    return [
        concept.id,
        concept.name,
        _KINDS.index(concept.kind),
        concept.definition,
        concept.synonyms,
        concept.related,
        concept.cuis,
        concept.types,
    ]


def _summary(found: GraphSurvey, origins: Sequence[Origin]) -> str:
    counts = found.counts
    facts = (
        ("concepts", f"{counts.concepts:,}: " + _listed(counts.kinds)),
        ("with a definition", f"{counts.defined:,}"),
        ("synonyms", f"{counts.synonyms:,}"),
        ("relations", f"{counts.relations:,}: " + _listed(counts.relation_kinds)),
        ("components", f"{found.components:,}, the largest of {found.largest:,} concepts"),
        ("concepts without relation", f"{found.orphans:,}"),
        ("names of several concepts", f"{len(found.shared):,}" + _examples(found)),
        ("longest name", found.longest_names[0]),
        ("from", "; ".join(_told(origin) for origin in origins)),
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in facts
    )
    heading = f"{counts.concepts:,} concepts, {counts.relations:,} relations"
    return (
        f'<details><summary>{heading}</summary><div class="scroll"><table class="facts">'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts)


def _examples(found: GraphSurvey) -> str:
    names = [f"{s.name} ({', '.join(s.concepts[:3])})" for s in found.shared[:EXAMPLES]]
    return ": " + "; ".join(names) if names else ""


def _told(origin: Origin) -> str:
    details = ", ".join(text for text in (origin.version, origin.licence) if text)
    return origin.name + (f" ({details})" if details else "")
