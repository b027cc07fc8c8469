"""PNG and JPEG: every mode that public sets hold, and what is no radiograph."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from carina.errors import RadiographError
from carina.imaging.reader import FileKind, probe, read_grey8, read_radiograph


@pytest.fixture
def grey() -> NDArray[np.uint8]:
    y, x = np.mgrid[:60, :50]
    return (x * 3 + y).astype(np.uint8)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_8_bit_png_is_read_as_it_is(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(grey))
    np.testing.assert_allclose(read_radiograph(path), grey / 255, atol=1e-6)
    np.testing.assert_array_equal(read_grey8(path), grey)


def test_16_bit_png_goes_by_its_bit_depth(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    deep = grey.astype(np.uint16) * 100 + 7
    image = read_radiograph(saved(tmp_path / "a.png", Image.fromarray(deep)))
    np.testing.assert_allclose(image, deep / 65535, atol=1e-6)


def test_1_bit_png_is_black_and_white(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(grey > 100))
    np.testing.assert_array_equal(read_radiograph(path), grey > 100)


def test_grey_palette_is_looked_up(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    image = Image.fromarray(grey // 64, mode="P")
    image.putpalette([0, 0, 0, 255, 255, 255, 51, 51, 51, 102, 102, 102])
    expected = np.array([0, 1, 0.2, 0.4])[grey // 64]
    np.testing.assert_allclose(
        read_radiograph(saved(tmp_path / "a.png", image)), expected, atol=1e-6
    )


def test_grey_rgba_equals_grey(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(grey).convert("RGBA"))
    np.testing.assert_array_equal(read_grey8(path), grey)


def test_transparent_parts_lie_on_black(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    alpha = np.full_like(grey, 255)
    alpha[:20] = 0
    for mode in ("RGBA", "LA"):
        image = Image.fromarray(grey).convert(mode)
        image.putalpha(Image.fromarray(alpha))
        path = saved(tmp_path / "a.png", image)
        np.testing.assert_array_equal(read_grey8(path), np.where(alpha > 0, grey, 0))


def test_transparent_grey_level_lies_on_black(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(grey), transparency=100)
    np.testing.assert_array_equal(read_grey8(path), np.where(grey == 100, 0, grey))


def test_jpeg_is_turned_upright_by_its_exif_orientation(
    tmp_path: Path, grey: NDArray[np.uint8]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    lying = Image.fromarray(np.rot90(grey).copy())
    path = saved(tmp_path / "a.jpg", lying, exif=exif, quality=95)
    image = read_radiograph(path)
    assert image.shape == (60, 50)
    assert np.abs(image * 255 - grey).max() <= 4
    assert (probe(path).width, probe(path).height) == (50, 60)


def test_cmyk_jpeg_is_read_as_grey(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(grey).convert("CMYK"), quality=95)
    assert np.abs(read_radiograph(path) * 255 - grey).max() <= 4


def test_grey_rgb_jpeg_is_read_as_its_luma(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(grey).convert("RGB"), quality=95)
    for short_side in (None, 25):
        image = read_radiograph(path, short_side=short_side)
        step = grey.shape[0] // image.shape[0]
        block = grey[: 60 // step * step, : 50 // step * step].reshape(
            60 // step, step, 50 // step, step
        )
        assert np.abs(image[: 60 // step, : 50 // step] * 255 - block.mean((1, 3))).max() <= 5


def test_content_counts_and_not_the_ending(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(grey))
    wrong = shutil.copy(path, tmp_path / "b.jpg")
    assert probe(wrong).kind is FileKind.PNG
    np.testing.assert_array_equal(read_grey8(wrong), grey)


@pytest.mark.parametrize(
    ("short_side", "expected"), [(40, 50), (25, 25), (13, 25), (12, 13), (5, 7)]
)
def test_scaled_decoding_keeps_the_short_side_that_is_asked(
    tmp_path: Path, grey: NDArray[np.uint8], short_side: int, expected: int
) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(grey), quality=95)
    assert min(read_radiograph(path, short_side=short_side).shape) == expected >= short_side


def test_first_picture_of_a_camera_file_is_read(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    first, second = Image.fromarray(grey), Image.new("L", (50, 60))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second], quality=95)
    for short_side in (None, 25):
        image = read_radiograph(tmp_path / "a.jpg", short_side=short_side)
        assert image.mean() * 255 == pytest.approx(grey.mean(), abs=2)


def tinted(grey: NDArray[np.uint8], tint: tuple[float, float, float]) -> Image.Image:
    return Image.fromarray((grey[..., None] * np.array(tint)).astype(np.uint8))


def test_tinted_scan_passes(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.png", tinted(grey, (0.8, 0.9, 1.0)))
    assert read_radiograph(path).shape == grey.shape


def test_small_coloured_letters_pass(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    pixels = np.dstack([grey] * 3)
    pixels[2:12, 2:12] = (255, 230, 0)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels))
    assert read_radiograph(path).shape == grey.shape


def test_colour_photograph_is_refused(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    for name in ("china.jpg", "flower.jpg"):
        path = saved(tmp_path / name, Image.fromarray(datasets.load_sample_image(name)))
        for short_side in (None, 100):
            with pytest.raises(RadiographError, match=r"colour picture \(\d+% .*at most 5%"):
                read_radiograph(path, short_side=short_side)


def test_picture_of_one_strong_colour_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (40, 40), (200, 50, 50)))
    with pytest.raises(RadiographError, match="colour picture"):
        read_radiograph(path)


def test_truncated_pictures_are_refused(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, grey.shape, dtype=np.uint8)
    for name in ("a.png", "a.jpg"):
        path = saved(tmp_path / name, Image.fromarray(noise))
        content = path.read_bytes()
        for length in (len(content) // 2, 30, 10):
            path.write_bytes(content[:length])
            with pytest.raises(RadiographError, match=f"{name}: the picture is damaged or cut off"):
                read_radiograph(path)


def test_png_with_a_damaged_byte_is_refused(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, grey.shape, dtype=np.uint8)
    path = saved(tmp_path / "a.png", Image.fromarray(noise))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(RadiographError, match="damaged or cut off"):
        read_radiograph(path)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [10_000, 50_000])
def test_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.png").write_bytes(png_that_claims(side, side))
    with pytest.raises(RadiographError, match=r"a\.png: .*(pixels|limit)"):
        read_radiograph(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(1, 1), (100, 15), (10, 4000)])
def test_shapes_that_no_radiograph_has_are_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = saved(tmp_path / "a.png", Image.new("L", shape))
    with pytest.raises(RadiographError, match=r"at least 16 on each side.*no radiograph"):
        read_radiograph(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (b"%PDF-1.7 ...", "the content is a PDF document, expected DICOM, PNG or JPEG"),
        (b"<!DOCTYPE html>", "a web or XML page"),
        (b"II*\x00rest", "a TIFF picture"),
        (b"\x93NUMPY\x01", "a NumPy array"),
        (b"hello world", "the content is unknown"),
    ],
)
def test_files_that_are_something_else_are_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "chest.dcm").write_bytes(content)
    for read in (read_radiograph, read_grey8, probe):
        with pytest.raises(RadiographError, match=rf"chest\.dcm: .*{message}"):
            read(tmp_path / "chest.dcm")


def test_folder_and_missing_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RadiographError, match="this is a folder, expected one file"):
        read_radiograph(tmp_path)
    with pytest.raises(RadiographError, match=r"this is no path of a file \(embedded null byte\)"):
        read_radiograph(tmp_path / "a\0b.png")
    with pytest.raises(RadiographError, match="there is no such file"):
        read_radiograph(tmp_path / "none.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(RadiographError, match="cannot be opened"):
        read_radiograph(tmp_path / "loop.png")


def test_real_originals_are_read_as_published(data_dir: Path) -> None:
    folder = data_dir / "originals"
    pictures = [
        path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg")
    ]
    assert len(pictures) >= 19
    for path in pictures:
        image, header = read_radiograph(path), probe(path)
        assert image.shape == (header.height, header.width)
        assert image.std() > 0.05
