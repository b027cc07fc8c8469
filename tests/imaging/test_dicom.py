"""DICOM: every transfer syntax, the grey chain by hand, and what is no radiograph."""

import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.decoders import JPEGLSLosslessDecoder
from pydicom.sequence import Sequence
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from carina.errors import RadiographError
from carina.imaging.dicom_grey import _tell_once
from carina.imaging.reader import FileKind, probe, read_grey8, read_radiograph, require_frontal

MakeDicom = Callable[..., Path]
Gradient = NDArray[np.uint16]


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_uncompressed_files_are_read_in_every_byte_order(
    make_dicom: MakeDicom, gradient: Gradient, syntax: str
) -> None:
    image = read_radiograph(make_dicom(gradient, syntax=syntax))
    np.testing.assert_allclose(image, gradient / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_lossless_syntaxes_give_the_pixels_that_were_stored(
    make_dicom: MakeDicom, gradient: Gradient, syntax: str
) -> None:
    def encode(dataset: Dataset) -> None:
        dataset.compress(syntax)

    path = make_dicom(gradient, syntax=syntax, encode=encode)
    assert dcmread(path).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_allclose(read_radiograph(path), gradient / 4095, atol=1e-6)


def test_near_lossless_jpeg_ls_stays_within_its_error(
    make_dicom: MakeDicom, gradient: Gradient
) -> None:
    def encode(dataset: Dataset) -> None:
        dataset.compress(JPEGLSNearLossless, jls_error=3)

    image = read_radiograph(make_dicom(gradient, encode=encode))
    assert 0 < np.abs(image * 4095 - gradient).max() <= 3.01


def test_jpeg_lossless_gives_the_pixels_that_were_stored(
    make_dicom: MakeDicom, gradient: Gradient, lossless_jpeg: Callable[..., bytes]
) -> None:
    stream = lossless_jpeg(gradient, 12)
    image = read_radiograph(make_dicom(gradient, syntax=JPEGLosslessSV1, stream=stream))
    np.testing.assert_allclose(image, gradient / 4095, atol=1e-6)


def test_jpeg_extended_keeps_all_twelve_bits(
    make_dicom: MakeDicom, gradient: Gradient, extended_jpeg: Callable[..., bytes]
) -> None:
    blocks = gradient[::8, ::8]
    picture = blocks.repeat(8, 0).repeat(8, 1)
    path = make_dicom(picture, syntax=JPEGExtended12Bit, stream=extended_jpeg(blocks))
    np.testing.assert_allclose(read_radiograph(path), picture / 4095, atol=1.01 / 4095)


def test_jpeg_baseline_is_read(make_dicom: MakeDicom, gradient: Gradient) -> None:
    grey = (gradient >> 4).astype(np.uint8)
    handle = io.BytesIO()
    Image.fromarray(grey).save(handle, format="JPEG", quality=95)
    path = make_dicom(grey, bits=8, syntax=JPEGBaseline8Bit, stream=handle.getvalue())
    assert np.abs(read_radiograph(path) * 255 - grey).max() <= 3


def test_range_follows_from_bits_stored_and_not_from_the_brightest_pixel(
    make_dicom: MakeDicom,
) -> None:
    dark = np.full((20, 20), 1023, dtype=np.uint16)
    assert read_radiograph(make_dicom(dark, bits=12)).max() == pytest.approx(1023 / 4095)
    assert read_radiograph(make_dicom(dark, bits=10)).max() == 1


def three_values(make: MakeDicom, values: tuple[int, int, int], **elements: Any) -> list[float]:
    """Grey of three stored values."""
    pixels = np.tile(np.array(values, dtype=elements.pop("kind", np.uint16))[:, None], (8, 24))
    image = read_radiograph(make(pixels, **elements))
    return [float(value) for value in image[:3, 0]]


def test_monochrome1_is_inverted_so_that_bone_is_bright(make_dicom: MakeDicom) -> None:
    grey = three_values(make_dicom, (0, 1365, 4095), PhotometricInterpretation="MONOCHROME1")
    assert grey == pytest.approx([1, 2 / 3, 0], abs=1e-6)


def test_signed_pixels_use_the_whole_range(make_dicom: MakeDicom) -> None:
    grey = three_values(make_dicom, (-2048, 0, 2047), kind=np.int16)
    assert grey == pytest.approx([0, 2048 / 4095, 1], abs=1e-6)


def test_overlay_bits_above_bits_stored_are_cut_off(make_dicom: MakeDicom) -> None:
    # Bit 15 marks an overlay in old files; the picture's own value is 7.
    grey = three_values(make_dicom, (0x8007, 7, 0x7007))
    assert grey == pytest.approx([7 / 4095] * 3, abs=1e-6)


def test_bits_at_the_top_of_a_word_are_shifted_down(make_dicom: MakeDicom) -> None:
    # HighBit 15: 12 bits in the upper part of 16, as old files have them.
    left = (0 << 4, 1365 << 4, 4095 << 4)
    assert three_values(make_dicom, left, HighBit=15) == pytest.approx([0, 1 / 3, 1], abs=1e-6)
    signed = (-2048 << 4, 0, 2047 << 4)
    grey = three_values(make_dicom, signed, kind=np.int16, HighBit=15)
    assert grey == pytest.approx([0, 2048 / 4095, 1], abs=1e-6)


def test_a_high_bit_that_the_pixels_do_not_bear_out_is_passed_over(make_dicom: MakeDicom) -> None:
    grey = three_values(make_dicom, (0, 1365, 4095), HighBit=15)
    assert grey == pytest.approx([0, 1 / 3, 1], abs=1e-6)


def test_a_high_bit_that_fits_no_reading_is_refused(make_dicom: MakeDicom) -> None:
    with pytest.raises(RadiographError, match=r"HighBit is 15 and BitsStored 12, but the pixels"):
        three_values(make_dicom, (1, 1365, 4095 << 4), HighBit=15)


def test_linear_window_equals_the_standards_formula(make_dicom: MakeDicom) -> None:
    # PS3.3 C.11.2.1.2.1 with centre 1001, width 1001: (x - 1000.5) / 1000 + 0.5.
    grey = three_values(make_dicom, (500, 1000, 1501), WindowCenter=1001, WindowWidth=1001)
    assert grey == pytest.approx([0, 0.4995, 1], abs=1e-6)


def test_exact_window_equals_the_standards_formula(make_dicom: MakeDicom) -> None:
    # (x - 1000) / 1000 + 0.5
    grey = three_values(
        make_dicom,
        (500, 1100, 1500),
        WindowCenter=1000,
        WindowWidth=1000,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert grey == pytest.approx([0, 0.6, 1], abs=1e-6)


def test_sigmoid_window_equals_the_standards_formula(make_dicom: MakeDicom) -> None:
    # 1 / (1 + exp(-4 (x - 1000) / 1000)) at 0, 1000 and 1250: exp(4), 1 and exp(-1).
    grey = three_values(
        make_dicom,
        (0, 1000, 1250),
        WindowCenter=1000,
        WindowWidth=1000,
        VOILUTFunction="SIGMOID",
    )
    assert grey == pytest.approx([0.0179862, 0.5, 0.7310586], abs=1e-6)


def test_first_of_several_windows_is_used(make_dicom: MakeDicom) -> None:
    grey = three_values(
        make_dicom, (0, 50, 100), WindowCenter=[50.5, 2000], WindowWidth=[101, 4000]
    )
    assert grey == pytest.approx([0, 0.5, 1], abs=1e-6)


def test_window_applies_after_the_rescale(make_dicom: MakeDicom) -> None:
    # 2 x - 1000: stored 500, 1000, 1500 become 0, 1000, 2000.
    grey = three_values(
        make_dicom,
        (500, 1000, 1500),
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=1000,
        WindowWidth=2000,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert grey == pytest.approx([0, 0.5, 1], abs=1e-6)


def test_negative_rescale_slope_reverses_the_range(make_dicom: MakeDicom) -> None:
    grey = three_values(make_dicom, (0, 1365, 4095), RescaleSlope=-1, RescaleIntercept=0)
    assert grey == pytest.approx([1, 2 / 3, 0], abs=1e-6)


def test_window_of_width_zero_is_passed_over(make_dicom: MakeDicom) -> None:
    grey = three_values(make_dicom, (0, 1365, 4095), WindowCenter=0, WindowWidth=0)
    assert grey == pytest.approx([0, 1 / 3, 1], abs=1e-6)


@pytest.mark.parametrize(("centre", "width"), [("nan", 100), ("inf", 100), (2000, "inf")])
def test_a_window_that_is_no_number_is_passed_over_and_told_once(
    make_dicom: MakeDicom, caplog: pytest.LogCaptureFixture, centre: object, width: object
) -> None:
    _tell_once.cache_clear()
    for _ in range(2):
        grey = three_values(make_dicom, (0, 1365, 4095), WindowCenter=centre, WindowWidth=width)
        assert grey == pytest.approx([0, 1 / 3, 1], abs=1e-6)
    assert [r.getMessage() for r in caplog.records if r.name.startswith("carina")] == [
        "some windows are of no width, or no numbers; the whole range is shown there"
    ]


def test_a_window_function_that_is_not_known_counts_as_linear_and_is_told(
    make_dicom: MakeDicom, caplog: pytest.LogCaptureFixture
) -> None:
    _tell_once.cache_clear()
    window = {"WindowCenter": 1001, "WindowWidth": 1001}
    linear = three_values(make_dicom, (500, 1000, 1501), **window)
    assert three_values(make_dicom, (500, 1000, 1501), **window, VOILUTFunction="LOG") == linear
    assert "count as LINEAR" in caplog.text


def test_an_inverting_presentation_inverts_once(make_dicom: MakeDicom) -> None:
    # PS3.3 C.8.11.3.1.2: INVERSE belongs to MONOCHROME1, where it says the same once more.
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        grey = three_values(
            make_dicom,
            (0, 1365, 4095),
            PhotometricInterpretation=photometric,
            PresentationLUTShape="INVERSE",
        )
        assert grey == pytest.approx([1, 2 / 3, 0], abs=1e-6)
    grey = three_values(make_dicom, (0, 1365, 4095), PresentationLUTShape="IDENTITY")
    assert grey == pytest.approx([0, 1 / 3, 1], abs=1e-6)


def lookup_table(descriptor: list[int], data: list[int]) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "US", data)
    item.add_new("ModalityLUTType", "LO", "US")
    return item


def test_voi_table_goes_before_a_window(make_dicom: MakeDicom) -> None:
    table = lookup_table([4, 100, 8], [0, 51, 102, 255])
    grey = three_values(
        make_dicom,
        (0, 101, 4000),
        VOILUTSequence=Sequence([table]),
        WindowCenter=1,
        WindowWidth=2,
    )
    assert grey == pytest.approx([0, 0.2, 1], abs=1e-6)


def test_modality_table_goes_before_the_window(make_dicom: MakeDicom) -> None:
    table = lookup_table([3, 10, 12], [4000, 3000, 2000])
    grey = three_values(
        make_dicom,
        (10, 11, 12),
        ModalityLUTSequence=Sequence([table]),
        WindowCenter=3000,
        WindowWidth=2000,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert grey == pytest.approx([1, 0.5, 0], abs=1e-6)


def test_padding_is_black_on_both_photometric_interpretations(make_dicom: MakeDicom) -> None:
    for photometric, rest in (("MONOCHROME1", 1 - 100 / 4095), ("MONOCHROME2", 100 / 4095)):
        grey = three_values(
            make_dicom,
            (4095, 0, 100),
            PixelPaddingValue=4095,
            PhotometricInterpretation=photometric,
        )
        assert grey[0] == 0
        assert grey[2] == pytest.approx(rest, abs=1e-6)


def test_padding_of_signed_pixels_may_have_lost_its_sign(make_dicom: MakeDicom) -> None:
    def forget_sign(dataset: Dataset) -> None:
        dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)

    pixels = np.full((20, 20), 100, np.int16)
    pixels[0] = -2000
    image = read_radiograph(make_dicom(pixels, encode=forget_sign))
    assert image[0].max() == 0
    assert image[1].min() == pytest.approx(2148 / 4095, abs=1e-6)


def test_grey8_is_the_rounded_radiograph(make_dicom: MakeDicom, gradient: Gradient) -> None:
    path = make_dicom(gradient, WindowCenter=1500, WindowWidth=1000)
    np.testing.assert_array_equal(read_grey8(path), np.rint(read_radiograph(path) * 255))


def test_probe_gives_size_and_view_without_pixels(
    make_dicom: MakeDicom, gradient: Gradient
) -> None:
    header = probe(make_dicom(gradient, ViewPosition="AP"))
    assert (header.width, header.height) == (40, 48)
    assert (header.view, header.kind) == ("AP", FileKind.DICOM)


@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "LL"}, "LATERAL"),
        ({"ViewPosition": "", "PatientOrientation": ["A", "F"]}, "LATERAL"),
        ({"PatientOrientation": ["L", "F"]}, None),
        ({"SeriesDescription": "CHEST LAT."}, "LATERAL"),
        ({"SeriesDescription": "view: PA"}, "PA"),
        ({"SeriesDescription": "W033 Thorax platinum"}, None),
        ({}, None),
    ],
)
def test_view_is_taken_from_what_the_file_says(
    make_dicom: MakeDicom, gradient: Gradient, elements: dict[str, Any], view: str | None
) -> None:
    assert probe(make_dicom(gradient, **elements)).view == view


