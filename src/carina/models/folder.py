"""The model folder: config.json, model.safetensors, card.md; tokenizer.json of one that reads.

JSON and safetensors only: loading never executes anything.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

from carina.encoders.tokenizer import load_tokenizer
from carina.errors import ModelError
from carina.files import atomic_folder, check_replaceable_by
from carina.models.codec import from_json, to_json
from carina.models.registry import MODELS

FORMAT = 1
CONFIG = "config.json"
FINETUNING = "finetune.json"
"""In the folder of a fine-tuning, which holds many models: what was asked for."""
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CARD = "card.md"
FILES = (CONFIG, WEIGHTS, TOKENIZER, CARD)
"""All that a model folder holds."""


def save_model(module: nn.Module, folder: Path, card: str) -> None:
    """Writes a module of a known class as a model folder, whole or not at all.

    Args:
        module: of a class in `MODELS`: it has a `config`, a `tokenizer` if it reads text, and a
            class method `from_config` that takes both and makes the module with fresh weights.
        folder: new, empty, or an earlier model, which is replaced.
        card: Markdown for people: what the model is, what it was trained on.

    Raises:
        ModelError: the class is in no registry.
        OutputError: the folder holds something else, or cannot be written.
    """
    check_replaceable(folder)
    name = type(module).__name__
    if name not in MODELS:
        raise ModelError(f"{name} is no model that can be saved; known are {sorted(MODELS)}.")
    saveable: Any = module
    weights = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    header = {"format": FORMAT, "carina": version("carina"), "model": name}
    with atomic_folder(folder) as temporary:
        config = {**header, "config": to_json(saveable.config)}
        (temporary / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
        # Two names of one tensor share memory, which the format refuses: each gets a copy.
        save_file({key: value.clone() for key, value in weights.items()}, temporary / WEIGHTS)
        if MODELS[name].reads_text:
            saveable.tokenizer.save(str(temporary / TOKENIZER))
        (temporary / CARD).write_text(card, encoding="utf-8")


def check_replaceable(folder: Path) -> None:
    """Refuses to put a model where anything but an earlier model is.

    Raises:
        OutputError: the path is a file, or a folder that holds other files.
    """
    check_replaceable_by(folder, FILES, "no part of a model", "an earlier model")


def load_model(folder: Path) -> nn.Module:
    """The module of a model folder, in eval mode, on the CPU.

    Args:
        folder: a model folder, or a run folder that holds one as `model/`.

    Raises:
        ModelError: a file is missing or damaged, or another version of carina wrote it.
    """
    folder = model_folder(folder)
    header = read_header(folder)
    known = MODELS[header["model"]]
    model_class, config_class = known.load()
    config = from_json(config_class, header["config"], f"{folder / CONFIG}: config")
    text = (read_tokenizer(folder),) if known.reads_text else ()
    module: nn.Module = model_class.from_config(config, *text)
    try:
        module.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ModelError(
            f"{folder / WEIGHTS}: does not hold the weights that config.json describes "
            f"({beginning_of(error)}). Copy the folder again, or train again."
        ) from error
    return module.eval()


def beginning_of(error: Exception) -> str:
    """The first two lines of an error's text: what went wrong, and the first tensor it did with."""
    return " ".join(line.strip() for line in str(error).splitlines()[:2])


def model_folder(folder: Path) -> Path:
    """The folder itself, or the `model/` of a run folder.

    Raises:
        ModelError: neither holds a config.json.
    """
    for candidate in (folder, folder / "model"):
        if (candidate / CONFIG).is_file():
            return candidate
    state = "is no folder" if not folder.is_dir() else f"holds no {CONFIG}"
    tuned = sorted(folder.glob(f"*/*/seed*/**/{CONFIG}")) if (folder / FINETUNING).exists() else ()
    if tuned:
        raise ModelError(
            f"{folder}: holds the models of a fine-tuning, expected one of them. Name it, such as "
            f"{tuned[0].parents[1]}."
        )
    raise ModelError(
        f"{folder}: {state}. Expected a model folder, or the folder of a finished run "
        "(an unfinished one goes on with `carina pretrain ... --resume`)."
    )


def read_header(folder: Path) -> dict[str, Any]:
    """config.json, its format and model name checked."""
    try:
        header = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG}: cannot be read as JSON ({error}).") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else type(header).__name__
        written_by = header.get("carina", "unknown") if isinstance(header, dict) else "unknown"
        raise ModelError(
            f"{folder / CONFIG}: format {found!r}, written by carina {written_by}; this carina "
            f"{version('carina')} reads format {FORMAT}. Load it with the version that wrote it."
        )
    if header.get("model") not in MODELS:
        raise ModelError(
            f"{folder / CONFIG}: model {header.get('model')!r} is not known; expected one of "
            f"{sorted(MODELS)}."
        )
    return header


def read_tokenizer(folder: Path) -> Tokenizer:
    """tokenizer.json."""
    path = folder / TOKENIZER
    if not path.is_file():
        raise ModelError(f"{path}: missing. Copy the model folder again, all four files.")
    return load_tokenizer(path)
