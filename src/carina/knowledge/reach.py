"""The part of a graph that can be reached from some of its concepts."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carina.errors import ConfigError, KnowledgeError
from carina.knowledge.graph import ConceptGraph

CHEST_FILE = Path(__file__).with_name("chest_seeds.toml")


class Direction(StrEnum):
    """Which way relations are followed: from the tail to the head ("is a" lung disease), or up."""

    DOWN = "down"
    UP = "up"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far to go, from where, and along what.

    `seeds` are ids or names; a name that several concepts have starts from each of them.
    `steps` is the largest number of relations followed, None for any number. `along` are the
    kinds of relation that are followed, () for all. "pneumonia is a lung disease" leads down
    from lung disease to pneumonia.

    Raises:
        ConfigError: there is no seed, or `steps` is negative.
    """

    seeds: tuple[str, ...]
    steps: int | None = None
    along: tuple[str, ...] = ()
    direction: Direction = Direction.DOWN

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ConfigError("reach needs a seed, got none. Give ids or names of concepts.")
        if self.steps is not None and self.steps < 0:
            raise ConfigError(f"reach must be 0 steps or more, got {self.steps}.")


@dataclass(frozen=True, kw_only=True)
class Reached:
    """The part of a graph, and what became of the seeds.

    `found` gives each seed the ids of the concepts that it started from, () where it names none.
    """

    graph: ConceptGraph
    found: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The seeds that name nothing."""
        return tuple(seed for seed, ids in self.found if not ids)


@cache
def chest_reach() -> Reach:
    """From general terms of the chest to all that is a kind, or a part, of them or lies there."""
    table = tomllib.loads(CHEST_FILE.read_text(encoding="utf-8"))
    return Reach(seeds=tuple(table["seeds"]), along=tuple(table["along"]))


def read_seeds(words: Iterable[str]) -> tuple[str, ...]:
    """Seeds from words that are ids, names, or files with one of these a line.

    What follows a "#" at the start of a line, or after a space, is a remark.

    Raises:
        KnowledgeError: a file cannot be read as text, or holds no seed.
    """
    return tuple(dict.fromkeys(seed for word in words for seed in _seeds_of(word)))


def _seeds_of(word: str) -> list[str]:
    path = Path(word)
    if not path.is_file():
        return [word]
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise KnowledgeError(
            f"{path}: cannot be read as a list of seeds ({error}). Expected UTF-8 text with one "
            "id or name a line."
        ) from error
    seeds = [f" {line}".partition(" #")[0].strip() for line in lines]
    if not any(seeds):
        raise KnowledgeError(f"{path}: holds no seed, expected one id or name a line. Add some.")
    return [seed for seed in seeds if seed]


def reach(graph: ConceptGraph, how: Reach) -> Reached:
    """The concepts within reach, the seeds included, and the relations between them.

    Raises:
        KnowledgeError: no seed is in the graph.
    """
    found = tuple((seed, _ids(graph, seed)) for seed in how.seeds)
    refuse_no_seed(found)
    start = np.zeros(len(graph.concepts), dtype=bool)
    start[[graph.index(name) for _, ids in found for name in ids]] = True
    followed = [r for r in graph.relations if not how.along or r.kind in how.along]
    heads = np.array([graph.index(r.head) for r in followed], dtype=np.int64)
    tails = np.array([graph.index(r.tail) for r in followed], dtype=np.int64)
    reached = walk(start, heads, tails, how)
    kept = {c.id for c, inside in zip(graph.concepts, reached, strict=True) if inside}
    return Reached(graph=graph.keeping(lambda concept: concept.id in kept), found=found)


def refuse_no_seed(found: Sequence[tuple[str, tuple[str, ...]]]) -> None:
    """Checks that one seed at least names a concept.

    Raises:
        KnowledgeError: none does.
    """
    if not any(ids for _, ids in found):
        few = ", ".join(seed for seed, _ in found[:3]) + (", ..." if len(found) > 3 else "")
        raise KnowledgeError(
            f"none of the {len(found)} seeds ({few}) is an id or a name in the sources. Give some "
            "that they have."
        )


def walk(
    start: NDArray[np.bool_],
    heads: NDArray[np.integer],
    tails: NDArray[np.integer],
    how: Reach,
) -> NDArray[np.bool_]:
    """Which concepts are reached.

    Args:
        start: [concepts], the seeds.
        heads: [relations], the place of each head; only relations that may be followed.
        tails: [relations], the place of each tail.
        how: steps and direction.

    Returns:
        [concepts], the seeds included.
    """
    reached = start.copy()
    newest = start
    steps = len(start) if how.steps is None else how.steps
    while steps > 0 and newest.any():
        next_to = np.zeros_like(start)
        if how.direction is not Direction.UP:
            next_to[heads[newest[tails]]] = True
        if how.direction is not Direction.DOWN:
            next_to[tails[newest[heads]]] = True
        newest = next_to & ~reached
        reached |= newest
        steps -= 1
    return reached


def _ids(graph: ConceptGraph, seed: str) -> tuple[str, ...]:
    known = graph.with_id(seed)
    return (known.id,) if known else tuple(concept.id for concept in graph.named(seed))
