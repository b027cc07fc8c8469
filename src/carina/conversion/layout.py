"""How published checkpoints are laid out: their parts, key tables, and the way back.

A key table gives every official key our name, or says why it is left out. Read the other way, with
a published file at hand, it writes one of our models under the official names: aliases, prefixes
and tensors that our models do without come from that file.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from carina.conversion.ecamp import TABLE as ECAMP_TABLE
from carina.conversion.finetuned import CLASSIFIER_TABLE, DETECTOR_TABLE, SEGMENTER_TABLE
from carina.conversion.gloria import TABLE as GLORIA_TABLE
from carina.conversion.kad import DECODER_TABLE, TEXT_TABLE, VIT_TABLE, resnet_table, stages_of
from carina.conversion.lightning import read_lightning
from carina.conversion.maco import TABLE as MACO_TABLE
from carina.conversion.medklip import TABLE as MEDKLIP_TABLE
from carina.conversion.table import BARE, COUNTER, WRAPPED, WRAPS, Rule, part, read_parts
from carina.errors import ConversionError, OutputError
from carina.files import atomic_path

Table = Callable[[Mapping[str, Tensor]], Sequence[Rule]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One state dict of a checkpoint.

    Attributes:
        names: under which of these it is kept; the first that is there. `BARE` is a file with
            nothing around it.
        table: the key table, given the state dict without "module.".
        prefix: what our model puts before the names of the table.
    """

    names: tuple[str, ...]
    table: Table
    prefix: str = ""

    def name_in(self, checkpoint: Mapping[str, Any]) -> str:
        """Under which name a checkpoint keeps it; the last where it has none."""
        return next((name for name in self.names if name in checkpoint), self.names[-1])


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The parts of a system's checkpoint.

    Attributes:
        parts: all that hold weights of the model.
        read: reads a file, executing nothing.
        ours_only: beginnings of names that no official file has, such as a text encoder that is
            published elsewhere.
    """

    parts: tuple[Part, ...]
    read: Callable[[Path], dict[str, Any]] = read_parts
    ours_only: tuple[str, ...] = ()


def always(table: Sequence[Rule]) -> Table:
    """A table that is the same for every checkpoint."""
    return lambda state: table


def kad_image_table(state: Mapping[str, Tensor]) -> Sequence[Rule]:
    """The table of KAD's image encoder, told by its keys."""
    if any("class_token" in key for key in state):
        return VIT_TABLE
    return resnet_table(stages_of(state))


def one_part(
    table: Sequence[Rule],
    *ours_only: str,
    read: Callable[[Path], dict[str, Any]] = read_parts,
) -> Layout:
    """A state dict with or without something around it."""
    return Layout(parts=(Part(names=WRAPS, table=always(table)),), read=read, ours_only=ours_only)


KAD_TEXT = Part(names=("text_encoder",), table=always(TEXT_TABLE), prefix="text_encoder.")
LAYOUTS = {
    "kad": Layout(
        parts=(
            Part(names=("image_encoder",), table=kad_image_table, prefix="image_encoder."),
            KAD_TEXT,
            Part(names=("model",), table=always(DECODER_TABLE)),
        )
    ),
    "kad-text": Layout(
        parts=(Part(names=(BARE, "state_dict", "text_encoder"), table=always(TEXT_TABLE)),)
    ),
    "medklip": one_part(MEDKLIP_TABLE, "text_encoder.", "finding_features"),
    "maco": one_part(MACO_TABLE),
    "ecamp": one_part(ECAMP_TABLE),
    "gloria": one_part(GLORIA_TABLE, read=read_lightning),
    "maco-classification": one_part(CLASSIFIER_TABLE, "scale."),
    "ecamp-classification": one_part(CLASSIFIER_TABLE, "scale."),
    "ecamp-multiclass": one_part(CLASSIFIER_TABLE, "scale."),
    "ecamp-segmentation": one_part(SEGMENTER_TABLE, "thresholds"),
    "ecamp-detection": one_part(DETECTOR_TABLE),
}
"""Every layout by the name on the command line."""


