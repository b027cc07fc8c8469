import json
from collections import Counter
from pathlib import Path

import pytest

from carina.knowledge.chest import chest_graph
from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind
from carina.knowledge.linking import Linker, Way, count_meanings, link_entities
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Assertion, Entity, EntityKind

FINDING, DISEASE, PLACE = ConceptKind.FINDING, ConceptKind.DISEASE, ConceptKind.PLACE
GRAPH = ConceptGraph(
    concepts=(
        Concept(id="1", name="Pleural effusion", kind=FINDING, synonyms=("Effusion",)),
        Concept(id="2", name="Pneumothorax", kind=FINDING, synonyms=("PTX",), cuis=("C1",)),
        Concept(id="3", name="Pentoxifylline", synonyms=("PTX",)),
        Concept(id="4", name="Pneumothorax", kind=DISEASE, cuis=("C1", "C2")),
        Concept(id="5", name="Base of lung", kind=PLACE, synonyms=("base",)),
        Concept(id="6", name="Base", kind=FINDING),
        Concept(id="7", name="Leukemia", kind=DISEASE, synonyms=("ALL", "effusions")),
        Concept(id="8", name="Oedema", kind=FINDING, related=("swelling",)),
        Concept(id="9", name="Scoliosis", kind=FINDING),
        Concept(id="10", name="Scoliosis", kind=DISEASE),
    )
)


def ids(phrase: str, kind: EntityKind | None = None) -> tuple[Way | None, str]:
    link = Linker(GRAPH).link(phrase, kind)
    return link.way, " ".join(concept.id for concept in link.concepts)


@pytest.mark.parametrize(
    ("phrase", "way", "found"),
    [
        ("pleural  EFFUSION", Way.NAME, "1"),
        ("effusion", Way.SYNONYM, "1"),
        ("effusions", Way.SYNONYM, "7"),
        ("pleural effusions", Way.INFLECTED, "1"),
        ("edema", Way.INFLECTED, "8"),
        ("Effusions, pleural", Way.REORDERED, "1"),
        ("lung base", Way.REORDERED, "5"),
        ("swelling", None, ""),
        ("moon", None, ""),
        ("", None, ""),
        ("--", None, ""),
    ],
)
def test_the_safest_way_that_finds_anything_decides(
    phrase: str, way: Way | None, found: str
) -> None:
    assert ids(phrase) == (way, found)


def test_an_abbreviation_of_two_concepts_is_told_and_not_guessed() -> None:
    link = Linker(GRAPH).link("ptx")
    assert (link.way, link.concept, link.ambiguous) == (Way.ABBREVIATION, None, True)
    assert [concept.id for concept in link.concepts] == ["2", "3"]


def test_an_ordinary_word_is_no_abbreviation() -> None:
    assert ids("all") == (None, "")
    assert ids("ALL") == (Way.ABBREVIATION, "7")


def test_concepts_of_one_identifier_are_one_meaning() -> None:
    link = Linker(GRAPH).link("pneumothorax")
    assert link.meanings == 1
    assert link.concept is GRAPH.concepts[1]
    assert Linker(GRAPH).link("scoliosis").ambiguous


def test_identifiers_join_meanings_over_others() -> None:
    held = (("A",), ("C",), ("A", "B"), ("B", "C"))
    chain = [Concept(id=str(place), name="x", cuis=cuis) for place, cuis in enumerate(held)]
    assert count_meanings(chain) == 1
    assert count_meanings(chain[:2]) == 2
    assert count_meanings([]) == 0


def test_what_is_known_to_be_a_place_is_linked_to_places() -> None:
    assert ids("base") == (Way.NAME, "6")
    assert ids("base", EntityKind.ANATOMY) == (Way.SYNONYM, "5")
    assert ids("base", EntityKind.OBSERVATION) == (Way.NAME, "6")
    assert ids("pentoxifylline", EntityKind.ANATOMY) == (Way.NAME, "3")


def entity(name: str, text: str, kind: EntityKind = EntityKind.OBSERVATION) -> Entity:
    return Entity(
        name=name, text=text, kind=kind, assertion=Assertion.PRESENT, start=0, end=1, section=""
    )


def test_entities_are_linked_by_name_and_else_by_what_is_written() -> None:
    summary = link_entities(
        Linker(GRAPH),
        [
            entity("pleural effusion", "moon"),
            entity("pleural effusion", "Effusion"),
            entity("swelling", "Edema"),
            entity("swelling", "swelling"),
            entity("ptx", "PTX"),
        ],
    )
    told = [(t.term, t.mentions, t.link.phrase, t.link.meanings) for t in summary.terms]
    assert told == [
        ("pleural effusion", 2, "pleural effusion", 1),
        ("ptx", 1, "ptx", 2),
        ("swelling", 1, "edema", 1),
        ("swelling", 1, "swelling", 0),
    ]
    assert (summary.mentions, summary.linked, summary.ambiguous) == (5, 3, 1)
    assert dict(summary.by_way)[Way.NAME] == 2
    written = json.loads(json.dumps(summary.to_dict()))
    assert written["terms"][1]["concepts"] == ["2", "3"]
    assert written["by_way"]["plural or spelling"] == 1


def test_real_reports_are_linked_to_the_embedded_graph(data_dir: Path) -> None:
    lines = (data_dir / "iu_reports" / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [
        f"FINDINGS: {r['findings']}\nIMPRESSION: {r['impression']}"
        for r in map(json.loads, lines[:400])
    ]
    extractor = RuleExtractor(Lexicon.default())
    entities = [entity for text in texts for entity in extractor.extract(text)]
    summary = link_entities(Linker(chest_graph()), entities)
    assert summary.mentions == len(entities) > 3000
    assert summary.linked / summary.mentions > 0.85
    assert summary.ambiguous == 0
    counts = Counter(t.link.concept.name for t in summary.terms if t.link.concept)
    assert counts["pleural effusion"] >= 1
