import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from carina.knowledge.chest import chest_graph
from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind, Origin, Relation
from carina.knowledge.page import graph_page
from carina.knowledge.survey import SharedName, component_sizes, survey

NASTY = "</script><b>&amp; ]]>\u2028\ud800\uffff"
GRAPH = ConceptGraph(
    concepts=(
        Concept(id="a", name="Alpha", kind=ConceptKind.FINDING, synonyms=("first", "one")),
        Concept(id="b", name=NASTY, definition=NASTY, related=("near",), cuis=("C1",)),
        Concept(id="c", name="Gamma, the longest name of all of them", synonyms=("FIRST",)),
        Concept(id="d", name="Delta"),
    ),
    relations=(
        Relation(head="a", kind="is a", tail="b"),
        Relation(head="b", kind="near", tail="a"),
    ),
    origins=(Origin(name="by <hand>", version="1", licence="CC0"),),
)


class Texts(HTMLParser):
    """Collects what is in the element with the graph."""

    inside = False
    content = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = ("id", "graph") in attrs

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.content += data

    def handle_endtag(self, tag: str) -> None:
        self.inside = False


def test_the_page_holds_the_whole_graph_and_nothing_breaks_out() -> None:
    page = graph_page(GRAPH, "A & <title>")
    page.encode("utf-8")
    reader = Texts()
    reader.feed(page)
    held = json.loads(reader.content)
    clean = NASTY.replace("\ud800", "").replace("\uffff", "")
    assert held["concepts"][1] == ["b", clean, 5, clean, [], ["near"], ["C1"], []]
    assert held["relations"] == [0, 0, 1, 1, 1, 0]
    assert held["relation_kinds"] == ["is a", "near"]
    assert page.count("</script>") == 3
    ElementTree.fromstring(page.split("\n", 1)[1])  # well-formed
    assert "by &lt;hand&gt; (1, CC0)" in page
    assert not re.search(r'(?:src|href)="', page)


def test_a_survey_by_hand() -> None:
    found = survey(GRAPH)
    assert (found.components, found.largest, found.orphans) == (3, 2, 2)
    assert found.longest_names[0] == "Gamma, the longest name of all of them"
    assert found.shared == (SharedName(name="first", concepts=("a", "c")),)
    told = found.to_dict()
    assert (told["concepts"], told["kinds"]) == (4, {"other": 3, "finding": 1})
    assert told["shared_names"] == {"first": ["a", "c"]}
    json.dumps(told["relation_kinds"])


def test_components_of_a_ring_and_a_chain() -> None:
    concepts = tuple(Concept(id=str(place), name=str(place)) for place in range(7))
    pairs = [(0, 1), (1, 2), (2, 0), (3, 4), (5, 4)]
    relations = tuple(Relation(head=str(a), kind="x", tail=str(b)) for a, b in pairs)
    assert component_sizes(ConceptGraph(concepts=concepts, relations=relations)) == (3, 3, 1)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_page_shows_a_concept_with_its_neighbours(tmp_path: Path) -> None:
    page = tmp_path / "graph.html"
    page.write_text(graph_page(chest_graph()), encoding="utf-8")
    shown = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000"),
            f"file://{page}#chest%3Apneumothorax",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    article = shown[shown.index('<article id="concept"') : shown.index("</article>")]
    assert "<h2>pneumothorax</h2>" in article
    assert 'href="#chest%3Apleural-space"' in article
    assert "213 concepts, the best connected 100" in shown
