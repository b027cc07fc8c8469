"""Published weights that training starts from, as safetensors under their own names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.conversion.layout import Accounted, account_keys
from carina.conversion.maco import MAE_TABLE, write_mae
from carina.conversion.table import Rule
from carina.conversion.torchvision import TABLE as IMAGENET_TABLE
from carina.conversion.torchvision import write_safetensors
from carina.encoders.published_resnet import read_safetensors


@dataclass(frozen=True, kw_only=True)
class StartFile:
    """One kind of such files.

    `table` says which of them training takes, and why it leaves others out.
    """

    write: Callable[[Path, Path], Path]
    table: Sequence[Rule]


STARTS = {
    "mae": StartFile(write=write_mae, table=MAE_TABLE),
    "imagenet": StartFile(write=write_safetensors, table=IMAGENET_TABLE),
}
"""Every kind of file to start from, by its name on the command line."""


def convert_start(name: str, file: Path, out: Path) -> Accounted:
    """Writes published weights so that training can start from them.

    Args:
        name: of `STARTS`.
        file: the published file.
        out: the file to write.

    Returns:
        What training takes and leaves out.

    Raises:
        ConversionError: the file cannot be read, or a key is not accounted for.
    """
    start = STARTS[name]
    written = start.write(file, out)
    return account_keys(read_safetensors(written), start.table, str(file))
