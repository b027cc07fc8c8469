"""Fills the reports of studies with their entities."""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from carina.errors import ConfigError
from carina.files import progress
from carina.report.entities import EXTRACTORS, Extractor
from carina.report.findings import findings_from_entities
from carina.report.lexicon import Lexicon
from carina.studies.manifest import Manifest
from carina.study import Assertion, Entity, Study

REPORTS_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class ExtractorSource:
    """Names an extractor and its lexicon, so that every process can make its own.

    Attributes:
        extractor: a name of `EXTRACTORS`.
        lexicon: a file of the user's own terms, added to the packaged ones.
    """

    extractor: str = "rules"
    lexicon: Path | None = None

    def __post_init__(self) -> None:
        if self.extractor not in EXTRACTORS:
            raise ConfigError(
                f"there is no extractor {self.extractor!r}; known are "
                f"{', '.join(sorted(EXTRACTORS))}. Name one of these."
            )

    def make(self) -> Extractor:
        """Builds the extractor.

        Raises:
            ReportError: the user's lexicon cannot be used.
        """
        lexicon = Lexicon.default()
        if self.lexicon is not None:
            lexicon = lexicon.extended(self.lexicon)
        return EXTRACTORS[self.extractor](lexicon)


def annotate_manifest(manifest: Manifest, extractor: Extractor) -> tuple[Study, ...]:
    """The studies with `report.entities` filled; the findings of the source stay as they are.

    A study without a report gets an empty tuple: it was read, and nothing was found.
    """
    texts = [study.report.text for study in manifest.studies]
    found = progress(map(extractor.extract, texts), "Reading reports", len(texts))
    return with_entities(manifest.studies, found)


def annotate_in_processes(
    manifest: Manifest, source: ExtractorSource, processes: int
) -> tuple[Study, ...]:
    """As `annotate_manifest`, with reports shared out among processes; the result is the same."""
    texts = [study.report.text for study in manifest.studies]
    parts = [texts[i : i + REPORTS_AT_ONCE] for i in range(0, len(texts), REPORTS_AT_ONCE)]
    with ProcessPoolExecutor(processes) as pool:
        read = pool.map(functools.partial(extract_all, source), parts)
        done = tuple(progress(read, "Reading reports", len(parts)))
    return with_entities(manifest.studies, (found for part in done for found in part))


@functools.lru_cache(maxsize=1)
def made_once(source: ExtractorSource) -> Extractor:
    """The extractor of this process."""
    return source.make()


def extract_all(source: ExtractorSource, texts: Sequence[str]) -> list[tuple[Entity, ...]]:
    """The entities of some reports."""
    return [made_once(source).extract(text) for text in texts]


def with_entities(
    studies: Iterable[Study], found: Iterable[tuple[Entity, ...]]
) -> tuple[Study, ...]:
    """Puts entities into their studies."""
    return tuple(
        replace(study, report=replace(study.report, entities=entities))
        for study, entities in zip(studies, found, strict=True)
    )


@dataclass(frozen=True, kw_only=True)
class ObservationCount:
    """How many reports call an observation present, absent and uncertain."""

    name: str
    present: int
    absent: int
    uncertain: int


@dataclass(frozen=True, kw_only=True)
class AnnotationSummary:
    """What annotating did: counts of reports, and observations, most often mentioned first."""

    studies: int
    empty: int
    silent: int
    entities: int
    observations: tuple[ObservationCount, ...]


def summarise(studies: Sequence[Study]) -> AnnotationSummary:
    """Counts studies, reports without text or without entities, and observations by report."""
    counts: dict[Assertion, Counter[str]] = {value: Counter() for value in Assertion}
    for name, value in stated(studies):
        counts[value][name] += 1
    mentioned = sum(counts.values(), Counter[str]())
    ranked = sorted(mentioned, key=lambda name: (-mentioned[name], name))
    return AnnotationSummary(
        studies=len(studies),
        empty=sum(not study.report.text.strip() for study in studies),
        silent=sum(bool(s.report.text.strip()) and not s.report.entities for s in studies),
        entities=sum(len(study.report.entities or ()) for study in studies),
        observations=tuple(
            ObservationCount(
                name=name,
                present=counts[Assertion.PRESENT][name],
                absent=counts[Assertion.ABSENT][name],
                uncertain=counts[Assertion.UNCERTAIN][name],
            )
            for name in ranked
        ),
    )


def stated(studies: Iterable[Study]) -> Iterator[tuple[str, Assertion]]:
    """What each report as a whole says of each observation in it."""
    for study in studies:
        yield from findings_from_entities(study.report.entities or ()).items()
