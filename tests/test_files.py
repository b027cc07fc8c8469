"""Writing whole files or none."""

import errno
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
