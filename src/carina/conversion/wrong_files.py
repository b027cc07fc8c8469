"""What lies under a checkpoint's name and is none: said in the words of what happened."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch

BEGINNING = 512  # bytes that are looked at
SHOWN = 60  # letters of a text
NAMED = re.compile(r"GLOBAL ([\w.]+)")  # as the reader says what it refuses


def told(path: Path) -> str | None:
    """What a file is, and the way out, where it is plainly something else than a checkpoint.

    Args:
        path: exists, or not.

    Returns:
        The rest of a message after the path, or None where nothing is known.
    """
    if not path.exists():
        return "no such file; expected a checkpoint."
    if path.is_dir():
        return "is a folder, expected a checkpoint file. Name the file in it."
    try:
        beginning = beginning_of(path)
    except OSError as error:
        return f"cannot be opened ({error.strerror}). Look at its rights."
    for known, message in (
        (not beginning, "is empty. Download it again."),
        (is_page(beginning), PAGE),
        (beginning.startswith(b"version https://git-lfs"), POINTER),
        (is_packed(beginning), PACKED),
        (is_text(beginning), TEXT.format(beginning.decode(errors="ignore").strip()[:SHOWN])),
    ):
        if known:
            return message
    return told_of_archive(path) if beginning.startswith(b"PK") else None


PAGE = (
    "is a web page, expected a checkpoint: the download gave a page in its place, such as one that "
    "asks to confirm or to sign in. Open the address in a browser and save the file itself."
)
POINTER = (
    "is a pointer of Git LFS, expected the checkpoint that it stands for. Fetch that by "
    "`git lfs pull`."
)
TEXT = (
    "is text that begins with {!r}, expected a checkpoint: the download may have given a message "
    "in its place. Download it again."
)
CUT = (
    "is cut short or damaged ({:,} bytes). Download it again, and compare its size with the "
    "published one."
)
SCRIPT = (
    "is a program of TorchScript, expected weights alone: a file that runs code when it is opened "
    "is refused. Save its state_dict alone, where you trust the file, and convert that."
)
PACKED = "is a packed archive, expected the checkpoint in it. Unpack it and name that."


def beginning_of(path: Path) -> bytes:
    """The first bytes."""
    with path.open("rb") as handle:
        return handle.read(BEGINNING)


def is_page(beginning: bytes) -> bool:
    """Whether it begins as HTML or XML does."""
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--"))


def is_text(beginning: bytes) -> bool:
    """Whether it can be read as text; the last letter may be cut."""
    try:
        text = beginning.decode()
    except UnicodeDecodeError as error:
        if error.start < len(beginning) - 3:
            return False
        text = beginning[: error.start].decode()
    return all(letter.isprintable() or letter.isspace() for letter in text)


def is_safetensors(beginning: bytes) -> bool:
    """Whether it begins with the length of a JSON header, and that header."""
    return beginning[8:10] in (b'{"', b"{}") and int.from_bytes(beginning[:8], "little") < 1 << 32


def is_packed(beginning: bytes) -> bool:
    """Whether it begins as gzip, bzip2, xz, 7z, zstd, rar or tar."""
    packed = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd", b"Rar!")
    return beginning.startswith(packed) or beginning[257:262] == b"ustar"


def told_of_archive(path: Path) -> str | None:
    """Whether a zip archive, which a checkpoint is, too, is cut short or holds something else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return CUT.format(path.stat().st_size)
    if any(name.endswith("/constants.pkl") for name in names):
        return SCRIPT
    return None if any(name.endswith("data.pkl") for name in names) else PACKED


def untold(path: Path, error: Exception) -> str:
    """What is wrong with a file that might be a checkpoint, and that could not be read.

    Args:
        path: the file.
        error: what its reader raised.

    Returns:
        The rest of a message after the path.
    """
    classes = named_classes(path) or NAMED.findall(str(error))
    if classes:
        return (
            f"names {', '.join(sorted(classes)[:3])}, expected tensors and plain values alone: a "
            "file that runs code when it is opened is refused. Save its state_dict alone, where "
            "you trust the file, and convert that."
        )
    if "EOF" in str(error):
        return CUT.format(path.stat().st_size)
    return (
        f"cannot be read as a checkpoint of tensors (it begins with {beginning_of(path)[:8]!r}). "
        "Download it again; a file that runs code when it is opened is refused."
    )


def named_classes(path: Path) -> Sequence[str]:
    """What a checkpoint names that could run code when it is opened; none where it is damaged."""
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # damaged, or in the format of before 2020
        return ()
