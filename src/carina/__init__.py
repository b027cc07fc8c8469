"""carina: chest-radiograph vision-language models, pre-trained, asked, measured.

    import carina

    model = carina.load("runs/kad")
    answer = model.ask(["chest.dcm"], ["pneumothorax"])

For research only. Not a medical device.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from carina.errors import CarinaError

if TYPE_CHECKING:
    from carina.models.load import load
    from carina.zeroshot.answer import Answer
    from carina.zeroshot.ask import LoadedModel
    from carina.zeroshot.protocol import Query

__version__ = version("carina")
__all__ = ["Answer", "CarinaError", "LoadedModel", "Query", "__version__", "load"]

# Name -> the module it lives in. Imported when first used: torch takes over a second.
_HOMES = {
    "Answer": "carina.zeroshot.answer",
    "LoadedModel": "carina.zeroshot.ask",
    "Query": "carina.zeroshot.protocol",
    "load": "carina.models.load",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'carina' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
