"""The file formats of releases, as the writers of synthetic ones need them."""

import csv
import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from carina.phantom.layout import NOTICE

JPEG_QUALITY = 95


def save_jpeg(picture: Image.Image, path: Path) -> None:
    """Writes a JPEG whose comment says that it is synthetic."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=JPEG_QUALITY, comment=NOTICE.encode())


def save_png(picture: Image.Image, path: Path) -> None:
    """Writes a PNG with a note that it is synthetic."""
    note = PngInfo()
    note.add_text("Source", NOTICE)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "PNG", pnginfo=note, compress_level=1)


def save_text(text: str, path: Path) -> None:
    """Writes UTF-8 text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def save_table(
    rows: Iterable[Mapping[str, object]], columns: Sequence[str], path: Path, line_end: str = "\n"
) -> None:
    """Writes CSV, gzipped where the name ends in .gz; the same rows give the same bytes.

    Args:
        rows: a cell for each column; None is an empty cell.
        columns: the header, in order.
        path: the file.
        line_end: what ends a row.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
