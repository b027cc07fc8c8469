"""Published checkpoints as model folders, by the name of their system."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from carina.conversion.ecamp import convert_ecamp
from carina.conversion.finetuned import (
    ECAMP_224,
    MACO_224,
    convert_classifier,
    convert_detector,
    convert_multiclass,
    convert_segmenter,
)
from carina.conversion.gloria import convert_gloria
from carina.conversion.kad import convert_kad, convert_kad_text
from carina.conversion.layout import LAYOUTS, Accounted, account, systems_of
from carina.conversion.maco import convert_maco
from carina.conversion.medklip import convert_medklip
from carina.conversion.published_keys import lacking
from carina.conversion.starts import STARTS
from carina.conversion.table import shown
from carina.encoders.text import TextEncoder
from carina.encoders.tokenizer import load_tokenizer
from carina.errors import ConfigError, ConversionError
from carina.knowledge.descriptions import JSON, Descriptions
from carina.models.folder import check_replaceable, save_model
from carina.pretraining.medklip import TrainedFinding
from carina.studies.truth import canonical

LOGGER = logging.getLogger(__name__)
CHUNK = 1 << 20
OPTIONS = ("tokenizer", "text_encoder", "findings", "size")
WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a conversion is given, in plain values; systems take what their file lacks.

    Attributes:
        file: the published checkpoint.
        tokenizer: a folder, a file or a name on a hub.
        text_encoder: a BERT's folder or its name on a hub, for MedKLIP.
        findings: a JSON object of names and descriptions in the order of training, for MedKLIP; a
            JSON list of the outputs' names in their order, for fine-tuned models.
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


def maco_classification(given: Given) -> nn.Module:
    """MaCo fine-tuned to tell findings."""
    return convert_classifier(given.file, read_outputs(named(given)), MACO_224)


def ecamp_classification(given: Given) -> nn.Module:
    """ECAMP fine-tuned to tell findings."""
    return convert_classifier(given.file, read_outputs(named(given)), ECAMP_224)


def ecamp_multiclass(given: Given) -> nn.Module:
    """ECAMP fine-tuned to tell classes that exclude one another."""
    return convert_multiclass(given.file, read_outputs(named(given)), ECAMP_224)


def ecamp_segmentation(given: Given) -> nn.Module:
    """ECAMP fine-tuned to draw masks."""
    return convert_segmenter(given.file, read_outputs(named(given)))


def ecamp_detection(given: Given) -> nn.Module:
    """ECAMP fine-tuned to draw boxes."""
    return convert_detector(given.file, read_outputs(named(given)))


def named(given: Given) -> Path:
    """The file of names, which `check_options` made sure of."""
    assert given.findings is not None
    return given.findings


MACO_SOURCE = "github.com/SZUHvern/MaCo; Huang et al., Nature Communications 2024"
ECAMP_SOURCE = "github.com/ToniChopp/ECAMP; Wang et al., Medical Image Analysis 2025"


def finetuned(source: str, convert: Callable[[Given], nn.Module]) -> System:
    """A fine-tuned model, of which only the names of its outputs lack."""
    return System(
        source=f"{source}; fine-tuned",
        takes=("findings",),
        needs={"findings": "a JSON list of the outputs' names in the order of training"},
        convert=convert,
    )


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
        source=MACO_SOURCE,
        takes=("tokenizer",),
        needs={"tokenizer": NO_TOKENIZER.format("the published mimic_wordpiece.json")},
        convert=maco,
    ),
    "ecamp": System(
        source=ECAMP_SOURCE,
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
    "maco-classification": finetuned(MACO_SOURCE, maco_classification),
    "ecamp-classification": finetuned(ECAMP_SOURCE, ecamp_classification),
    "ecamp-multiclass": finetuned(ECAMP_SOURCE, ecamp_multiclass),
    "ecamp-segmentation": finetuned(ECAMP_SOURCE, ecamp_segmentation),
    "ecamp-detection": finetuned(ECAMP_SOURCE, ecamp_detection),
}
"""Every system by its name on the command line."""


def convert_to_folder(system: str, given: Given, out: Path) -> Accounted:
    """Writes a published checkpoint as a model folder.

    Args:
        system: a name of `SYSTEMS`.
        given: the file and what it lacks.
        out: the model folder: new, empty, or an earlier model, which is replaced.

    Returns:
        What became of every key.

    Raises:
        ConfigError: no system has this name, or an option is missing or of no use to it.
        ConversionError: the file cannot be read or a key is not accounted for.
        OutputError: `out` holds something else, or cannot be written.
    """
    chosen = system_of(system)
    check_options(system, chosen, given)
    check_replaceable(out)
    checkpoint = LAYOUTS[system].read(given.file)
    accounted = accounted_for(system, checkpoint, str(given.file))
    check_vocabulary(checkpoint, given)
    model = chosen.convert(given)
    lacks = lacking(system, checkpoint)
    if lacks:
        LOGGER.warning(
            "The file lacks %d weights that the authors' networks have, those that become %s: is "
            "it whole? With fewer layers every answer is another.",
            len(lacks),
            shown(lacks),
        )
    save_model(model, out, card_of(chosen, given.file, accounted, lacks))
    return accounted


def accounted_for(system: str, checkpoint: Mapping[str, Any], where: str) -> Accounted:
    """What becomes of every key of a checkpoint.

    Raises:
        ConversionError: it is of another system, which is named, or of none.
    """
    try:
        return account(LAYOUTS[system], checkpoint, where)
    except ConversionError as error:
        others = systems_of(checkpoint, where)
        if not others:
            raise
        raise ConversionError(
            f"{where}: holds a checkpoint of {' or '.join(others)}, expected one of {system}. "
            f"Convert it by `carina convert {others[0]} ...`."
        ) from error


def check_vocabulary(checkpoint: Mapping[str, Any], given: Given) -> None:
    """Refuses a tokenizer with more pieces than the checkpoint knows, and warns of one with fewer.

    With another vocabulary a model answers, and every answer is wrong; but word embeddings may
    have been made longer than their vocabulary, for speed.

    Raises:
        ConversionError: it has more.
    """
    if given.tokenizer is None:
        return
    states = [state for state in checkpoint.values() if isinstance(state, dict)]
    found = [v for one in states for k, v in one.items() if str(k).endswith(WORD_EMBEDDINGS)]
    known = [len(v) for v in found if isinstance(v, Tensor) and v.ndim == 2]
    pieces = load_tokenizer(given.tokenizer).get_vocab_size()
    if known and pieces > known[0]:
        raise ConversionError(
            f"{given.tokenizer}: has {pieces:,} word pieces, but {given.file} knows {known[0]:,}. "
            "Give the tokenizer that the authors trained with."
        )
    if known and pieces < known[0]:
        LOGGER.warning(
            "The tokenizer has %d word pieces, the checkpoint %d: is it the authors'? With another "
            "one every answer is wrong.",
            pieces,
            known[0],
        )


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
    for option in OPTIONS:
        flag, value = f"--{option.replace('_', '-')}", getattr(given, option)
        if value is None and option in system.needs:
            raise ConfigError(f"{name} needs {flag}: {system.needs[option]}.")
        if value is not None and option not in system.takes:
            raise ConfigError(f"{flag} is of no use to {name}. Leave it out.")


def check_nothing_given(given: Given, whom: str) -> None:
    """Refuses every option where none is of use.

    Raises:
        ConfigError: names one that is given.
    """
    for option in OPTIONS:
        if getattr(given, option) is not None:
            flag = f"--{option.replace('_', '-')}"
            raise ConfigError(f"{flag} is of no use to {whom}. Leave it out.")


def read_findings(path: Path) -> tuple[TrainedFinding, ...]:
    """Names and descriptions of the findings that MedKLIP was trained with, in their order.

    A name that the official file misspells is mended: else no question would find its text.

    Raises:
        ConversionError: the file is no JSON object of names and texts.
        KnowledgeError: one is blank or twice.
    """
    if path.suffix != JSON:
        raise ConversionError(
            f'{path}: expected a JSON file (.json) of one object such as {{"effusion": "a '
            'description"}, its names in the order of training.'
        )
    return tuple(TrainedFinding(name=one.name, text=one.text) for one in Descriptions.read(path))


def read_outputs(path: Path) -> tuple[str, ...]:
    """What the outputs of a fine-tuned model are called, in their order and in canonical form.

    Raises:
        ConversionError: the file is no JSON list of different names.
    """
    found = read_json(path)
    listed = found if isinstance(found, list) else []
    names = tuple(canonical(name) for name in listed if isinstance(name, str))
    if not names or len(names) < len(listed) or "" in names:
        raise ConversionError(
            f'{path}: expected a JSON list of names such as ["atelectasis", "effusion"], in the '
            "order of training."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConversionError(f"{path}: names {twice[0]!r} twice. Name every output once.")
    return names


def read_json(path: Path) -> object:
    """What a JSON file holds."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path}: cannot be read as JSON ({error}).") from error


def card_of(system: System, file: Path, accounted: Accounted, lacks: Sequence[str]) -> str:
    """The card of a converted model: where it is from, and what became of its keys."""
    whole = f"- it lacks {len(lacks)} weights of the authors' networks: {shown(lacks)}"
    left_out = [
        f"- {len(keys)} keys, such as `{keys[0]}`: {why}" for why, keys in accounted.unused.items()
    ]
    return "\n".join(
        (
            "# Published weights",
            "",
            f"- source: {system.source}; the licence is theirs, look it up there",
            f"- file: {file.name}, sha256 {digest_of(file)}",
            f"- converted by carina {version('carina')}; its numbers, in single precision",
            f"- {accounted.taken} keys were taken over, aliases among them",
            *left_out,
            *((whole,) if lacks else ()),
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
