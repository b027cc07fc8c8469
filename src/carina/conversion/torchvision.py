"""torchvision's published weights as safetensors, which training starts from."""

from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from carina.conversion.table import Rule, read_checkpoint, translate
from carina.errors import ConversionError
from carina.files import atomic_path

TABLE = (
    Rule(r"((?:conv1|bn1|layer[1-4])\..+)", r"\1"),
    Rule(r"fc\..+", None, "the classifier of ImageNet, which training leaves out"),
)
"""A residual network: every name stays as it is."""


def write_safetensors(source: Path, target: Path) -> Path:
    """Writes the tensors of a `.pth` file as safetensors, under their own names.

    Args:
        source: a dictionary of a residual network's tensors; nothing in it is executed.
        target: the file to write.

    Returns:
        `target`.

    Raises:
        ConversionError: `source` cannot be read, or holds something else.
        OutputError: `target` cannot be written.
    """
    checkpoint = read_checkpoint(source)
    others = [str(key) for key, value in checkpoint.items() if not isinstance(value, Tensor)]
    if others or not checkpoint:
        found = ", ".join(others[:5]) or "nothing"
        raise ConversionError(
            f"{source}: expected a dictionary of tensors and nothing else, as torchvision "
            f"publishes; found {found}."
        )
    translate(checkpoint, TABLE, str(source))
    tensors = {str(key): value.contiguous() for key, value in checkpoint.items()}
    with atomic_path(target) as temporary:
        temporary.write_bytes(save(tensors))
    return target
