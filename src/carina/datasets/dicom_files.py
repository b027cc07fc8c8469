"""DICOM files of releases: who was imaged, and a synthetic one for writers of layouts.

The DICOM library is imported when a file is read or written: it takes longer than a picture.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from carina.datasets.cells import age_of, sex_of
from carina.phantom.layout import NOTICE
from carina.study import Study

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
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
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = COMPUTED_RADIOGRAPHY
    meta.MediaStorageSOPInstanceUID = image_uid
    meta.TransferSyntaxUID = JPEG_BASELINE
    found = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = COMPUTED_RADIOGRAPHY, image_uid
    found.StudyInstanceUID, found.SeriesInstanceUID = study_uid, series_uid
    found.PatientName, found.PatientID = "SYNTHETIC^PHANTOM", patient_id
    found.PatientSex, found.PatientAge = study.sex, f"{int(study.age_years or 0):03d}Y"
    found.Modality, found.BodyPartExamined = "CR", "CHEST"
    found.ViewPosition = study.radiographs[0].view
    found.ImageComments = NOTICE
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.Columns, found.Rows = picture.size
    found.BitsAllocated, found.BitsStored, found.HighBit = 8, 8, 7
    found.PixelRepresentation, found.LossyImageCompression = 0, LESSENED
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=JPEG_QUALITY)
    found.PixelData = encapsulate([packed.getvalue()])
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path, enforce_file_format=True)
