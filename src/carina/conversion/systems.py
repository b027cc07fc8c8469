"""Published checkpoints as model folders, by the name of their system."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from torch import nn

from carina.conversion.ecamp import convert_ecamp
from carina.conversion.gloria import convert_gloria
from carina.conversion.kad import convert_kad, convert_kad_text
from carina.conversion.layout import LAYOUTS, Accounted, account
from carina.conversion.maco import convert_maco, write_mae
from carina.conversion.medklip import convert_medklip
from carina.conversion.torchvision import write_safetensors
from carina.encoders.text import TextEncoder
from carina.encoders.tokenizer import load_tokenizer
from carina.errors import ConfigError, ConversionError
from carina.models.folder import save_model
from carina.pretraining.medklip import TrainedFinding

CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a conversion is given, in plain values; systems take what their file lacks.

    Attributes:
        file: the published checkpoint.
        tokenizer: a folder, a file or a name on a hub.
        text_encoder: a BERT's folder or its name on a hub, for MedKLIP.
        findings: a JSON object of names and descriptions in the order of training, for MedKLIP.
        size: side of the input in pixels, for KAD.
    """

    file: Path
    tokenizer: str | None = None
    text_encoder: str | None = None
    findings: Path | None = None
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class System:
    """A system whose published checkpoint becomes a model folder.

    Attributes:
        source: where the weights are published, and the paper.
        takes: the options that it has use for.
        needs: those of them that it cannot do without, and why.
        convert: makes the model.
    """

    source: str
    takes: tuple[str, ...]
    needs: Mapping[str, str]
    convert: Callable[[Given], nn.Module]


def kad(given: Given) -> nn.Module:
    """KAD with a ResNet-50 for 224, 512 or 1024 pixels, or a ViT."""
    return convert_kad(given.file, load_tokenizer(str(given.tokenizer)), size=given.size)


def kad_text(given: Given) -> nn.Module:
    """KAD's knowledge encoder alone."""
    return convert_kad_text(given.file, load_tokenizer(str(given.tokenizer)))


def medklip(given: Given) -> nn.Module:
    """MedKLIP, with the text encoder that its authors took as it was."""
    encoder = TextEncoder.from_bert(str(given.text_encoder), max_tokens=128)
    findings = () if given.findings is None else read_findings(given.findings)
    return convert_medklip(given.file, encoder, findings)


def maco(given: Given) -> nn.Module:
    """MaCo."""
    return convert_maco(given.file, load_tokenizer(str(given.tokenizer)))


def ecamp(given: Given) -> nn.Module:
    """ECAMP."""
    return convert_ecamp(given.file, load_tokenizer(str(given.tokenizer)))


def gloria(given: Given) -> nn.Module:
    """GLoRIA with a ResNet-50."""
    return convert_gloria(given.file, load_tokenizer(str(given.tokenizer)))


NO_TOKENIZER = "the checkpoint has none: {}"
SYSTEMS: dict[str, System] = {
    "kad": System(
        source="github.com/xiaoman-zhang/KAD; Zhang et al., Nature Communications 2023",
        takes=("tokenizer", "size"),
        needs={"tokenizer": NO_TOKENIZER.format("PubMedBERT's vocabulary")},
        convert=kad,
    ),
    "kad-text": System(
        source="github.com/xiaoman-zhang/KAD, stage 1; Zhang et al., Nature Communications 2023",
        takes=("tokenizer",),
        needs={"tokenizer": NO_TOKENIZER.format("PubMedBERT's vocabulary")},
        convert=kad_text,
    ),
    "medklip": System(
        source="github.com/MediaBrain-SJTU/MedKLIP; Wu et al., ICCV 2023",
        takes=("text_encoder", "findings"),
        needs={"text_encoder": "the checkpoint has none: the folder of Bio_ClinicalBERT"},
        convert=medklip,
    ),
    "maco": System(
        source="github.com/SZUHvern/MaCo; Huang et al., Nature Communications 2024",
        takes=("tokenizer",),
        needs={"tokenizer": NO_TOKENIZER.format("the published mimic_wordpiece.json")},
        convert=maco,
    ),
    "ecamp": System(
        source="github.com/ToniChopp/ECAMP; Wang et al., Medical Image Analysis 2025",
        takes=("tokenizer",),
        needs={"tokenizer": NO_TOKENIZER.format("the published mimic_wordpiece.json")},
        convert=ecamp,
    ),
    "gloria": System(
        source="github.com/marshuang80/gloria; Huang et al., ICCV 2021",
        takes=("tokenizer",),
        needs={"tokenizer": NO_TOKENIZER.format("Bio_ClinicalBERT's vocabulary")},
        convert=gloria,
    ),
}
"""Every system by its name on the command line."""

STARTS: dict[str, Callable[[Path, Path], Path]] = {"mae": write_mae, "imagenet": write_safetensors}
"""Published weights that training starts from: written as safetensors, under their own names."""


def convert_to_folder(system: str, given: Given, out: Path) -> Accounted:
    """Writes a published checkpoint as a model folder.

    Args:
        system: a name of `SYSTEMS`.
        given: the file and what it lacks.
        out: the model folder; replaced if it exists.

    Returns:
        What became of every key.

    Raises:
        ConfigError: no system has this name, or an option is missing or of no use to it.
        ConversionError: the file cannot be read or a key is not accounted for.
    """
    chosen = system_of(system)
    check_options(system, chosen, given)
    layout = LAYOUTS[system]
    accounted = account(layout, layout.read(given.file), str(given.file))
    save_model(chosen.convert(given), out, card_of(chosen, given.file, accounted))
    return accounted


def system_of(name: str) -> System:
    """A system by its name.

    Raises:
        ConfigError: there is none.
    """
    if name not in SYSTEMS:
        raise ConfigError(
            f"There is no system {name!r}, expected one of {', '.join((*SYSTEMS, *STARTS))}."
        )
    return SYSTEMS[name]


def check_options(name: str, system: System, given: Given) -> None:
    """Refuses a missing option, and one that would do nothing."""
    for option in ("tokenizer", "text_encoder", "findings", "size"):
        flag, value = f"--{option.replace('_', '-')}", getattr(given, option)
        if value is None and option in system.needs:
            raise ConfigError(f"{name} needs {flag}: {system.needs[option]}.")
        if value is not None and option not in system.takes:
            raise ConfigError(f"{flag} is of no use to {name}. Leave it out.")


def read_findings(path: Path) -> tuple[TrainedFinding, ...]:
    """Names and descriptions of the findings that MedKLIP was trained with, in their order.

    Raises:
        ConversionError: the file is no JSON object of texts.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ConversionError(
            f'{path}: expected a JSON object such as {{"effusion": "a description"}}, its names '
            "in the order of training."
        )
    return tuple(TrainedFinding(name=name, text=text) for name, text in found.items())


def card_of(system: System, file: Path, accounted: Accounted) -> str:
    """The card of a converted model: where it is from, and what became of its keys."""
    left_out = [
        f"- {len(keys)} keys, such as `{keys[0]}`: {why}" for why, keys in accounted.unused.items()
    ]
    return "\n".join(
        (
            "# Published weights",
            "",
            f"- source: {system.source}; the licence is theirs, look it up there",
            f"- file: {file.name}, sha256 {digest_of(file)}",
            f"- converted by carina {version('carina')}; no number was changed",
            f"- {accounted.taken} keys were taken over, aliases among them",
            *left_out,
            "",
            "For research only. Not a medical device.",
            "",
        )
    )


def digest_of(file: Path) -> str:
    """The SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
