"""What may be asked about: files, folders, arrays."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from carina.errors import RadiographError
from carina.zeroshot.images import checked_pixels, gather_images, read_pixels


def write_png(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)).save(path, "PNG")
    return path


def write_dicom(path: Path, view: str) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    film = pydicom.Dataset()
    film.file_meta = meta
    film.SOPClassUID = DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID = "1.2.3"
    film.Modality = "DX"
    film.ViewPosition = view
    film.Rows, film.Columns, film.SamplesPerPixel = 24, 32, 1
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 8, 8, 7, 0
    film.PhotometricInterpretation = "MONOCHROME2"
    film.PixelData = bytes(range(256)) * 3
    pydicom.dcmwrite(path, film, enforce_file_format=True)
    return path


def test_a_folder_gives_its_images_in_order_and_nothing_else(tmp_path: Path) -> None:
    second = write_png(tmp_path / "b.PNG")
    first = write_png(tmp_path / "a" / "z.jpeg")
    bare = write_dicom(tmp_path / "IM0001", "PA")
    uid = write_dicom(tmp_path / "1.2.840.5", "PA")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "README").write_text("no image either")
    write_png(tmp_path / ".hidden.png")
    write_png(tmp_path / ".cache" / "c.png")
    assert gather_images([tmp_path]) == (uid, bare, first, second)


def test_a_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    assert gather_images([str(tmp_path / "film.xyz")]) == (tmp_path / "film.xyz",)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(RadiographError, match=f"{re.escape(str(tmp_path))}: holds no image"):
        gather_images([tmp_path])


def test_no_image_at_all_is_refused() -> None:
    with pytest.raises(RadiographError, match="No image was given"):
        gather_images([])


def test_a_lateral_view_is_refused_and_a_frontal_one_read(tmp_path: Path) -> None:
    with pytest.raises(RadiographError, match="lateral view"):
        read_pixels(write_dicom(tmp_path / "side.dcm", "LL"))
    assert read_pixels(write_dicom(tmp_path / "front.dcm", "PA")).shape == (24, 32)


def test_eight_bit_arrays_are_divided_by_255() -> None:
    pixels = checked_pixels(np.array([[0, 51, 255]], np.uint8))
    assert pixels.dtype == np.float32
    assert pixels.tolist() == [[0.0, pytest.approx(0.2), 1.0]]


def test_float_arrays_are_taken_as_they_are() -> None:
    given = np.array([[0.0, 0.25, 1.0]])
    assert read_pixels(given).tolist() == given.tolist()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4, 5), np.float32), r"shape \(3, 4, 5\), expected \(height, width\)"),
        (np.zeros((0, 5), np.float32), r"shape \(0, 5\)"),
        (np.zeros((4, 5), np.int16), "holds int16, expected uint8 or floats"),
        (np.full((4, 5), 2.0), r"values from 2 to 2, expected \[0, 1\]"),
        (np.full((4, 5), -0.1), "values from -0.1"),
        (np.full((4, 5), np.nan), "values from nan"),
    ],
)
def test_arrays_that_are_no_grey_picture_are_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(RadiographError, match=message):
        checked_pixels(array)
