"""Settings changed by name: `--set alignment.training.steps=2`, or just `--set steps=2`."""

import dataclasses
import difflib
import enum
import types
import typing
from collections.abc import Sequence
from typing import Any

from carina.errors import ConfigError
from carina.recipes.recipe import Recipe

PLAIN_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    types.NoneType: "none",
}
"""What is expected, in a message, of each plain type."""

Path = tuple[str, ...]


def with_settings(recipe: Recipe, assignments: Sequence[str]) -> Recipe:
    """The recipe with settings changed.

    Args:
        recipe: is not changed.
        assignments: `key=value` each. A key is the end of a setting's dotted path, which begins
            with the stage: `steps` sets the steps of every stage, `alignment.training.steps`
            those of one.

    Raises:
        ConfigError: a key fits no setting (close ones are named), or a value not its type.
    """
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--set {assignment}: expected key=value.")
        recipe = with_setting(recipe, key.strip(), text.strip())
    return recipe


def with_setting(recipe: Recipe, key: str, text: str) -> Recipe:
    """The recipe with one assignment carried out wherever its key fits."""
    wanted = tuple(key.split("."))
    paths = [
        (stage.name, *path)
        for stage in recipe.stages
        for path in settings_of(stage)
        if (stage.name, *path)[-len(wanted) :] == wanted
    ]
    if not paths:
        raise ConfigError(unknown_setting(recipe, key))
    stages = list(recipe.stages)
    for place, stage in enumerate(stages):
        for path in paths:
            if path[0] == stage.name:
                stages[place] = replaced(stages[place], path[1:], text, key)
    return dataclasses.replace(recipe, stages=tuple(stages))


def settings_of(config: Any) -> list[Path]:
    """The paths of all plain settings below a config, and of those that are None."""
    paths: list[Path] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            paths += [(field.name, *path) for path in settings_of(value)]
        else:
            paths.append((field.name,))
    return paths


def unknown_setting(recipe: Recipe, key: str) -> str:
    """The message for a key that fits nothing, with those it may have meant."""
    paths = [
        ".".join((stage.name, *path)) for stage in recipe.stages for path in settings_of(stage)
    ]
    ends = {path.split(".")[-1] for path in paths}
    close = difflib.get_close_matches(
        key.rsplit(".", maxsplit=1)[-1], sorted(ends), n=3, cutoff=0.5
    )
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    return (
        f"--set {key}: recipe {recipe.name} has no such setting.{hint} "
        f"All of them: {', '.join(sorted(paths))}."
    )


def replaced(config: Any, path: Path, text: str, key: str) -> Any:
    """A config with the setting at `path` read from `text`."""
    name, rest = path[0], path[1:]
    if rest:
        value = replaced(getattr(config, name), rest, text, key)
    else:
        value = parsed(typing.get_type_hints(type(config))[name], text, key)
    return dataclasses.replace(config, **{name: value})


def parsed(kind: Any, text: str, key: str) -> Any:
    """A value of type `kind` from text.

    Raises:
        ConfigError: the text is no such value.
    """
    members = (
        typing.get_args(kind)
        if typing.get_origin(kind) in (typing.Union, types.UnionType)
        else (kind,)
    )
    if text.lower() == "none" and type(None) in members:
        return None
    for member in members:
        try:
            return parsed_as(member, text)
        except (ValueError, TypeError):
            continue
    names = " or ".join(
        PLAIN_NAMES.get(member, getattr(member, "__name__", str(member))) for member in members
    )
    raise ConfigError(f"--set {key}={text}: expected {names}.")


def parsed_as(kind: Any, text: str) -> Any:
    """A value of one plain type from text; raises ValueError or TypeError where it is none."""
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if typing.get_origin(kind) is tuple:
        members = typing.get_args(kind)
        parts = [part.strip() for part in text.split(",")]
        if len(members) == 2 and members[1] is Ellipsis:
            members = (members[0],) * len(parts)
        if len(members) != len(parts):
            raise ValueError(text)
        return tuple(parsed_as(m, part) for m, part in zip(members, parts, strict=True))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        by_name = {member.name.lower(): member for member in kind}
        return by_name.get(text.lower()) or kind(text)
    if kind in (int, float, str):
        return kind(text)
    raise TypeError(kind)