def test_lateral_view_is_refused_where_frontal_is_asked(
    make_dicom: MakeDicom, gradient: Gradient
) -> None:
    lateral = make_dicom(gradient, ViewPosition="LL")
    with pytest.raises(RadiographError, match=r"chest\.dcm: this is a lateral view.*frontal"):
        require_frontal(probe(lateral), lateral)
    unknown = make_dicom(gradient)
    require_frontal(probe(unknown), unknown)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"NumberOfFrames": 3}, "holds 3 frames, expected one"),
        ({"Modality": "CT"}, "Modality is CT, expected a projection radiograph"),
        ({"PhotometricInterpretation": "RGB"}, "PhotometricInterpretation is 'RGB'"),
        ({"PhotometricInterpretation": None}, "PhotometricInterpretation is missing"),
        ({"PhotometricInterpretation": ""}, "PhotometricInterpretation is missing"),
        ({"PixelData": b""}, "has a header but no pixel data"),
        ({"PixelData": None, "FloatPixelData": b"\0" * 8}, "pixels are floating point numbers"),
        ({"SamplesPerPixel": 3}, "expected MONOCHROME1 or MONOCHROME2"),
        ({"Rows": None, "Modality": "SR"}, "holds no picture .*Modality SR"),
        ({"PixelData": None}, "has a header but no pixel data"),
        ({"BitsStored": 20}, "BitsStored is 20 of 16 allocated"),
        ({"RescaleSlope": 0, "RescaleIntercept": 1}, "RescaleSlope is 0"),
        ({"Rows": 200}, "damaged or cut off"),
        ({"Rows": 60000, "Columns": 60000}, "claims 60000 x 60000 pixels"),
    ],
)
def test_what_is_no_radiograph_is_refused_with_its_reason(
    make_dicom: MakeDicom, gradient: Gradient, elements: dict[str, Any], message: str
) -> None:
    path = make_dicom(gradient, **elements)
    with pytest.raises(RadiographError, match=f"chest\\.dcm: .*{message}"):
        read_radiograph(path)


