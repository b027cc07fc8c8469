from pathlib import Path

import pytest

from carina.errors import ConfigError, KnowledgeError
from carina.knowledge.chest import chest_graph
from carina.knowledge.graph import IS_A, Concept, ConceptGraph, Relation
from carina.knowledge.reach import Direction, Reach, chest_reach, reach, read_seeds

# a <- b <- c -> d, where c is also a part of a
GRAPH = ConceptGraph(
    concepts=tuple(Concept(id=letter, name=f"the {letter}") for letter in "abcde"),
    relations=(
        Relation(head="b", kind=IS_A, tail="a"),
        Relation(head="c", kind=IS_A, tail="b"),
        Relation(head="c", kind="part of", tail="a"),
        Relation(head="c", kind="looks like", tail="d"),
        Relation(head="a", kind="may be", tail="c"),
    ),
)


@pytest.mark.parametrize(
    ("how", "found"),
    [
        (Reach(seeds=("a",)), "abc"),
        (Reach(seeds=("The A",), steps=0), "a"),
        (Reach(seeds=("a",), steps=1, along=(IS_A,)), "ab"),
        (Reach(seeds=("a",), steps=1, along=(IS_A, "part of")), "abc"),
        (Reach(seeds=("c",), steps=1, direction=Direction.UP), "abcd"),
        (Reach(seeds=("b",), steps=1, direction=Direction.BOTH, along=(IS_A,)), "abc"),
        (Reach(seeds=("d",), direction=Direction.BOTH), "abcd"),
        (Reach(seeds=("e", "nothing")), "e"),
    ],
)
def test_what_is_reached_by_hand(how: Reach, found: str) -> None:
    assert "".join(concept.id for concept in reach(GRAPH, how).graph.concepts) == found


def test_relations_between_the_reached_stay_whichever_were_followed() -> None:
    part = reach(GRAPH, Reach(seeds=("a",), along=(IS_A,))).graph
    assert {relation.kind for relation in part.relations} == {IS_A, "part of", "may be"}


def test_seeds_that_are_missing_are_named_unless_all_are() -> None:
    part = reach(GRAPH, Reach(seeds=("the b", "nothing")))
    assert part.found == (("the b", ("b",)), ("nothing", ()))
    assert part.missing == ("nothing",)
    with pytest.raises(KnowledgeError, match=r"none of the 4 seeds \(w, x, y, \.\.\.\)"):
        reach(GRAPH, Reach(seeds=("w", "x", "y", "z")))


def test_a_reach_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a seed"):
        Reach(seeds=())
    with pytest.raises(ConfigError, match="got -1"):
        Reach(seeds=("a",), steps=-1)


def test_seeds_are_read_from_files_and_words(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("\ufeff# of the chest\nlung # both\n\nC0032326\nlung\n", encoding="utf-8")
    assert read_seeds([str(path), "rib", "lung"]) == ("lung", "C0032326", "rib")
    path.write_text("# none\n")
    with pytest.raises(KnowledgeError, match="holds no seed"):
        read_seeds([str(path)])
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KnowledgeError, match="cannot be read as a list of seeds"):
        read_seeds([str(path)])


def test_the_packaged_seeds_reach_the_chest() -> None:
    part = reach(chest_graph(), chest_reach())
    assert "lung" in {seed for seed, ids in part.found if ids}
    assert part.graph.find("lung apex") is not None
