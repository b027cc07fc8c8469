"""The files of PadChest: the names they have, and a phantom cohort written under them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_png, save_table
from carina.phantom.randomness import generator
from carina.study import Assertion, Study

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
IMAGE, FOLDER, STUDY, PATIENT = "ImageID", "ImageDir", "StudyID", "PatientID"
DATE, BIRTH, SEX, VIEW = "StudyDate_DICOM", "PatientBirth", "PatientSex_DICOM", "Projection"
BITS, PHOTOMETRIC = "BitsStored_DICOM", "PhotometricInterpretation_DICOM"
METHOD, LABELS = "MethodLabel", "Labels"
PHYSICIAN, NETWORK = "Physician", "RNN_model"
COLUMNS = (
    *("", IMAGE, FOLDER, DATE, STUDY, PATIENT, BIRTH, SEX),
    *("ViewPosition_DICOM", VIEW, "MethodProjection", "Pediatric", "Modality_DICOM"),
    *("Manufacturer_DICOM", PHOTOMETRIC, "PixelRepresentation_DICOM"),
    *("PixelAspectRatio_DICOM", "SpatialResolution_DICOM", BITS, "WindowCenter_DICOM"),
    *("WindowWidth_DICOM", "Rows_DICOM", "Columns_DICOM", "XRayTubeCurrent_DICOM"),
    *("Exposure_DICOM", "ExposureInuAs_DICOM", "ExposureTime", "RelativeXRayExposure_DICOM"),
    *("ReportID", "Report", METHOD, LABELS, "Localizations", "LabelsLocalizationsBySentence"),
    *("labelCUIS", "LocalizationsCUIS"),
)
"""All of the release, in its order; the first has no name."""

FOLDERS = 55
DEPTHS = (12, 12, 14, 16)
"""Bits of the phantom's pictures, each as often as it stands here."""

INVERTED_SHARE = 0.3
LAST_YEAR = 2017
TERMS: Mapping[str, str] = {
    "bullae": "bullas",
    "cavity": "cavitation",
    "chest tube": "chest drain tube",
    "elevated hemidiaphragm": "hemidiaphragm elevation",
    "fibrosis": "pulmonary fibrosis",
    "interstitial opacity": "interstitial pattern",
    "lung abscess": "abscess",
    "mass": "pulmonary mass",
    "mediastinal widening": "mediastinal enlargement",
    "miliary nodules": "miliary opacities",
    "nasogastric tube": "NSG tube",
    "sternal wires": "sternotomy",
    "tortuous aorta": "aortic elongation",
}
"""What the release calls a finding of the phantom; others have its own name."""

NORMAL = "normal"
REPORT = "informe sintetic ningun pacient ."


def write_padchest(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as the release: 16-bit PNGs in numbered folders, and the table.

    Studies of the test part have a physician's labels, all others those of the network. As
    there, pictures keep the levels of their detector: most use fewer than 16 bits, and some
    have bone low.
    """
    rows: list[dict[str, object]] = []
    for place, (study, picture) in enumerate(cohort.pictures()):
        rng = generator(cohort.seed, study.study_id, "padchest")
        bits, inverted = int(rng.choice(DEPTHS)), bool(rng.random() < INVERTED_SHARE)
        row = row_of(cohort.seed, study, place, bits, inverted=inverted)
        path = out / str(row[FOLDER]) / str(row[IMAGE])
        save_png(deepened(picture, bits, inverted=inverted), path)
        rows.append(row)
    save_table(rows, COLUMNS, out / TABLE)


def deepened(picture: Image.Image, bits: int, *, inverted: bool) -> Image.Image:
    """An 8-bit picture in the levels of a detector, in 16 bits."""
    highest = 2**bits - 1
    levels = np.rint(np.asarray(picture, dtype=np.float64) * highest / 255).astype(np.uint16)
    return Image.fromarray(highest - levels if inverted else levels)


def row_of(seed: int, study: Study, place: int, bits: int, *, inverted: bool) -> dict[str, object]:
    """The row of an image; columns that nobody reads stay empty."""
    there = {item.name for item in study.findings if item.value is Assertion.PRESENT}
    labels = [TERMS.get(name, name) for name in sorted(there)] or [NORMAL]
    radiograph, number = study.radiographs[0], digits(seed, study.study_id, 44)
    return {
        "": place,
        IMAGE: f"{number}_02-{place % 1000:03d}.png",
        FOLDER: place % FOLDERS,
        DATE: f"{LAST_YEAR}0115",
        STUDY: number,
        PATIENT: digits(seed, study.patient_id, 36),
        BIRTH: f"{LAST_YEAR - int(study.age_years or 0)}.0",
        SEX: study.sex,
        VIEW: "AP_horizontal" if radiograph.view == "AP" else radiograph.view,
        "MethodProjection": "Manual review of DICOM fields",
        "Pediatric": "No",
        PHOTOMETRIC: "MONOCHROME1" if inverted else "MONOCHROME2",
        BITS: bits,
        "Rows_DICOM": radiograph.height,
        "Columns_DICOM": radiograph.width,
        "ReportID": f"{4_000_000 + place}.0",
        "Report": REPORT,
        METHOD: PHYSICIAN if study.split == "test" else NETWORK,
        # The release has blanks behind the quotes, and empty names between commas.
        LABELS: str([f" {name}" if i else name for i, name in enumerate(labels)]),
    }


def digits(seed: int, name: str, count: int) -> str:
    """A long number, too long for a float, another one for every name."""
    number = int(hashlib.sha256(f"{seed}/{name}".encode()).hexdigest(), 16)
    return str(number)[:count]
