"""Distils a report: one short sentence for each entity, by rules.

Source: ECAMP (Wang et al., arXiv:2312.13316), section 3.1 and Table S2, where a language model
writes "There is [severity] [entity]." and "There may be [severity] [entity].".
"""

from collections.abc import Sequence

from carina.report.findings import final_observations
from carina.study import Assertion, Entity

BEGINNING = {
    Assertion.PRESENT: "There is",
    Assertion.ABSENT: "There is no",
    Assertion.UNCERTAIN: "There may be",
}


def distil(entities: Sequence[Entity]) -> str:
    """One sentence for each observation of a report, in its order; "" where it names none.

    Args:
        entities: of one report, as `carina annotate` finds them.
    """
    return " ".join(dict.fromkeys(sentence(entity) for entity in final_observations(entities)))


def sentence(entity: Entity) -> str:
    """What is said of one observation."""
    words = (BEGINNING[entity.assertion], entity.severity or "", entity.name)
    return " ".join(word for word in words if word) + "."
