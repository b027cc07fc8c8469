"""A phantom cohort on its way into the layout of a release."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from carina.files import progress
from carina.study import Study


@dataclass(frozen=True, kw_only=True)
class DrawnCohort:
    """Synthetic studies, complete in truth, and the folder that their paths start at.

    `seed` is the cohort's: a writer that needs random numbers (identifiers, which cells stay
    blank) takes them from `carina.phantom.randomness.generator(seed, study_id, purpose)`.
    Each study has one frontal 8-bit radiograph, and findings that are all present or absent.
    """

    root: Path
    studies: tuple[Study, ...]
    seed: int

    def pictures(self) -> Iterator[tuple[Study, Image.Image]]:
        """Each study with its radiograph, 8-bit grey and bone bright, behind a progress bar."""
        for study in progress(self.studies, "writing the layout", len(self.studies)):
            with Image.open(self.root / study.radiographs[0].path) as picture:
                yield study, picture.convert("L")
