"""Draws studies one by one, each a pure function of the cohort's settings and its index."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from carina.errors import ConfigError
from carina.phantom import layout
from carina.phantom.anatomy import draw_patient, draw_visit
from carina.phantom.canvas import Frame, Mask
from carina.phantom.clinic import Visit, draw_visits
from carina.phantom.dictation import Dictation, dictate
from carina.phantom.film import draw_film
from carina.phantom.findings import FINDINGS
from carina.phantom.randomness import generator
from carina.phantom.render import Plan, render
from carina.study import Assertion, Box, Finding, Radiograph, Report, Severity, Study
from carina.study import Mask as MaskFile

SPLITS = ("train", "validate", "test")
HEALTHY = {"train": 0.34, "validate": 0.2, "test": 0.2}
VISIT_CHANCES = (0.72, 0.9)


@dataclass(frozen=True, kw_only=True)
class PhantomConfig:
    """A cohort: how many studies, from which seed, and how large the pictures are.

    `validate_share` and `test_share` are parts of `studies`; the rest is for training. `size`
    is the side of the square picture in pixels. `dicom` writes DICOM files instead of PNG.
    `mask_splits` names the splits whose masks are written (boxes always are).
    """

    studies: int = 4100
    seed: int = 0
    size: int = 224
    validate_share: float = 0.073
    test_share: float = 0.244
    dicom: bool = False
    mask_splits: tuple[str, ...] = ("validate", "test")

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            ConfigError: there is nothing to draw, the shares do not fit, the size is out of
                range, or a split does not exist.
        """
        if self.studies < 1:
            raise ConfigError(f"studies must be at least 1, got {self.studies}.")
        if not (self.validate_share >= 0 and self.test_share >= 0) or not (
            self.validate_share + self.test_share <= 1
        ):
            raise ConfigError(
                f"validate_share {self.validate_share} and test_share {self.test_share} must be "
                ">= 0 and at most 1 together: what is left is for training."
            )
        if not 64 <= self.size <= 4096:
            raise ConfigError(
                f"size must be from 64 to 4096 pixels, got {self.size}: below 64 the findings "
                "cannot be seen."
            )
        for split in self.mask_splits:
            if split not in SPLITS:
                raise ConfigError(
                    f"mask_splits names {split!r}, expected some of {', '.join(SPLITS)}."
                )

    @property
    def counts(self) -> dict[str, int]:
        """Studies of each split."""
        validate = round(self.studies * self.validate_share)
        test = round(self.studies * self.test_share)
        return {"train": self.studies - validate - test, "validate": validate, "test": test}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Whose study an index is: the split, the patient, which of the patient's visits."""

    split: str
    patient: int
    visit: int
    visits: int


@lru_cache(maxsize=4)
def places(config: PhantomConfig) -> tuple[Place, ...]:
    """The place of every study; patients have one to three visits, all in one split."""
    everyone: list[Place] = []
    patient = 0
    for number, split in enumerate(SPLITS):
        rng = generator(config.seed, "visits", split)
        left = config.counts[split]
        patient = number * 10_000_000
        while left > 0:
            visits = min(left, 1 + int(np.searchsorted(VISIT_CHANCES, rng.random())))
            everyone += [
                Place(split=split, patient=patient, visit=visit, visits=visits)
                for visit in range(visits)
            ]
            left -= visits
            patient += 1
    return tuple(everyone)


@dataclass(frozen=True, kw_only=True)
class PhantomStudy:
    """A drawn study.

    `image` is uint8 [size, size], bone bright; `masks` holds bool [size, size] for each
    present finding; `study` is as a manifest has it; `visit` is the truth it was made from.
    """

    image: NDArray[np.uint8]
    study: Study
    masks: dict[str, Mask]
    visit: Visit

    @property
    def report(self) -> str:
        """The dictated text."""
        return self.study.report.text