def test_broken_lookup_tables_are_refused(make_dicom: MakeDicom, gradient: Gradient) -> None:
    short = lookup_table([5, 0, 8], [0, 255])
    with pytest.raises(RadiographError, match=r"table has 2 entries of 8 bits.*says 5"):
        read_radiograph(make_dicom(gradient, VOILUTSequence=Sequence([short])))
    empty = Dataset()
    empty.LUTExplanation = "none"
    with pytest.raises(RadiographError, match="lacks its descriptor or data"):
        read_radiograph(make_dicom(gradient, VOILUTSequence=Sequence([empty])))


def test_truncated_file_is_refused(make_dicom: MakeDicom, gradient: Gradient) -> None:
    path = make_dicom(gradient)
    content = path.read_bytes()
    for length in (len(content) - 500, 400, 140):
        path.write_bytes(content[:length])
        with pytest.raises(RadiographError, match=r"chest\.dcm: "):
            read_radiograph(path)


def test_volume_that_its_header_hides_is_refused(make_dicom: MakeDicom, gradient: Gradient) -> None:
    path = make_dicom(gradient[None].repeat(3, 0))
    with pytest.raises(RadiographError, match=r"have the shape \(3, 48, 40\), expected \(48, 40\)"):
        read_radiograph(path)


def test_compressed_stream_of_another_size_is_refused(
    make_dicom: MakeDicom, gradient: Gradient, lossless_jpeg: Callable[..., bytes]
) -> None:
    stream = lossless_jpeg(gradient[:20], 12)
    with pytest.raises(RadiographError, match=r"chest\.dcm: .*damaged or cut off"):
        read_radiograph(make_dicom(gradient, syntax=JPEGLosslessSV1, stream=stream))


