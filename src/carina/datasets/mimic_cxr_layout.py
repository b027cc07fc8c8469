"""Writes a phantom cohort as the two downloads of MIMIC-CXR."""

import hashlib
import textwrap
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_jpeg, save_table
from carina.datasets.mimic_cxr_tables import IMAGE, LABELS, STUDY, SUBJECT
from carina.phantom.randomness import generator
from carina.report.entities import RuleExtractor
from carina.report.findings import chexpert_labels
from carina.report.lexicon import Lexicon
from carina.study import Assertion, Study

IMAGES_ROOT, REPORTS_ROOT = "mimic-cxr-jpg", "mimic-cxr"
METADATA_COLUMNS = (
    *(IMAGE, SUBJECT, STUDY, "PerformedProcedureStepDescription", "ViewPosition"),
    *("Rows", "Columns", "StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning"),
    *("ViewCodeSequence_CodeMeaning", "PatientOrientationCodeSequence_CodeMeaning"),
)
SPLIT_COLUMNS = (IMAGE, STUDY, SUBJECT, "split")
LABEL_VALUES = {Assertion.PRESENT: "1.0", Assertion.ABSENT: "0.0", Assertion.UNCERTAIN: "-1.0"}
VIEWS = {"PA": "postero-anterior", "AP": "antero-posterior"}
SEVEN_DIGITS = 9_999_991  # the largest prime of seven digits: steps through it meet no id twice
STRIDE = 1_234_577
REPEATED, SILENT, UNTOLD_VIEW = 0.3, 0.02, 0.04
ZIP_DATE = (2000, 1, 1, 0, 0, 0)

Row = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Named:
    """A study under ids of the form that the release has."""

    study: Study
    subject_id: str
    study_id: str

    @property
    def folder(self) -> str:
        """Where its images lie; the report lies beside, with ".txt" after it."""
        return f"files/p{self.subject_id[:2]}/p{self.subject_id}/s{self.study_id}"


def write_mimic_cxr(cohort: DrawnCohort, out: Path) -> None:
    """Writes images, reports and tables into `mimic-cxr-jpg` and `mimic-cxr` below `out`.

    As in the release, labels come from the reports, by rules; a study may have a second
    exposure; an odd one has no report or an image without a view. There are no lateral views.
    """
    named = {each.study.study_id: each for each in name_studies(cohort.studies)}
    images: list[Row] = []
    for study, picture in cohort.pictures():
        images += write_images(cohort, named[study.study_id], picture, out / IMAGES_ROOT)
    write_tables(images, tuple(named.values()), out / IMAGES_ROOT)
    reported = [each for each in named.values() if has_report(cohort, each)]
    write_reports(reported, out / REPORTS_ROOT / "mimic-cxr-reports.zip")
    write_lists(images, reported, out / REPORTS_ROOT)


def name_studies(studies: Sequence[Study]) -> Iterator[Named]:
    """Gives patients and studies eight-digit ids, spread over the folders p10 to p19."""
    patients = dict.fromkeys(study.patient_id for study in studies)
    subjects = {name: f"{10_000_000 + number(place)}" for place, name in enumerate(patients)}
    for place, study in enumerate(studies):
        yield Named(
            study=study,
            subject_id=subjects[study.patient_id],
            study_id=f"{50_000_000 + number(place)}",
        )


def number(place: int) -> int:
    """A number of up to seven digits, another one for every place."""
    return (place + 1) * STRIDE % SEVEN_DIGITS


def write_images(cohort: DrawnCohort, named: Named, picture: Image.Image, root: Path) -> list[Row]:
    """Writes one exposure of a study, or two, and gives their rows of the metadata."""
    rng = generator(cohort.seed, named.study.study_id, "mimic-cxr images")
    pictures = [picture]
    if rng.random() < REPEATED:
        darker = rng.uniform(0.85, 0.95)
        pictures.append(picture.point([round(level * darker) for level in range(256)]))
    rows = []
    for place, each in enumerate(pictures):
        name = image_name(cohort.seed, named.study.study_id, place)
        save_jpeg(each, root / named.folder / f"{name}.jpg")
        view = "" if rng.random() < UNTOLD_VIEW else named.study.radiographs[0].view or ""
        rows.append(metadata_row(named, name, view, each.size, place))
    return rows


