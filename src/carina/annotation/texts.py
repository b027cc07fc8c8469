"""Reads reports one by one, in one process or several."""

import functools
from collections.abc import Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Protocol, runtime_checkable

from carina.annotation.source import Reading
from carina.errors import ConfigError
from carina.files import progress
from carina.report.entities import Extractor
from carina.study import Entity, Study

REPORTS_AT_ONCE = 500


@runtime_checkable
class ExtractorMaker(Hashable, Protocol):
    """Settings from which every process can make its own extractor."""

    def make(self) -> Extractor:
        """Builds the extractor."""
        ...


def read_texts(maker: ExtractorMaker, studies: Sequence[Study], processes: int) -> Reading:
    """The entities of every report; the result does not depend on the number of processes.

    Args:
        maker: makes the extractor; with several processes it is sent to each of them.
        studies: whose reports to read.
        processes: at least 1.
    """
    check_count("processes", processes)
    extractor = made_once(maker)  # before any process starts, so that a mistake is told once
    texts = [study.report.text for study in studies]
    if processes == 1:
        found = map(extractor.extract, texts)
        return Reading(entities=tuple(progress(found, "Reading reports", len(texts))))
    parts = [texts[i : i + REPORTS_AT_ONCE] for i in range(0, len(texts), REPORTS_AT_ONCE)]
    with ProcessPoolExecutor(processes) as pool:
        read = pool.map(functools.partial(extract_all, maker), parts)
        done = tuple(progress(read, "Reading reports", len(parts)))
    return Reading(entities=tuple(entities for part in done for entities in part))


@functools.lru_cache(maxsize=2)  # two sources are compared
def made_once(maker: ExtractorMaker) -> Extractor:
    """The extractor of this process."""
    return maker.make()


def extract_all(maker: ExtractorMaker, texts: Sequence[str]) -> list[tuple[Entity, ...]]:
    """The entities of some reports."""
    extractor = made_once(maker)
    return [extractor.extract(text) for text in texts]


def check_count(name: str, value: int) -> None:
    """Refuses a number of workers, attempts and the like that is below 1."""
    if value < 1:
        raise ConfigError(f"{name} must be at least 1, got {value}.")