def test_damaged_bytes_never_end_in_another_error(
    make_dicom: MakeDicom, gradient: Gradient
) -> None:
    path = make_dicom(gradient, WindowCenter=1600, WindowWidth=3000)
    content = path.read_bytes()
    generator = np.random.default_rng(5)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in generator.integers(132, 900, size=3):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            assert read_radiograph(path).ndim == 2
        except RadiographError:
            refused += 1
    assert 0 < refused < 150


def test_file_without_any_meta_group_is_read(make_dicom: MakeDicom, gradient: Gradient) -> None:
    # PS3.10 C.7 of old: a bare dataset, plain pixels, implicit value representations or not.
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        path = make_dicom(gradient, syntax=syntax)
        dataset = dcmread(path)
        bare = Dataset()
        bare.update(dataset)
        implicit = syntax == ImplicitVRLittleEndian
        bare.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[:2] == b"\x08\x00"
        np.testing.assert_allclose(read_radiograph(path), gradient / 4095, atol=1e-6)


def test_a_compression_that_is_no_still_picture_is_refused_by_name(
    make_dicom: MakeDicom, gradient: Gradient
) -> None:
    path = make_dicom(gradient, syntax=MPEG2MPML, stream=b"0" * 64)
    with pytest.raises(RadiographError, match=r"compressed as MPEG2 .*Export the file uncompr"):
        read_radiograph(path)


