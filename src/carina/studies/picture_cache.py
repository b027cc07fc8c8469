"""What was seen of pictures, kept so that unchanged ones need not be read again.

A folder of Parquet files, each written whole or not at all. It holds small pictures of patients,
and paths: keep it where the films themselves are kept.
"""

import logging
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from carina.errors import OutputError
from carina.files import atomic_path
from carina.imaging.glance import Glance
from carina.imaging.told_levels import told_apart
from carina.studies.examination import Examined, Picture

_log = logging.getLogger(__name__)

VERSION = 1
_SUFFIX = f".seen{VERSION}.parquet"
_PICTURES_A_PART = 1000
_MOST_PARTS = 8
_SCHEMA = {
    **dict.fromkeys(("path", "store", "key"), pl.String),
    **dict.fromkeys(("bytes", "changed"), pl.Int64),
    **dict.fromkeys(("digest", "error", "view"), pl.String),
    **dict.fromkeys(("width", "height"), pl.Int64),
    "thumbnail": pl.Binary,
    **dict.fromkeys(("spread", "dead_rows", "black_or_white"), pl.Float64),
}


class PictureCache:
    """A folder that remembers pictures by path, size in bytes and time of the last change."""

    def __init__(self, folder: Path) -> None:
        """Opens a cache, or makes an empty one.

        Raises:
            OutputError: the folder holds other things, or cannot be made.
        """
        self._folder = folder
        self._fresh: list[dict[str, Any]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{folder}: no cache can be kept here ({error.strerror}). Name another folder."
            ) from error
        if any(not _ours(path) for path in folder.iterdir()):
            raise OutputError(
                f"{folder}: holds files that are no part of a cache of `carina check`. "
                "Name a new folder."
            )

    def known(self, pictures: Sequence[Picture]) -> dict[str, Examined]:
        """What is known of pictures that have not changed; missing files are always looked for."""
        rows = {row["path"]: row for part in self._parts() for row in _rows(part)}
        found = {}
        for picture in pictures:
            row = rows.get(picture.path)
            if row is not None and _stamp(picture) == (row["bytes"], row["changed"]):
                same = (picture.store, picture.key) == (row["store"], row["key"])
                if same and (not picture.glanced or row["thumbnail"] is not None or row["error"]):
                    found[picture.path] = _examined(row)
        return found

    def add(self, picture: Picture, examined: Examined) -> None:
        """Remembers a picture; from time to time what is remembered is written."""
        if not examined.missing:
            self._fresh.append(_row(picture, examined))
        if len(self._fresh) >= _PICTURES_A_PART:
            self._write()

    def flush(self) -> None:
        """Writes what was added, and joins many small files into one."""
        if self._fresh:
            self._write()
        parts = self._parts()
        if len(parts) > _MOST_PARTS:
            frame = pl.concat([_read(part) for part in parts])
            self._store(frame.unique("path", keep="last", maintain_order=True))
            for part in parts:
                part.unlink(missing_ok=True)

    def _write(self) -> None:
        frame = pl.DataFrame(self._fresh, schema=_SCHEMA)
        self._store(frame)
        self._fresh = []

    def _store(self, frame: pl.DataFrame) -> None:
        number = 1 + max((_number(part) for part in self._parts()), default=0)
        name = f"{number:06d}-{secrets.token_hex(4)}{_SUFFIX}"
        with atomic_path(self._folder / name) as temporary:
            frame.write_parquet(temporary)

    def _parts(self) -> list[Path]:
        """The files of the cache, oldest first."""
        return sorted(self._folder.glob(f"*{_SUFFIX}"))


def _ours(path: Path) -> bool:
    return ".seen" in path.name and (path.suffix in {".parquet", ".tmp"})


def _number(part: Path) -> int:
    return int(part.name.partition("-")[0])


def _read(part: Path) -> pl.DataFrame:
    """A file of the cache; one that is damaged counts as empty, and its pictures are read again."""
    try:
        frame = pl.read_parquet(part)
    except (pl.exceptions.PolarsError, OSError):
        _log.warning("A file of the cache is damaged; its pictures are read again.")
        return pl.DataFrame(schema=_SCHEMA)
    return frame if frame.schema == pl.Schema(_SCHEMA) else pl.DataFrame(schema=_SCHEMA)


def _rows(part: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _read(part).to_dicts()
    return rows


def _stamp(picture: Picture) -> tuple[int, int] | None:
    """Size and time of the last change; those of the whole store for a picture in a store."""
    file, _ = told_apart(Path(picture.path))
    path = Path(picture.store) / "index.parquet" if picture.store else file
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _row(picture: Picture, examined: Examined) -> dict[str, Any]:
    size, changed = _stamp(picture) or (-1, -1)
    glance = examined.glance
    return {
        "path": picture.path,
        "store": picture.store,
        "key": picture.key,
        "bytes": size,
        "changed": changed,
        "digest": examined.digest,
        "error": examined.error,
        "view": examined.view,
        "width": examined.width,
        "height": examined.height,
        "thumbnail": glance and glance.thumbnail,
        "spread": glance and glance.spread,
        "dead_rows": glance and glance.dead_rows,
        "black_or_white": glance and glance.black_or_white,
    }


def _examined(row: dict[str, Any]) -> Examined:
    glance = row["thumbnail"] and Glance(
        thumbnail=row["thumbnail"],
        spread=row["spread"],
        dead_rows=row["dead_rows"],
        black_or_white=row["black_or_white"],
    )
    return Examined(
        digest=row["digest"],
        width=row["width"],
        height=row["height"],
        error=row["error"],
        view=row["view"],
        glance=glance or None,
    )
