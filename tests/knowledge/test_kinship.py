import math
import os
import subprocess
import sys

import numpy as np
import pytest

from carina.knowledge.chest import chest_graph
from carina.knowledge.graph import Concept, ConceptGraph, Relation
from carina.knowledge.kinship import Kinship


def test_likeness_equals_value_worked_by_hand() -> None:
    # Of four concepts a and b are round, a and c opaque; r is round itself.
    concepts = tuple(Concept(id=i, name=i) for i in "abcr")
    graph = ConceptGraph(
        concepts=concepts,
        relations=(
            Relation(head="a", kind="has shape", tail="r"),
            Relation(head="b", kind="has shape", tail="r"),
            Relation(head="b", kind="looks like", tail="c"),
        ),
    )
    # a = (self ln 4, round ln 2), b likewise: cosine = ln2^2 / (ln4^2 + ln2^2) = 1 / 5.
    likeness = Kinship(graph).matrix(["a", "b", "c"])
    assert likeness[0, 1] == pytest.approx(0.2, abs=1e-6)
    assert likeness[1, 2] == 0.0  # "looks like" is no likeness
    np.testing.assert_array_equal(np.diag(likeness), 1.0)


def test_the_kinds_of_one_thing_share_what_is_above_them() -> None:
    graph = ConceptGraph(
        concepts=tuple(Concept(id=i, name=i) for i in ("x", "y", "z", "up", "top")),
        relations=(
            Relation(head="x", kind="is a", tail="up"),
            Relation(head="up", kind="is a", tail="top"),
            Relation(head="y", kind="is a", tail="top"),
        ),
    )
    # Holders: top by x, y, up; up by x. x = (ln5, ln5, ln 5/3), y = (ln5, ln 5/3).
    rare, common = math.log(5), math.log(5 / 3)
    expected = common**2 / math.sqrt((2 * rare**2 + common**2) * (rare**2 + common**2))
    assert Kinship(graph).matrix(["x", "y"])[0, 1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "near", "far"),
    [
        ("hydropneumothorax", "pneumothorax", "scoliosis"),
        ("hydropneumothorax", "lung abscess", "cardiomegaly"),
        ("lung abscess", "cavity", "tortuous aorta"),
        ("fibrosis", "interstitial edema", "pneumothorax"),
        ("retrocardiac mass", "mass", "pleural effusion"),
        ("bulla", "pneumothorax", "consolidation"),
        ("endotracheal tube", "chest tube", "nodule"),
    ],
)
def test_findings_that_share_what_is_seen_are_near(name: str, near: str, far: str) -> None:
    graph = chest_graph()
    ids = [concept.id for text in (name, near, far) if (concept := graph.find(text))]
    likeness = Kinship(graph).matrix(ids)
    assert likeness[0, 1] > 0.2
    assert likeness[0, 1] > 4 * likeness[0, 2]


BITS = """
import hashlib
from carina.knowledge.chest import chest_graph
from carina.knowledge.kinship import Kinship
graph = chest_graph()
table = Kinship(graph).matrix([concept.id for concept in graph.concepts][:80])
print(hashlib.sha256(table.tobytes()).hexdigest())
"""


def test_likeness_is_the_same_to_the_last_bit_whatever_the_order_of_sets() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", BITS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1