def test_a_missing_decoder_is_named(
    make_dicom: MakeDicom, gradient: Gradient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_dicom(gradient, encode=lambda dataset: dataset.compress(JPEGLSLossless))
    monkeypatch.setattr(JPEGLSLosslessDecoder, "_available", {})
    monkeypatch.setattr(JPEGLSLosslessDecoder, "_unavailable", {"pyjpegls": ("pyjpegls>=1.2",)})
    with pytest.raises(RadiographError, match=r"no decoder is installed \(pyjpegls.*Install one"):
        read_radiograph(path)


def test_what_pydicom_says_of_values_is_not_heard(
    make_dicom: MakeDicom, caplog: pytest.LogCaptureFixture
) -> None:
    long_name = "TOO LONG FOR A CODE AND SOMEBODY'S NAME"
    path = make_dicom(np.zeros((20, 20), np.uint16), ViewPosition=long_name)
    path.write_bytes(path.read_bytes() + b"\0" * 100)  # pydicom tells of what is too much
    caplog.clear()
    with warnings.catch_warnings(action="error"):
        probe(path)
        read_radiograph(path)
    assert caplog.messages == []
    logging.getLogger("pydicom").warning("heard again")
    assert caplog.messages == ["heard again"]


def test_header_with_an_impossible_number_is_refused() -> None:
    with pytest.raises(RadiographError, match=r"damaged or cut off .*'1A'"):
        probe(Path(str(get_testdata_file("badVR.dcm"))))


def test_file_without_preamble_is_read(make_dicom: MakeDicom, gradient: Gradient) -> None:
    path = make_dicom(gradient)
    path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_allclose(read_radiograph(path), gradient / 4095, atol=1e-6)


def test_colour_and_documents_of_the_pydicom_samples_are_refused() -> None:
    for name, message in (
        ("SC_rgb_jpeg_dcmtk.dcm", "YBR_FULL"),
        ("reportsi.dcm", "holds no picture"),
        ("examples_palette.dcm", "Modality is US"),
        ("rtdose.dcm", "frames"),
    ):
        with pytest.raises(RadiographError, match=message):
            read_radiograph(Path(str(get_testdata_file(name))))


def test_real_files_in_three_encodings_show_the_same_picture(data_dir: Path) -> None:
    plain, lossless, lossy = (
        read_radiograph(data_dir / "dicom" / f"RG1_{kind}.dcm") for kind in ("UNCR", "J2KR", "J2KI")
    )
    np.testing.assert_array_equal(plain, lossless)
    assert np.abs(plain - lossy).max() < 0.05
    # By its README values run from 874 to 26479, window 15000 / 30000, MONOCHROME1:
    # 1 - ((874 - 14999.5) / 29999 + 0.5) and the same of 26479.
    assert plain.max() == pytest.approx(0.970866, abs=1e-5)
    assert plain.min() == pytest.approx(0.117337, abs=1e-5)


def test_real_file_flagged_monochrome1_is_the_negative_of_the_other(data_dir: Path) -> None:
    positive = read_radiograph(data_dir / "dicom" / "rsna_jpeg_baseline.dcm")
    negative = read_radiograph(data_dir / "dicom" / "rsna_flagged_monochrome1.dcm")
    np.testing.assert_allclose(positive, 1 - negative, atol=1e-6)