def draw_study(config: PhantomConfig, index: int) -> PhantomStudy:
    """Draws study `index` of a cohort: picture, masks, boxes, report and truth.

    Raises:
        ConfigError: the cohort has no such study.
    """
    place, visit, plan = plan_study(config, index)
    image, masks = render(plan)
    rng = generator(config.seed, "patient", place.patient, "report", place.visit)
    report = dictate(visit, rng)
    study = describe_study(config, place, visit, plan, masks, report)
    return PhantomStudy(image=image, study=study, masks=masks, visit=visit)


def plan_study(config: PhantomConfig, index: int) -> tuple[Place, Visit, Plan]:
    """Everything that is drawn by lot for a study, before a pixel is computed."""
    if not 0 <= index < config.studies:
        raise ConfigError(
            f"there is no study {index}: the cohort has {config.studies}, counted from 0."
        )
    place = places(config)[index]
    seed, patient = config.seed, place.patient
    anatomy = draw_patient(seed, patient)
    visits = draw_visits(
        seed,
        patient,
        place.visits,
        healthy=HEALTHY[place.split],
        unseen=place.split == "test",
    )
    visit = visits[place.visit]
    anatomy = draw_visit(anatomy, seed, patient, place.visit, bedside=visit.bedside)
    rng = generator(seed, "patient", patient, "film", place.visit)
    frame = Frame(
        size=config.size,
        shift_u=float(rng.normal(0, 0.035)),
        shift_v=float(rng.normal(0.06, 0.045)),
        zoom=float(np.clip(rng.normal(1.12, 0.06), 0.95, 1.3)),
        tilt=float(rng.normal(0, 0.045 if visit.bedside else 0.02)),
    )
    film = draw_film(rng, anatomy.fat, bedside=visit.bedside)
    plan = Plan(
        anatomy=anatomy,
        frame=frame,
        film=film,
        lesions=visit.lesions,
        noise_seed=int(rng.integers(2**31)),
    )
    return place, visit, plan


def describe_study(
    config: PhantomConfig,
    place: Place,
    visit: Visit,
    plan: Plan,
    masks: dict[str, Mask],
    report: Dictation,
) -> Study:
    """The study as a manifest has it: all findings known, present or absent."""
    patient_id = f"phantom-{place.patient:08d}"
    study_id = f"{patient_id}-{place.visit + 1}"
    path = layout.image_path(patient_id, study_id, ".dcm" if config.dicom else ".png")
    found = visit.present
    written = found if place.split in config.mask_splits else ()
    return Study(
        study_id=study_id,
        patient_id=patient_id,
        source=layout.SOURCE,
        radiographs=(
            Radiograph(path=path, view=plan.anatomy.view, width=config.size, height=config.size),
        ),
        report=Report(text=report.text),
        findings=tuple(
            Finding(name=name, value=Assertion.PRESENT if name in found else Assertion.ABSENT)
            for name in FINDINGS
        ),
        boxes=tuple(
            box for name in found for box in boxes_of(name, masks[name], report.phrases.get(name))
        ),
        masks=tuple(
            MaskFile(radiograph=0, label=name, path=layout.mask_path(study_id, name))
            for name in written
            if masks[name].any()
        ),
        severity=tuple(
            Severity(name=lesion.name, value=float(lesion.severity)) for lesion in visit.lesions
        ),
        split=place.split,
        sex=plan.anatomy.sex,
        age_years=float(plan.anatomy.age_years),
        licence=layout.LICENCE,
    )


def boxes_of(label: str, mask: Mask, phrase: str | None) -> tuple[Box, ...]:
    """The rectangle round a mask, with the report's words for it; none round an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return ()
    return (
        Box(
            radiograph=0,
            label=label,
            x1=float(columns[0]),
            y1=float(rows[0]),
            x2=float(columns[-1] + 1),
            y2=float(rows[-1] + 1),
            phrase=phrase,
        ),
    )
