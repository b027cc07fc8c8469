"""What the starts of a fine-tuning have seen of its test part while they were pre-trained."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from carina.runs.starts import Start
from carina.studies.manifest import Manifest
from carina.studies.trained_on import read_trained_on, seen_before


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Patients and studies of the part that is tested which a start was pre-trained on.

    `of` counts the patients of the part. With `known` False nothing tells whom the start was
    pre-trained on, or not of all trainings behind it: both counts may be higher.
    """

    start: str
    known: bool
    patients: int
    studies: int
    of: int

    def __str__(self) -> str:
        """A sentence that names no patient."""
        if not self.known and not self.patients:
            return (
                f"{self.start}: nothing tells whom it was pre-trained on, or not of all trainings "
                "behind it; whether it has seen any of the test patients is not known."
            )
        if not self.patients:
            return f"{self.start}: was pre-trained on none of the {self.of:,} test patients."
        least = "" if self.known else "at least "
        return (
            f"{self.start}: was pre-trained on {least}{self.patients:,} of the {self.of:,} test "
            f"patients ({self.studies:,} of their studies); its scores are no fair measure. "
            "Pre-train with --exclude, or measure on others; `carina check --model` names some."
        )

    @property
    def doubtful(self) -> bool:
        """Whether the scores of this start may be better than they should be."""
        return not self.known or self.patients > 0

    def to_json(self) -> dict[str, Any]:
        """As a record keeps it."""
        return asdict(self)


def overlaps(
    starts: Sequence[Start], manifest: Manifest, *, every_split: bool
) -> tuple[Overlap, ...]:
    """What each pre-trained start has seen of the part that is tested.

    Args:
        starts: those with fresh weights have seen nothing and are left out.
        manifest: whose test part is tested.
        every_split: all of the manifest is tested, as in a cross-validation.

    Raises:
        ModelError: what tells whom a start was trained on is damaged.
    """
    tested = manifest
    if every_split:
        tested = manifest.with_studies([replace(study, split=None) for study in manifest.studies])
    return tuple(overlap_of(start, tested) for start in starts if start.pretrained)


def overlap_of(start: Start, tested: Manifest) -> Overlap:
    """What one start has seen."""
    if read_trained_on(start.path) is None:
        return Overlap(start=start.name, known=False, patients=0, studies=0, of=0)
    seen = seen_before(start.path, tested)
    return Overlap(
        start=start.name,
        known=seen.complete,
        patients=seen.patients,
        studies=seen.studies,
        of=seen.of,
    )
