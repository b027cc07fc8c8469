from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import KnowledgeError
from carina.knowledge.chest import chest_graph
from carina.knowledge.graph import Concept, ConceptGraph, Relation
from carina.knowledge.pairs import AppearancePairs, OfficialPairs, PaperPairs, official_cui

A = Concept(id="a", name="Alpha", definition="First letter.", cuis=("C0000001",))
B = Concept(id="b", name="Beta", definition="Second letter.", cuis=("X1", "C0000002"))
C = Concept(id="c", name="Gamma")
GRAPH = ConceptGraph(
    concepts=(A, B, C),
    relations=(
        Relation(head="a", kind="before", tail="b"),
        Relation(head="a", kind="before", tail="c"),
        Relation(head="b", kind="before", tail="c"),
    ),
)
ALONE = ConceptGraph(concepts=(C,))


@given(
    rule=st.sampled_from([PaperPairs(), OfficialPairs(), AppearancePairs()]),
    seed=st.integers(0, 2**32 - 1),
    step=st.integers(0, 10**6),
)
def test_a_batch_is_a_pure_function_of_seed_and_step(
    rule: PaperPairs | OfficialPairs | AppearancePairs, seed: int, step: int
) -> None:
    drawn = rule.sampler(chest_graph()).draw(seed, step, 16)
    sampler = rule.sampler(chest_graph())
    sampler.draw(seed, step + 1, 16)
    assert sampler.draw(seed, step, 16) == drawn
    assert len(drawn) == 16
    assert sampler.draw(seed + 1, step, 16) != drawn


def test_the_papers_batch_is_half_definitions_and_half_relations() -> None:
    pairs = PaperPairs().sampler(GRAPH).draw(0, 0, 128)
    definitions = {("Alpha", "First letter.", "a"), ("Beta", "Second letter.", "b")}
    assert {(p.first, p.second, p.concept) for p in pairs[:64]} == definitions
    related = {(p.first, p.second, p.concept) for p in pairs[64:]}
    assert related == {
        ("Beta", "Alpha before", "b"),
        ("Second letter.", "Alpha before", "b"),
        ("Gamma", "Alpha before", "c"),
        ("Gamma", "Beta before", "c"),
    }
    assert all(pair.match == pair.concept for pair in pairs)


def test_the_published_pairs_come_as_often_as_published() -> None:
    pairs = OfficialPairs().sampler(GRAPH).draw(0, 0, 6000)
    counts = Counter((pair.first, pair.second) for pair in pairs)
    # 3 relations and 2 definitions: a definition has 1/5, each direction of a relation 1/10.
    expected = {
        ("Alpha", "First letter."): 1200,
        ("Beta", "Second letter."): 1200,
        ("Alpha [SEP] before", "Beta"): 600,
        ("before [SEP] Beta", "Alpha"): 600,
        ("Alpha [SEP] before", "Gamma"): 600,
        ("Beta [SEP] before", "Gamma"): 600,
        ("before [SEP] Gamma", "Alpha"): 600,
        ("before [SEP] Gamma", "Beta"): 600,
    }
    assert counts.keys() == expected.keys()
    for pair, count in expected.items():  # five standard deviations of a binomial
        assert abs(counts[pair] - count) < 5 * (count * (1 - count / 6000)) ** 0.5, pair


def test_the_published_pairs_match_by_identifier_alone() -> None:
    assert [official_cui(concept) for concept in (A, B, C)] == ["C0000001", "0", "0"]
    for pair in OfficialPairs().sampler(GRAPH).draw(0, 1, 200):
        assert pair.match == ("C0000001" if pair.concept == "a" else "")


def test_appearance_pairs_are_two_kinds_of_text_of_one_concept() -> None:
    graph = chest_graph()
    for step in range(20):
        for pair in AppearancePairs().sampler(graph).draw(0, step, 64):
            concept = graph[pair.concept]
            attributes = {graph[r.tail].name for r in graph.leaving(concept.id)}
            for text in (pair.first, pair.second):
                assert (
                    text in (concept.name, *concept.synonyms, concept.definition)
                    or set(text.split(", ")) <= attributes
                )
            assert pair.first != pair.second or pair.first in attributes


def test_appearance_pairs_use_each_concept_before_any_twice() -> None:
    sampler = AppearancePairs().sampler(chest_graph())
    counts = Counter(pair.concept for pair in sampler.draw(0, 0, 2 * len(chest_graph().concepts)))
    assert set(counts.values()) == {2}


def test_appearance_lists_leave_out_what_a_finding_merely_looks_like() -> None:
    drawn = [AppearancePairs().sampler(chest_graph()).draw(0, step, 213) for step in range(30)]
    texts = [p.first for batch in drawn for p in batch if p.concept == "chest:hiatal-hernia"]
    assert any("air-fluid level, " in text or ", air-fluid level" in text for text in texts)
    assert not any("retrocardiac mass" in text for text in texts)


def test_an_epoch_is_as_long_as_there_are_facts() -> None:
    assert PaperPairs().sampler(GRAPH).size == OfficialPairs().sampler(GRAPH).size == 5


def test_a_graph_without_definitions_or_relations_is_refused() -> None:
    with pytest.raises(KnowledgeError, match="0 definitions and 0 relations"):
        PaperPairs().sampler(ALONE)
    with pytest.raises(KnowledgeError, match="neither definitions nor relations"):
        OfficialPairs().sampler(ALONE)
    with pytest.raises(KnowledgeError, match="no concept of the graph has two kinds of text"):
        AppearancePairs().sampler(ALONE)
