"""Published weights that training starts from, as safetensors under their own names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from carina.conversion import mae, torchvision
from carina.conversion.layout import Accounted, Layout, account, check_other_file, one_part
from carina.conversion.table import Rule, only_part, read_parts, translate
from carina.files import atomic_path


@dataclass(frozen=True, kw_only=True)
class StartFile:
    """One kind of such files.

    `table` says which of them training takes, and why it leaves others out; `check_whole` refuses
    a file that lacks some of what training takes.
    """

    table: Sequence[Rule]
    check_whole: Callable[[Mapping[str, Tensor], str], None]

    @property
    def layout(self) -> Layout:
        """A state dict with or without something around it."""
        return one_part(self.table)


STARTS = {
    "mae": StartFile(table=mae.TABLE, check_whole=mae.check_whole),
    "imagenet": StartFile(table=torchvision.TABLE, check_whole=torchvision.check_whole),
}
"""Every kind of file to start from, by its name on the command line."""


def convert_start(name: str, file: Path, out: Path) -> Accounted:
    """Writes published weights so that training can start from them.

    Args:
        name: of `STARTS`.
        file: the published file, a pickle or safetensors; nothing in it is executed.
        out: the file to write, with all of its tensors.

    Returns:
        What training takes and leaves out.

    Raises:
        ConversionError: the file cannot be read, a key is not accounted for, or weights that
            training needs are missing.
        OutputError: `out` is `file`, or cannot be written.
    """
    check_other_file(out, file)
    start, where = STARTS[name], str(file)
    checkpoint = read_parts(file)
    accounted = account(start.layout, checkpoint, where)
    state = only_part(checkpoint, where)
    start.check_whole(translate(state, start.table, where), where)
    with atomic_path(out) as temporary:
        temporary.write_bytes(save({key: value.contiguous() for key, value in state.items()}))
    return accounted