def image_name(seed: int, study_id: str, place: int) -> str:
    """Five groups of eight hex digits."""
    digits = hashlib.sha256(f"{seed}/{study_id}/{place}".encode()).hexdigest()
    return "-".join(digits[i : i + 8] for i in range(0, 40, 8))


def metadata_row(named: Named, name: str, view: str, size: tuple[int, int], place: int) -> Row:
    """One row of the metadata; the dates are shifted into another century, as there."""
    visit = int(named.study.study_id.rsplit("-", 1)[1])
    return {
        IMAGE: name,
        SUBJECT: named.subject_id,
        STUDY: named.study_id,
        "PerformedProcedureStepDescription": "CHEST (SYNTHETIC PHANTOM)",
        "ViewPosition": view,
        "Rows": size[1],
        "Columns": size[0],
        "StudyDate": f"{2150 + visit}0{1 + int(named.study_id) % 9}15",
        "StudyTime": f"{80_000 + int(named.study_id) % 99 * 100 + place}.25",
        "ProcedureCodeSequence_CodeMeaning": "CHEST (SYNTHETIC PHANTOM)",
        "ViewCodeSequence_CodeMeaning": VIEWS.get(view, ""),
        "PatientOrientationCodeSequence_CodeMeaning": "Erect" if view == "PA" else "",
        "split": named.study.split,
        "path": f"{named.folder}/{name}.dcm",
    }


def write_tables(images: list[Row], named: Sequence[Named], root: Path) -> None:
    """Writes metadata, split and the tables of the two labelers."""
    start = root / "mimic-cxr-2.0.0-"
    save_table(chosen(images, METADATA_COLUMNS), METADATA_COLUMNS, Path(f"{start}metadata.csv.gz"))
    save_table(chosen(images, SPLIT_COLUMNS), SPLIT_COLUMNS, Path(f"{start}split.csv.gz"))
    labels = label_rows(named)
    for labeler in ("chexpert", "negbio"):
        columns = (SUBJECT, STUDY, *LABELS)
        save_table(labels, columns, Path(f"{start}{labeler}.csv.gz"))


def chosen(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """The rows with these columns only."""
    return [{name: row[name] for name in columns} for row in rows]


def label_rows(named: Iterable[Named]) -> list[Row]:
    """The 14 labels, those of them that each report speaks of."""
    rules = RuleExtractor(Lexicon.default())
    rows: list[Row] = []
    for each in named:
        labels = chexpert_labels(rules.extract(each.study.report.text))
        told = {name: LABEL_VALUES[value] for name, value in labels.items()}
        rows.append({SUBJECT: each.subject_id, STUDY: each.study_id, **told})
    return rows


def has_report(cohort: DrawnCohort, named: Named) -> bool:
    """False for an odd study, so that what comes after meets studies without text."""
    return bool(generator(cohort.seed, named.study.study_id, "mimic-cxr report").random() > SILENT)


def write_reports(named: Sequence[Named], path: Path) -> None:
    """Writes the archive of reports; the same studies give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in named:
            entry = zipfile.ZipInfo(f"{each.folder}.txt", ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, typed(each.study.report.text))


def typed(text: str) -> str:
    """A report as the release has it: a title far right, short lines with a blank before each."""
    lines = [line for each in text.split("\n") for line in textwrap.wrap(each, 78) or [""]]
    return "".join(f" {line}\n" for line in (f"{'FINAL REPORT':>44}", *lines))


def write_lists(images: list[Row], reported: Sequence[Named], root: Path) -> None:
    """Writes the lists of records and of reports."""
    columns = (SUBJECT, STUDY, IMAGE, "path")
    save_table(chosen(images, columns), columns, root / "cxr-record-list.csv.gz")
    reports = [
        {SUBJECT: each.subject_id, STUDY: each.study_id, "path": f"{each.folder}.txt"}
        for each in reported
    ]
    save_table(reports, (SUBJECT, STUDY, "path"), root / "cxr-study-list.csv.gz")
