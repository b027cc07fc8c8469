from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from carina.errors import KnowledgeError
from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind, Origin, Relation

DISEASE = Concept(id="d", name="Lung disease")
PNEUMONIA = Concept(
    id="p",
    name="Pneumonia",
    kind=ConceptKind.DISEASE,
    definition="Infected lung.",
    synonyms=("lung infection",),
    related=("fever",),
    cuis=("C0032285", "C0000001"),
    alternative_ids=("old:p",),
)
LUNG = Concept(id="l", name="lung", kind=ConceptKind.PLACE)


def small_graph() -> ConceptGraph:
    return ConceptGraph(
        concepts=(DISEASE, PNEUMONIA, LUNG),
        relations=(
            Relation(head="p", kind="is a", tail="d"),
            Relation(head="p", kind="located in", tail="l"),
            Relation(head="d", kind="located in", tail="l"),
        ),
        origins=(Origin(name="x.obo", version="1", licence="CC0", left_out=(("obsolete", 2),)),),
    )


@pytest.mark.parametrize("name", ["pneumonia", "PNEUMONIA", " Lung   Infection "])
def test_a_concept_is_found_by_name_or_synonym_in_any_case(name: str) -> None:
    assert small_graph().find(name) == PNEUMONIA


def test_a_related_name_and_an_unknown_one_find_nothing() -> None:
    assert small_graph().find("fever") is None
    assert small_graph().find("asthma") is None


def test_a_name_goes_before_a_synonym_of_an_earlier_concept() -> None:
    first = Concept(id="1", name="edema", synonyms=("effusion",))
    second = Concept(id="2", name="effusion")
    assert ConceptGraph(concepts=(first, second)).find("Effusion") == second


def test_an_id_that_was_merged_leads_to_the_concept() -> None:
    assert small_graph()["old:p"] == PNEUMONIA
    assert small_graph().index("old:p") == 1


def test_neighbours_are_those_of_both_directions() -> None:
    graph = small_graph()
    assert graph.neighbours("d") == (LUNG, PNEUMONIA)
    assert graph.parents("p") == (DISEASE,)
    assert [relation.head for relation in graph.arriving("l")] == ["d", "p"]


def test_ancestors_survive_a_circle() -> None:
    circle = ConceptGraph(
        concepts=(DISEASE, PNEUMONIA),
        relations=(
            Relation(head="p", kind="is a", tail="d"),
            Relation(head="d", kind="is a", tail="p"),
        ),
    )
    assert circle.ancestors("p") == {"d", "p"}


def test_statistics_count_by_hand() -> None:
    numbers = small_graph().statistics()
    assert (numbers.concepts, numbers.defined, numbers.synonyms, numbers.with_cui) == (3, 1, 1, 1)
    assert numbers.relation_kinds == (("located in", 2), ("is a", 1))


def test_a_part_keeps_only_relations_within_it() -> None:
    part = small_graph().keeping(lambda concept: concept.id != "d")
    assert part.relations == (Relation(head="p", kind="located in", tail="l"),)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    graph = small_graph()
    graph.write(tmp_path / "graph.parquet")
    read = ConceptGraph.read(tmp_path / "graph.parquet")
    assert read == graph
    assert read.origins[0].licence == "CC0"
    assert [path.name for path in tmp_path.iterdir()] == ["graph.parquet"]


def test_the_digest_follows_content_and_not_the_order_of_relations() -> None:
    graph = small_graph()
    turned = ConceptGraph(concepts=graph.concepts, relations=graph.relations[::-1][1:][::-1])
    assert turned.digest != graph.digest
    again = ConceptGraph(
        concepts=graph.concepts,
        relations=(graph.relations[1], graph.relations[0], graph.relations[2], graph.relations[0]),
    )
    assert again == replace(graph, origins=())
    assert again.digest == graph.digest


def test_a_graph_without_concepts_is_refused() -> None:
    with pytest.raises(KnowledgeError, match="holds no concept"):
        ConceptGraph(concepts=())


def test_two_concepts_with_one_id_are_refused() -> None:
    with pytest.raises(KnowledgeError, match="two concepts have the id 'd'"):
        ConceptGraph(concepts=(DISEASE, DISEASE))


def test_a_concept_without_name_is_refused() -> None:
    with pytest.raises(KnowledgeError, match="has no name"):
        ConceptGraph(concepts=(Concept(id="x", name=" "),))


def test_a_relation_to_nowhere_is_refused() -> None:
    with pytest.raises(KnowledgeError, match="'q', which is no concept"):
        ConceptGraph(concepts=(DISEASE,), relations=(Relation(head="d", kind="is a", tail="q"),))


def test_an_unknown_id_says_so() -> None:
    with pytest.raises(KnowledgeError, match="no concept has the id 'q'"):
        small_graph()["q"]


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"no such file.*carina knowledge"):
        ConceptGraph.read(tmp_path / "none.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1 no table", b"PAR1" + bytes(200) + b"PAR1"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "graph.parquet"
    path.write_bytes(content)
    with pytest.raises(KnowledgeError, match="cannot be read as Parquet"):
        ConceptGraph.read(path)


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.parquet"
    pl.DataFrame({"id": [1]}).write_parquet(path)
    with pytest.raises(KnowledgeError, match="no concept graph of this version"):
        ConceptGraph.read(path)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.parquet"
    small_graph().write(path)
    metadata = {
        key: value
        for key, value in pl.read_parquet_metadata(path).items()
        if key.startswith("carina")
    }
    frame = pl.read_parquet(path).with_columns(name=pl.col("name") + "!")
    frame.write_parquet(path, metadata=metadata)
    with pytest.raises(KnowledgeError, match="does not fit the checksum"):
        ConceptGraph.read(path)
