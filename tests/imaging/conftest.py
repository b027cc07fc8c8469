"""Makers of small files in every form that a radiograph comes in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

MakeDicom = Callable[..., Path]


@pytest.fixture
def gradient() -> NDArray[np.uint16]:
    """A smooth 12 bit picture, 48 x 40, that runs from 0 to 4095."""
    y, x = np.mgrid[:48, :40].astype(np.float64)
    picture = x / 39 * 2000 + y / 47 * 2095
    return np.rint(picture).astype(np.uint16)


@pytest.fixture
def make_dicom(tmp_path: Path) -> MakeDicom:
    """Writes a radiograph as DICOM: `make_dicom(pixels, syntax=..., WindowCenter=...)`."""

    def make(
        pixels: NDArray[Any],
        *,
        bits: int = 12,
        syntax: str = ExplicitVRLittleEndian,
        encode: Callable[[Dataset], None] | None = None,
        stream: bytes | None = None,
        name: str = "chest.dcm",
        **elements: Any,
    ) -> Path:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = syntax if encode is None else ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset(
            tmp_path / name,
            {},
            file_meta=meta,
            preamble=b"\0" * 128,
            is_implicit_VR=syntax == ImplicitVRLittleEndian,
            is_little_endian=syntax != ExplicitVRBigEndian,
        )
        dataset.SOPClassUID = meta.MediaStorageSOPClassUID
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.Modality = "DX"
        dataset.Rows, dataset.Columns = pixels.shape[-2:]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = pixels.dtype.itemsize * 8
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
        if stream is not None:
            dataset.PixelData = encapsulate([stream])
            dataset["PixelData"].is_undefined_length = True
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        if encode is not None:
            encode(dataset)
        dataset.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return make


class BitWriter:
    """Writes bits, most significant first, with the byte stuffing of JPEG."""

    def __init__(self) -> None:
        self.bits: list[str] = []

    def write(self, value: int, count: int) -> None:
        if count:
            self.bits.append(format(value, f"0{count}b"))

    def category(self, difference: int) -> None:
        """A Huffman code of 5 bits for the category, then its bits."""
        size = abs(difference).bit_length()
        self.write(size, 5)
        self.write(difference if difference >= 0 else difference + (1 << size) - 1, size)

    def bytes(self) -> bytes:
        text = "".join(self.bits)
        text += "1" * (-len(text) % 8)
        raw = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
        return raw.replace(b"\xff", b"\xff\x00")


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def huffman_table(place: int, symbols: bytes) -> bytes:
    """A table in which every symbol has a code of 5 bits."""
    lengths = bytes([0, 0, 0, 0, len(symbols)] + [0] * 11)
    return segment(0xC4, bytes([place]) + lengths + symbols)


def jpeg(frame: int, bits: int, shape: tuple[int, int], tables: bytes, scan: bytes) -> bytes:
    height, width = shape
    body = bytes([bits]) + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8" + tables + segment(frame, body + bytes([1, 1, 0x11, 0])) + scan + b"\xff\xd9"


@pytest.fixture
def lossless_jpeg() -> Callable[[NDArray[np.uint16], int], bytes]:
    """JPEG lossless, process 14, each pixel predicted by its left neighbour (ITU T.81, H.1.2)."""

    def encode(pixels: NDArray[np.uint16], bits: int) -> bytes:
        values = pixels.astype(int)
        predicted = np.empty_like(values)
        predicted[:, 1:] = values[:, :-1]
        predicted[1:, 0] = values[:-1, 0]
        predicted[0, 0] = 1 << (bits - 1)
        writer = BitWriter()
        for difference in (values - predicted).ravel():
            writer.category(int(difference))
        table = huffman_table(0, bytes(range(17)))
        scan = segment(0xDA, bytes([1, 1, 0, 1, 0, 0])) + writer.bytes()
        return jpeg(0xC3, bits, pixels.shape, table, scan)

    return encode


@pytest.fixture
def extended_jpeg() -> Callable[[NDArray[np.uint16]], bytes]:
    """JPEG extended, 12 bit, of one value for every block of 8 x 8: exact (ITU T.81, F.1)."""

    def encode(blocks: NDArray[np.uint16]) -> bytes:
        writer, before = BitWriter(), 0
        for value in blocks.astype(int).ravel():
            constant = 8 * (int(value) - 2048)
            writer.category(constant - before)
            writer.write(0, 5)  # end of block
            before = constant
        quantisation = segment(0xDB, bytes([0]) + bytes([1] * 64))
        tables = huffman_table(0, bytes(range(17))) + huffman_table(0x10, bytes([0]))
        scan = segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + writer.bytes()
        shape = (blocks.shape[0] * 8, blocks.shape[1] * 8)
        return jpeg(0xC1, 12, shape, quantisation + tables, scan)

    return encode
