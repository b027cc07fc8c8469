"""What lies under a checkpoint's name and is none: said in the words of what happened."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch

BEGINNING = 512  # bytes that are looked at


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
    beginning = beginning_of(path)
    for known, message in (
        (not beginning, "is empty. Download it again."),
        (is_page(beginning), PAGE),
        (beginning.startswith(b"version https://git-lfs"), POINTER),
        (is_safetensors(beginning), SAFETENSORS),
        (is_packed(beginning), PACKED),
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
SAFETENSORS = (
    "holds safetensors, expected a checkpoint as the authors publish it. Wrap its tensors as they "
    'do: torch.save({"model": safetensors.torch.load_file(FILE)}, "FILE.pth").'
)
PACKED = "is a packed archive, expected the checkpoint in it. Unpack it and name that."


def beginning_of(path: Path) -> bytes:
    """The first bytes; none of a file that cannot be opened."""
    with path.open("rb") as handle:
        return handle.read(BEGINNING)


def is_page(beginning: bytes) -> bool:
    """Whether it begins as HTML or XML does."""
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head"))


def is_safetensors(beginning: bytes) -> bool:
    """Whether it begins with the length of a JSON header, and that header."""
    return beginning[8:10] in (b'{"', b"{}") and int.from_bytes(beginning[:8], "little") < 1 << 32


def is_packed(beginning: bytes) -> bool:
    """Whether it begins as gzip, bzip2, xz, 7z or tar."""
    packed = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf")
    return beginning.startswith(packed) or beginning[257:262] == b"ustar"


def told_of_archive(path: Path) -> str | None:
    """Whether a zip archive, which a checkpoint is, too, is cut short or holds something else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return (
            f"is cut short or damaged ({path.stat().st_size:,} bytes). Download it again, and "
            "compare its size with the published one."
        )
    return None if any(name.endswith("data.pkl") for name in names) else PACKED


def named_classes(path: Path) -> Sequence[str]:
    """What a checkpoint names that could run code when it is opened; none where it is damaged."""
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # damaged, or in the format of before 2020
        return ()
