"""How a report becomes the text that is contrasted: its pieces, and a draw among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from carina.errors import ConfigError
from carina.report.sections import split_sections
from carina.report.sentences import split_sentences
from carina.studies.batches import ImageBatch
from carina.study import Assertion, Entity, EntityKind, Report

SAYS_NOTHING = ("", "none.")


@dataclass(frozen=True, kw_only=True)
class FullStops:
    """The text between full stops, numbers and titles cut as well: MaCo's published code."""

    def of(self, report: Report, entities: Sequence[Entity]) -> tuple[str, ...]:
        """Lower-case pieces, each with its full stop, empty ones among them."""
        return tuple(f"{piece.strip()}.".lower() for piece in report.text.split("."))


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """The sentences of the sections that report; "1.5 cm" and "Dr." end none."""

    def of(self, report: Report, entities: Sequence[Entity]) -> tuple[str, ...]:
        """Lower-case sentences; a report without any gives its own words."""
        text = report.text
        spans = [
            text[start:end]
            for section in split_sections(text)
            if section.reported
            for start, end in split_sentences(text, section.start, section.end)
        ]
        found = tuple(" ".join(sentence.split()).lower() for sentence in spans)
        return found or (" ".join(text.split()).lower(),)


@dataclass(frozen=True, kw_only=True)
class Statements:
    """One short statement a finding, said as prompts say it: ours, for small cohorts.

    A finding that is there is said `present` times with its name, and where the report gives a
    place once more with that. A finding that is denied is said once. So a draw among the pieces
    speaks of what is there more often than of what is not, which reports say far more of.
    """

    present: int = 1

    def __post_init__(self) -> None:
        """Checks the count."""
        if self.present < 1:
            raise ConfigError(f"present must be at least 1, got {self.present}.")

    def of(self, report: Report, entities: Sequence[Entity]) -> tuple[str, ...]:
        """The statements; a report that names no finding gives its own words."""
        observed = [entity for entity in entities if entity.kind is EntityKind.OBSERVATION]
        stated = dict.fromkeys(
            statement for entity in observed for statement in self._said_of(entity)
        )
        return tuple(text for text, _ in stated) or (" ".join(report.text.split()).lower(),)

    def _said_of(self, entity: Entity) -> tuple[tuple[str, int], ...]:
        """Statements, each with a number that tells equal ones apart."""
        if entity.assertion is Assertion.ABSENT:
            return ((f"no {entity.name}.", 0),)
        if entity.assertion is Assertion.UNCERTAIN:
            return ((f"possible {entity.name}.", 0),)
        named = tuple((f"there is {entity.name}.", number) for number in range(self.present))
        placed = ((f"there is {entity.name} in the {entity.place}.", 0),) if entity.place else ()
        return named + placed


@runtime_checkable
class Draw(Protocol):
    """Which pieces of a report are taken at a step."""

    def texts(self, pieces: Sequence[str], *, seed: int, step: int, place: int) -> tuple[str, ...]:
        """The texts for the row `place` of the global batch: a function of its arguments."""
        ...


@dataclass(frozen=True, kw_only=True)
class ShuffledSome:
    """Pieces in a random order, the first n of them as one text: MaCo's.

    Source: Huang et al., Nat Commun 2024, "Report feature extraction" ("random sentence selection
    and shuffling"); n, drawn from 1 to all, and leaving out pieces that say nothing afterwards
    are the published code's.
    """

    def texts(self, pieces: Sequence[str], *, seed: int, step: int, place: int) -> tuple[str, ...]:
        """One text."""
        draws = random_numbers(len(pieces) + 1, seed, step, place)
        order = np.argsort(draws[1:], kind="stable")
        first = order[: 1 + int(draws[0] * len(pieces))]
        chosen = [pieces[number] for number in first if says_something(pieces[number])]
        return (" ".join(chosen or [pieces[0]]),)


@dataclass(frozen=True, kw_only=True)
class Single:
    """`count` pieces, each a text of its own that is contrasted with the image: ours.

    A piece comes again only where there are fewer than `count`.
    """

    count: int = 1

    def __post_init__(self) -> None:
        """Checks the count."""
        if self.count < 1:
            raise ConfigError(f"count of texts must be at least 1, got {self.count}.")

    def texts(self, pieces: Sequence[str], *, seed: int, step: int, place: int) -> tuple[str, ...]:
        """`count` texts."""
        order = np.argsort(random_numbers(len(pieces), seed, step, place), kind="stable")
        return tuple(pieces[order[number % len(order)]] for number in range(self.count))


def drawn_texts(
    draw: Draw, pieces: Sequence[Sequence[str]], batch: ImageBatch
) -> list[tuple[str, ...]]:
    """For each draw, the text of each row of this process's share of a batch.

    Args:
        draw: which pieces are taken.
        pieces: of the report of every image of the training set.
        batch: says which images, and where in the global batch they are.
    """
    of_rows = [
        draw.texts(pieces[row], seed=batch.seed, step=batch.step, place=place)
        for row, place in zip(batch.rows.tolist(), batch.places, strict=True)
    ]
    return [*zip(*of_rows, strict=True)]


def each_once(draws: Sequence[Sequence[str]]) -> tuple[list[str], list[list[int]]]:
    """The different texts of some draws, and for each draw which of them each row has.

    A text that occurs twice is read once.
    """
    different = [*dict.fromkeys(text for draw in draws for text in draw)]
    numbers = {text: number for number, text in enumerate(different)}
    return different, [[numbers[text] for text in draw] for draw in draws]


def says_something(piece: str) -> bool:
    """Whether a piece is more than a full stop or "none."."""
    return piece.strip() not in (*SAYS_NOTHING, ".")


def random_numbers(count: int, seed: int, step: int, place: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) that belong to a row of a global batch.

    The raw stream of a named bit generator is the same in every version of NumPy.
    """
    key = np.array([seed, step], dtype=np.uint64)
    raw = np.random.Philox(key=key, counter=[0, place, 0, 3]).random_raw(count)
    return np.asarray((raw >> np.uint64(11)) * 2.0**-53)