@dataclass(frozen=True, kw_only=True)
class Accounted:
    """What became of a checkpoint's keys.

    `taken` counts keys with a name of ours, aliases among them; `unused` is reason -> keys.
    """

    taken: int
    unused: Mapping[str, tuple[str, ...]]


BESIDE = "beside the weights in the file, no part of this model"


def account(layout: Layout, checkpoint: Mapping[str, Any], where: str) -> Accounted:
    """Goes through every key of a checkpoint's parts, and names what is beside them.

    Raises:
        ConversionError: a part is missing, or a key is in no table.
    """
    taken, unused = 0, dict[str, list[str]]()
    for one in layout.parts:
        state = part(checkpoint, one.name_in(checkpoint), where)
        found = account_keys(state, one.table(state), where)
        taken += found.taken
        for why, keys in found.unused.items():
            unused.setdefault(why, []).extend(keys)
    parts = {one.name_in(checkpoint) for one in layout.parts}
    beside = [str(name) for name in checkpoint if name not in parts]
    if beside:
        unused[BESIDE] = beside
    return Accounted(taken=taken, unused={why: tuple(keys) for why, keys in unused.items()})


def account_keys(keys: Iterable[str], table: Sequence[Rule], where: str) -> Accounted:
    """Goes through some keys.

    Raises:
        ConversionError: one is in no line of the table.
    """
    taken, unused = 0, dict[str, list[str]]()
    for key in keys:
        rule = rule_of(key, table, where)
        if rule.name is None:
            unused.setdefault(rule.reason, []).append(key)
        else:
            taken += 1
    return Accounted(taken=taken, unused={why: tuple(keys) for why, keys in unused.items()})


