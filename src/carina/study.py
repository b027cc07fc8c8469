"""What every layer talks about: a study, its radiographs, its report, and what they show."""

from dataclasses import dataclass
from enum import StrEnum


class Assertion(StrEnum):
    """Whether a report, or a reader, says that a finding is there.

    A finding that is not mentioned has no `Assertion`: missing is not absent.
    """

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


class EntityKind(StrEnum):
    """What an entity of a report is, in RadGraph's two kinds."""

    ANATOMY = "anatomy"
    OBSERVATION = "observation"


class Change(StrEnum):
    """How a finding compares with an earlier radiograph.

    A finding of which nothing is said has no `Change`: missing is not unchanged.
    """

    NEW = "new"
    UNCHANGED = "unchanged"
    INCREASED = "increased"
    DECREASED = "decreased"
    RESOLVED = "resolved"


@dataclass(frozen=True, kw_only=True)
class Radiograph:
    """One image of a study.

    `path` is relative to the manifest's root, with forward slashes. `view` is the field's
    word as the source gives it (PA, AP, AP Supine, LATERAL) or None where it is not known.
    `width` and `height` are pixels of the stored image.
    """

    path: str
    view: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A word or phrase of a report that names an observation or a part of the body.

    `name` is the lexicon's standard lower-case term, `text` the words as written, at
    `start:end` (characters of the raw report). `section` is the canonical section name.
    `place` is where an observation is ("left lower lobe"), `severity` its degree or size,
    `change` how it compares with an earlier radiograph.
    """

    name: str
    text: str
    kind: EntityKind
    assertion: Assertion
    start: int
    end: int
    section: str | None = None
    place: str | None = None
    severity: str | None = None
    change: Change | None = None


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """Entity, position, existence: MedKLIP's reading of a report (Wu et al., ICCV 2023)."""

    entity: str
    position: str
    exists: Assertion


@dataclass(frozen=True, kw_only=True)
class Report:
    """The raw text of a report and what `annotate` found in it.

    `text` is "" where a study has no report. `entities`, `triplets` and `distilled` are None
    until the report has been annotated; an annotated report may hold none.
    """

    text: str = ""
    entities: tuple[Entity, ...] | None = None
    triplets: tuple[Triplet, ...] | None = None
    distilled: str | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finding of a study and what was said of it."""

    name: str
    value: Assertion


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle on one radiograph: corners in pixels of the stored image, x right, y down.

    `radiograph` counts the study's radiographs from 0; x2 and y2 lie outside the box.
    """

    radiograph: int
    label: str
    x1: float
    y1: float
    x2: float
    y2: float
    phrase: str | None = None
    reader: str | None = None


@dataclass(frozen=True, kw_only=True)
class Mask:
    """A picture of the size of one radiograph whose pixels above half of 255 belong to `label`."""

    radiograph: int
    label: str
    path: str
    reader: str | None = None


@dataclass(frozen=True, kw_only=True)
class Severity:
    """A score of one reader, such as Brixia (0 to 18) or edema grade (0 to 3)."""

    name: str
    value: float
    reader: str | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """One visit of one patient.

    A finding that is not in `findings` was not mentioned, which is not the same as absent.
    `split` is "train", "validate" or "test", or None where the source has none.
    """

    study_id: str
    patient_id: str
    source: str
    radiographs: tuple[Radiograph, ...]
    report: Report = Report()
    findings: tuple[Finding, ...] = ()
    boxes: tuple[Box, ...] = ()
    masks: tuple[Mask, ...] = ()
    severity: tuple[Severity, ...] = ()
    split: str | None = None
    sex: str | None = None
    age_years: float | None = None
    licence: str | None = None
