"""Writes a phantom as a DICOM file that says of itself that it is synthetic."""

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from carina.files import atomic_path
from carina.phantom.drawing import PhantomStudy
from carina.phantom.layout import NOTICE
from carina.phantom.randomness import generator

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DIGITAL_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1.1"
DETECTOR_MM = 430.0
BITS = 12
DATE = "20000101"


def write_dicom(drawn: PhantomStudy, path: Path, seed: int) -> None:
    """Writes 12-bit pixels, at times as MONOCHROME1, under CR (bedside) or DX (upright).

    Args:
        drawn: the study.
        path: the file; replaced when whole.
        seed: the cohort's seed, from which identifiers and the kind of file are drawn.
    """
    rng = generator(seed, drawn.study.study_id, "dicom")
    bedside = drawn.visit.bedside
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = COMPUTED_RADIOGRAPHY if bedside else DIGITAL_RADIOGRAPHY
    meta.MediaStorageSOPInstanceUID = uid(seed, drawn.study.study_id, "image")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    identify(dataset, drawn, seed)
    describe_exposure(dataset, drawn)
    put_pixels(dataset, drawn, inverted=bool(rng.random() < 0.2))
    with atomic_path(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def uid(seed: int, *names: str) -> str:
    """A unique identifier under the root that is free for anyone (2.25)."""
    digest = hashlib.sha256("/".join((str(seed), *names)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def identify(dataset: Dataset, drawn: PhantomStudy, seed: int) -> None:
    """Patient, study, series and image, all marked as made up."""
    study = drawn.study
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = uid(seed, study.study_id, "study")
    dataset.SeriesInstanceUID = uid(seed, study.study_id, "series")
    dataset.PatientName = "SYNTHETIC^PHANTOM"
    dataset.PatientID = study.patient_id
    dataset.PatientSex = study.sex
    dataset.PatientAge = f"{int(study.age_years or 0):03d}Y"
    dataset.PatientBirthDate = ""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Synthetic: no person was imaged"
    dataset.StudyID = study.study_id[-16:]
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = DATE
    dataset.StudyTime = dataset.ContentTime = "000000"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.StudyDescription = "SYNTHETIC chest phantom"
    dataset.ImageComments = NOTICE
    dataset.Manufacturer = "carina phantom"
    dataset.ImageType = ["DERIVED", "SECONDARY"]


def describe_exposure(dataset: Dataset, drawn: PhantomStudy) -> None:
    """Modality, view and pixel size."""
    radiograph = drawn.study.radiographs[0]
    dataset.Modality = "CR" if drawn.visit.bedside else "DX"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = radiograph.view
    dataset.ConversionType = "SYN"
    dataset.PatientOrientation = ["L", "F"]
    dataset.ImagerPixelSpacing = [round(DETECTOR_MM / drawn.image.shape[0], 6)] * 2
    if not drawn.visit.bedside:
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.PixelIntensityRelationship = "LOG"
        dataset.PixelIntensityRelationshipSign = 1
        dataset.ImageLaterality = "U"
        dataset.BurnedInAnnotation = "NO"
        dataset.LossyImageCompression = "00"
        dataset.PresentationLUTShape = "IDENTITY"


def put_pixels(dataset: Dataset, drawn: PhantomStudy, *, inverted: bool) -> None:
    """Twelve bits in sixteen; MONOCHROME1 stores bone low."""
    highest = 2**BITS - 1
    pixels = np.rint(drawn.image.astype(np.float64) * highest / 255).astype("<u2")
    if inverted:
        pixels = (highest - pixels).astype("<u2")
        if not drawn.visit.bedside:
            dataset.PresentationLUTShape = "INVERSE"
            dataset.PixelIntensityRelationshipSign = -1
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, BITS, BITS - 1
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.WindowCenter, dataset.WindowWidth = str(2 ** (BITS - 1)), str(2**BITS)
    dataset.PixelData = pixels.tobytes()
