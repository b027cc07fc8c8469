"""Reads a picture to its last byte and keeps what is needed to judge it.

Run as a module it examines the pictures that it is asked about, a JSON line each; see `reading`.
"""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from carina.errors import CarinaError
from carina.imaging.glance import CLOSER_SIDE, Glance, glance_at, squeezed
from carina.imaging.helper_process import serve
from carina.imaging.reader import probe, read_grey8
from carina.imaging.store import ImageStore
from carina.imaging.told_levels import told_apart

_DECODED_SIDE = 128  # a JPEG may be decoded small: every byte is read all the same


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture to examine: a file, or the image that a store holds under a key.

    `glanced` is False for masks, of which only the size is needed.
    """

    path: str
    store: str = ""
    key: str = ""
    glanced: bool = True


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What a picture turned out to be: missing, not readable (`error` says why), or a picture.

    `digest` is the SHA-256 in hex of the file, or of the pixels that a store holds; `width` and
    `height` are pixels of the file; `view` is what the file itself says, None where it is silent.
    """

    digest: str = ""
    width: int = 0
    height: int = 0
    missing: bool = False
    error: str = ""
    view: str | None = None
    glance: Glance | None = None


def examine(picture: Picture) -> Examined:
    """Reads a picture to its last byte; what is wrong with it is returned, not raised."""
    try:
        return _from_store(picture) if picture.store else _from_file(picture)
    except (CarinaError, OSError) as error:
        return Examined(error=str(error))


def look_closer(picture: Picture) -> UInt8[np.ndarray, "side side"]:
    """A larger thumbnail, from the file or the store again.

    Raises:
        CarinaError: it can be read no more.
    """
    levels = (
        _opened(picture.store)[picture.key]
        if picture.store
        else read_grey8(Path(picture.path), short_side=2 * CLOSER_SIDE)
    )
    return squeezed(levels, CLOSER_SIDE)


def _from_file(picture: Picture) -> Examined:
    path = Path(picture.path)
    file, _ = told_apart(path)
    if not file.exists():
        return Examined(missing=True)
    header = probe(path)
    levels = read_grey8(path, short_side=_DECODED_SIDE)
    with file.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return Examined(
        digest=digest,
        width=header.width,
        height=header.height,
        view=header.view,
        glance=glance_at(levels) if picture.glanced else None,
    )


def _from_store(picture: Picture) -> Examined:
    store = _opened(picture.store)
    levels = store[picture.key]
    height, width = store.source_shape(picture.key)
    return Examined(
        digest=hashlib.sha256(levels.tobytes()).hexdigest(),
        width=width,
        height=height,
        glance=glance_at(levels),
    )


@lru_cache(maxsize=8)
def _opened(path: str) -> ImageStore:
    return ImageStore.open(Path(path))


def to_line(examined: Examined) -> str:
    """What was examined as a line of JSON."""
    values = asdict(examined)
    if examined.glance is not None:
        values["glance"]["thumbnail"] = base64.b64encode(examined.glance.thumbnail).decode("ascii")
    return json.dumps(values)


def from_line(line: str) -> Examined:
    """What a line of `to_line` says."""
    values = json.loads(line)
    glance = values.pop("glance")
    if glance is None:
        return Examined(**values)
    kept = Glance(**{**glance, "thumbnail": base64.b64decode(glance["thumbnail"])})
    return replace(Examined(**values), glance=kept)


def _answer(line: str) -> str:
    """Examines the picture of a line."""
    return to_line(examine(Picture(**json.loads(line))))


if __name__ == "__main__":
    serve(_answer)
