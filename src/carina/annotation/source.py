"""What a source of entities is, and what reading with one gives."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from carina.errors import AnnotationError
from carina.studies.manifest import Manifest
from carina.study import Entity, Study

EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that a source could not use: what, how often, and in which studies first."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a source found.

    Attributes:
        entities: of each study, in the order of the studies; None where the source could not
            read the report, which is not the same as finding nothing in it.
        problems: what could not be used, most frequent first.
        remarks: sentences on the reading as a whole, such as what it cost.
    """

    entities: tuple[tuple[Entity, ...] | None, ...]
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()


@runtime_checkable
class Source(Protocol):
    """Where the entities of reports come from. Its fields are its settings."""

    def read(self, studies: Sequence[Study]) -> Reading:
        """The entities of each study. A study without a report gets none."""
        ...


def check_reports(manifest: Manifest) -> None:
    """Refuses a manifest in which nothing can be read.

    Raises:
        AnnotationError: no study has a report.
    """
    if not any(study.report.text.strip() for study in manifest.studies):
        raise AnnotationError(
            f"{manifest.path}: none of {len(manifest.studies)} studies has a report, so there is "
            "nothing to read. Releases such as ChestX-ray14 come without: go on with `carina "
            "pack`, and measure a model that was trained on others."
        )


class Tally:
    """Counts problems by reason, and keeps the first studies that had them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, reason: str, study_id: str, count: int = 1) -> None:
        """Counts a problem that one study has, once or more often."""
        self._counts[reason] += count
        examples = self._examples.setdefault(reason, [])
        if len(examples) < EXAMPLES and study_id not in examples:
            examples.append(study_id)

    def problems(self) -> tuple[Problem, ...]:
        """All reasons, most frequent first."""
        return tuple(
            Problem(reason=reason, count=count, examples=tuple(self._examples[reason]))
            for reason, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        )
