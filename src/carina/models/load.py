"""`carina.load`: a model folder, ready to be asked."""

from hashlib import file_digest
from pathlib import Path
from typing import cast

import torch

from carina.errors import ModelError
from carina.models.folder import WEIGHTS, load_model, model_folder, read_header
from carina.models.registry import MODELS
from carina.zeroshot.ask import LoadedModel
from carina.zeroshot.prompts import choose_prompts
from carina.zeroshot.protocol import ZeroShotModel


def load(
    folder: str | Path, device: str | None = None, *, prompts: str | None = None
) -> LoadedModel:
    """Loads a model that can be asked about findings.

    Args:
        folder: a model folder, or the folder of a finished run.
        device: such as "cpu" or "cuda:1"; by default the first GPU where there is one.
        prompts: a name of `PROMPT_SETS`, for a model that asks by prompts; by default its own.

    Raises:
        ModelError: the folder is incomplete, damaged, of another version, or its model answers
            no queries.
        ConfigError: no prompt set has this name, or the model asks by none.
    """
    path = model_folder(Path(folder))
    module = load_model(path)
    if not isinstance(module, ZeroShotModel):
        raise ModelError(
            f"{path}: its model, {type(module).__name__}, answers no queries. If it is a "
            "stage, name the folder of the whole run; if it is a start, adapt it with `carina "
            "finetune`."
        )
    if prompts is not None:
        choose_prompts(module, prompts)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    module.to(torch.device(chosen))
    told = f"{type(module).__name__} of {path}, weights sha256 {digest_of(path / WEIGHTS)}"
    return LoadedModel(cast(ZeroShotModel, module), path, told)


def digest_of(weights: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256: which weights answered."""
    with weights.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:16]


def answers_queries(folder: Path) -> bool:
    """Whether a model folder holds a model of a kind that `load` takes; no weights are read.

    Raises:
        ModelError: the folder is incomplete, damaged or of another version.
    """
    model_class, _ = MODELS[read_header(model_folder(folder))["model"]].load()
    return hasattr(model_class, "answer")
