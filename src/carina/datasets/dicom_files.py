"""DICOM files of releases: who was imaged, and a synthetic one for writers of layouts.

The DICOM library is imported when a file is read or written: it takes longer than a picture.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt16
from PIL import Image

from carina.datasets.cells import age_of, sex_of
from carina.phantom.layout import NOTICE
from carina.study import Study

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_QUALITY = 95
LESSENED = "01"
"""LossyImageCompression: the pixels have been through a lossy codec."""

_TAGS = ["PatientID", "PatientSex", "PatientAge"]


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What a file says of its patient; None where it is silent."""

    patient_id: str | None = None
    sex: str | None = None
    age_years: float | None = None


def patient_in(path: Path) -> Patient:
    """Reads who was imaged; nothing is known of a file that is no DICOM file or is damaged."""
    import pydicom

    try:
        with warnings.catch_warnings(action="ignore"):  # they quote values, which may be names
            found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
            told = [str(found.get(tag) or "").strip() for tag in _TAGS]
    except Exception:  # whatever a damaged file does to the library: `check` names such files
        return Patient()
    return Patient(patient_id=told[0] or None, sex=sex_of(told[1]), age_years=age_of(told[2]))


def save_dicom(
    picture: Image.Image,
    path: Path,
    study: Study,
    *,
    patient_id: str,
    study_uid: str,
    series_uid: str,
    image_uid: str,
) -> None:
    """Writes an 8-bit grey picture as a computed radiograph in JPEG baseline, marked synthetic."""
    from pydicom.encaps import encapsulate

    found = _radiograph(path, study, image_uid, JPEG_BASELINE)
    found.StudyInstanceUID, found.SeriesInstanceUID = study_uid, series_uid
    found.PatientID = patient_id
    found.PhotometricInterpretation = "MONOCHROME2"
    found.Columns, found.Rows = picture.size
    found.BitsAllocated, found.BitsStored, found.HighBit = 8, 8, 7
    found.LossyImageCompression = LESSENED
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=JPEG_QUALITY)
    found.PixelData = encapsulate([packed.getvalue()])
    found.save_as(path, enforce_file_format=True)


def save_deep_dicom(
    levels: UInt16[np.ndarray, "height width"],
    path: Path,
    study: Study,
    *,
    bits: int,
    inverted: bool,
    image_uid: str,
) -> None:
    """Writes levels of `bits` bits, not compressed, as a computed radiograph without a patient.

    Args:
        levels: as they are stored; low where bone is if `inverted` (MONOCHROME1).
        path: the file.
        study: sex, age and view.
        bits: how many of 16 are used.
        inverted: says MONOCHROME1.
        image_uid: of the image.
    """
    found = _radiograph(path, study, image_uid, EXPLICIT_LITTLE_ENDIAN)
    found.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    found.Rows, found.Columns = levels.shape
    found.BitsAllocated, found.BitsStored, found.HighBit = 16, bits, bits - 1
    found.WindowCenter, found.WindowWidth = str(2 ** (bits - 1)), str(2**bits)
    found.PixelData = levels.astype("<u2").tobytes()
    found.save_as(path, enforce_file_format=True)


def _radiograph(path: Path, study: Study, image_uid: str, syntax: str) -> "FileDataset":
    """A synthetic computed radiograph on its way: all but the identifiers and the pixels."""
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = COMPUTED_RADIOGRAPHY
    meta.MediaStorageSOPInstanceUID = image_uid
    meta.TransferSyntaxUID = syntax
    found = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = COMPUTED_RADIOGRAPHY, image_uid
    found.PatientName = "SYNTHETIC^PHANTOM"
    found.PatientSex, found.PatientAge = study.sex, f"{int(study.age_years or 0):03d}Y"
    found.Modality, found.BodyPartExamined = "CR", "CHEST"
    found.ViewPosition = study.radiographs[0].view
    found.ImageComments = NOTICE
    found.SamplesPerPixel, found.PixelRepresentation = 1, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    return found