def systems_of(checkpoint: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The systems to whose layout every state dict of a checkpoint belongs, for a message."""
    return tuple(name for name, layout in LAYOUTS.items() if belongs(layout, checkpoint, where))


def belongs(layout: Layout, checkpoint: Mapping[str, Any], where: str) -> bool:
    """Whether a layout has a place for every key of a checkpoint's state dicts, and no place empty.

    A ViT alone has only keys that most systems have.
    """
    states = {
        name
        for name, value in checkpoint.items()
        if isinstance(value, dict) and value and all(isinstance(v, Tensor) for v in value.values())
    }
    parts = {one.name_in(checkpoint): one for one in layout.parts}
    if not states <= parts.keys():
        return False
    try:
        account(layout, checkpoint, where)
    except ConversionError:
        return False
    return all(
        filled(one.table(state), state)
        for one, state in ((one, part(checkpoint, name, where)) for name, one in parts.items())
    )


def filled(table: Sequence[Rule], state: Mapping[str, Tensor]) -> bool:
    """Whether every line of a table that gives a name has a key."""
    return all(
        any(re.fullmatch(rule.pattern, key) for key in state)
        for rule in table
        if rule.name is not None
    )


def to_official(
    layout: Layout, model: nn.Module, checkpoint: Mapping[str, Any], where: str
) -> dict[str, dict[str, Tensor]]:
    """A model's weights under the official names.

    Args:
        layout: of the system.
        model: one of ours; not all of its tensors may be missing from the official names.
        checkpoint: a published one, whose keys are taken, with their aliases and prefixes, and
            the tensors that our models do without.
        where: what errors call the checkpoint.

    Returns:
        The parts with weights; what else a checkpoint holds, such as the state of the optimiser,
        belongs to other weights and is left out.

    Raises:
        ConversionError: a key is in no table, a tensor is of another size, or the official names
            have no place for one of ours.
    """
    ours = separate_attention(model.state_dict())
    written: dict[str, dict[str, Tensor]] = {}
    used: set[str] = set()
    for one in layout.parts:
        name = one.name_in(checkpoint)
        table = one.table(part(checkpoint, name, where))
        official = written.setdefault(name, {})
        for raw, value in checkpoint[name].items():
            ours_name = our_name(raw.removeprefix(WRAPPED), one, table, where)
            if ours_name is None:
                official[raw] = value
                continue
            official[raw] = fitting(ours, ours_name, value, f"{where}: {raw}")
            used.add(ours_name)
    check_all_written(ours, used, layout, where)
    return written


def write_official(
    layout: Layout, model: nn.Module, like: Path, target: Path
) -> dict[str, dict[str, Tensor]]:
    """Writes `to_official` as a file that the official code loads.

    It is a pickle, since that code reads nothing else; it holds tensors alone.

    Raises:
        ConversionError: see `to_official`, or `like` cannot be read.
        OutputError: `target` is `like`, or cannot be written.
    """
    check_other_file(target, like)
    written = to_official(layout, model, layout.read(like), str(like))
    with atomic_path(target) as temporary:
        torch.save(written.get(BARE, written), temporary)
    return written


def check_other_file(out: Path, *read: Path) -> None:
    """Refuses to write a file over one that is read.

    Raises:
        OutputError: it is one of them.
    """
    for path in read:
        if out.resolve() == path.resolve():
            raise OutputError(
                f"{out}: is the file that is read, expected another. Nothing was written; name "
                "another file."
            )


def our_name(key: str, one: Part, table: Sequence[Rule], where: str) -> str | None:
    """Our name of an official key, or None where it is left out."""
    rule = rule_of(key, table, where)
    if rule.name is None:
        return None
    found = re.fullmatch(rule.pattern, key)
    assert found is not None
    return one.prefix + found.expand(rule.name)


def rule_of(key: str, table: Sequence[Rule], where: str) -> Rule:
    """The first line of a table that fits a key."""
    for rule in table:
        if re.fullmatch(rule.pattern, key):
            return rule
    raise ConversionError(
        f"{where}: the key {key} is in no table. The checkpoint is of another system or version."
    )


def fitting(ours: Mapping[str, Tensor], name: str, value: Tensor, where: str) -> Tensor:
    """Our tensor of a name, of the official shape."""
    if name not in ours:
        raise ConversionError(
            f"{where}: the model has no {name}. Give a published file of the same size and kind."
        )
    if ours[name].shape != value.shape:
        raise ConversionError(
            f"{where}: is {tuple(value.shape)}, the model's {name} {tuple(ours[name].shape)}. "
            "Give a published file of the same size."
        )
    # A copy: two official names of one tensor must not share memory with the model.
    written = ours[name].detach().cpu().clone()
    narrow = written.to(value.dtype)  # of a file in half precision; once trained on, no more
    return narrow if torch.equal(narrow.to(written.dtype), written) else written


def separate_attention(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with matrices for queries, keys and values beside the one that joins them.

    KAD's ViT has three, MaCo's and ECAMP's have one.
    """
    separate = dict(state)
    for key, value in state.items():
        if ".attn.qkv." in key:
            for letter, third in zip("qkv", value.chunk(3), strict=True):
                separate[key.replace(".attn.qkv.", f".attn.{letter}.")] = third
    return separate


def check_all_written(
    ours: Mapping[str, Tensor], used: set[str], layout: Layout, where: str
) -> None:
    """Refuses to lose a tensor of ours."""
    joined = {re.sub(r"\.attn\.[qkv]\.", ".attn.qkv.", key) for key in used}
    for key in ours:
        pieces = re.sub(r"\.attn\.[qkv]\.", ".attn.qkv.", key)
        ours_alone = key.startswith(layout.ours_only) or key.endswith(COUNTER)
        if pieces not in joined and not ours_alone:
            raise ConversionError(
                f"{where}: has no place for {key} of the model. Give a published file of the same "
                "size and kind."
            )
