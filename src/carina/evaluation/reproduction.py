"""Runs every protocol that the models and the data at hand allow, and keeps what each gave."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from carina.errors import CarinaError, ConfigError
from carina.evaluation.at_hand import AtHand
from carina.evaluation.protocol import FineTuned, Protocol
from carina.evaluation.protocol_run import PROTOCOL
from carina.evaluation.result import RESULT, Evaluation
from carina.evaluation.scoring import has_split
from carina.studies.manifest import Manifest

WEIGHTS = "model.safetensors"
MADE_OF = "made_of"
"""The setting that says what an evaluation was made of, so that it is not made twice."""

CarryOut = Callable[[Protocol, Path, Manifest, Path], tuple[Evaluation, str | None]]
"""Carries a protocol out with a model folder, on a manifest, with a folder for trainings."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One protocol of one model: what was found, or why it was not carried out.

    `model` is the name of the model, `folder` where the evaluation lies.
    """

    protocol: Protocol
    model: str
    evaluation: Evaluation | None = None
    folder: Path | None = None
    reason: str = ""


def reproduce(
    models: Mapping[str, Path],
    data: AtHand,
    protocols: Iterable[Protocol],
    out: Path,
    carry_out: CarryOut,
    made_with: str,
) -> Iterator[Outcome]:
    """Yields every protocol of every model, as it is done; what `out` has is not done again.

    A protocol that this model cannot do, or whose data are not at hand, is yielded with the
    reason, so that the report says what is missing.

    Args:
        models: name -> model folder.
        data: the manifests.
        protocols: which to carry out.
        out: a folder for each model and protocol is made here.
        carry_out: measures one; an error of ours that it raises becomes the reason.
        made_with: all else that decides the numbers, such as the seed; what was made with
            something else is made anew.

    Raises:
        ConfigError: a folder holds no model.
    """
    digests = {name: weights_of(path) for name, path in models.items()}
    for protocol in protocols:
        for name, path in models.items():
            manifest = manifest_for(protocol, data)
            if manifest is None:
                needed = " or ".join(protocol.part.datasets)
                reason = f"no manifest of {needed} at hand"
                yield Outcome(protocol=protocol, model=name, reason=reason)
                continue
            made_of = f"{protocol.name} {digests[name]} {manifest.digest} {made_with}"
            yield outcome_of(protocol, name, path, manifest, out, carry_out, made_of)


def manifest_for(protocol: Protocol, data: AtHand) -> Manifest | None:
    """The first manifest of the protocol's datasets that has the scored part."""
    found = [data.manifests[one] for one in protocol.part.datasets if one in data.manifests]
    split = protocol.part.split
    with_part = (
        one for one in found if split is None or has_split(protocol.part.prepared(one), split)
    )
    return next(with_part, next(iter(found), None))


def outcome_of(
    protocol: Protocol,
    name: str,
    path: Path,
    manifest: Manifest,
    out: Path,
    carry_out: CarryOut,
    made_of: str,
) -> Outcome:
    """One protocol of one model, read where it is there, else carried out and saved."""
    folder = out / name / slug(protocol.name)
    if (folder / RESULT).exists():
        before = Evaluation.read(folder)
        if before.settings.get(MADE_OF) == made_of:
            return Outcome(protocol=protocol, model=name, evaluation=before, folder=folder)
    training = out / "training" / name / training_of(protocol, manifest)
    try:
        evaluation, page = carry_out(protocol, path, manifest, training)
    except CarinaError as error:
        return Outcome(protocol=protocol, model=name, reason=str(error))
    settings = {**evaluation.settings, MADE_OF: made_of}
    evaluation = replace(evaluation, settings=settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    evaluation.save(folder, page)
    return Outcome(protocol=protocol, model=name, evaluation=evaluation, folder=folder)


def training_of(protocol: Protocol, manifest: Manifest) -> str:
    """The folder of a training: protocols of several papers that train alike share it."""
    if not isinstance(protocol.task, FineTuned):
        return "none"
    task = protocol.task
    parts = protocol.part.prepared.__name__
    told = f"{manifest.digest} {task.names} {task.uncertain} {parts}"
    key = hashlib.sha256(told.encode()).hexdigest()[:8]
    return slug(f"{manifest.dataset}-{task.task}@{task.fraction:.0%}-{key}")


def weights_of(folder: Path) -> str:
    """SHA-256 of a model's weights.

    Raises:
        ConfigError: there are none.
    """
    found = [path for path in (folder / WEIGHTS, folder / "model" / WEIGHTS) if path.is_file()]
    if not found:
        raise ConfigError(
            f"{folder}: holds no {WEIGHTS}; expected a model folder, or the folder of a run."
        )
    with found[0].open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def slug(name: str) -> str:
    """A protocol's name as the name of a folder."""
    return name.replace("/", "_").replace("@", "_").removesuffix("%")


def deviations_of(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """Every deviation of the outcomes of one protocol, and the models that it is of."""
    found: dict[str, list[str]] = {}
    for one in outcomes:
        if one.evaluation is not None:
            for line in one.evaluation.settings[PROTOCOL]["deviations"]:
                found.setdefault(line, []).append(one.model)
    return found
