"""Writing whole files or none."""

import errno
import os
from pathlib import Path

import polars as pl
import pytest

from carina.errors import OutputError
from carina.files import atomic_folder, atomic_path


class RustError(Exception):
    """Like those of polars and safetensors."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (RustError("Error while serializing: No space left (os error 28)"), "the disk is full"),
        (RustError("underlying IO error: ... (os error 13)"), r"cannot be written \(Permission"),
    ],
)
@pytest.mark.parametrize("opened", [atomic_path, atomic_folder])
def test_what_the_system_refuses_is_told_and_what_was_there_stays(
    opened: object, error: Exception, message: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(OutputError, match=message), opened(target):
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (target / "old").read_text() == "old"


@pytest.mark.parametrize("error", [ValueError("odd"), OutputError("x (os error 28)")])
def test_other_errors_pass(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as told, atomic_path(tmp_path / "file"):
        raise error
    assert told.value is error


def test_polars_says_the_number_of_the_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"), atomic_path(tmp_path / "a") as path:
        pl.DataFrame({"x": [1]}).write_parquet(path / "no" / "folder")


@pytest.mark.parametrize(("mask", "readable"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_that_a_library_wrote_for_itself_alone_are_as_readable_as_others(
    tmp_path: Path, mask: int, readable: int
) -> None:
    before = os.umask(mask)
    try:
        with atomic_path(tmp_path / "one") as temporary:
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
        with atomic_folder(tmp_path / "folder") as temporary:
            os.close(os.open(temporary / "two", os.O_CREAT | os.O_WRONLY, 0o600))
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    for path in (tmp_path / "one", tmp_path / "folder" / "two"):
        assert path.stat().st_mode & 0o777 == readable
