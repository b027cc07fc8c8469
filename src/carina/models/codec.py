"""Configs as JSON and back.

A config is a tree of frozen dataclasses, tuples, enums and plain values. Each dataclass is
written with its class name under "class"; reading follows the field's annotation, so only the
classes that the annotation allows can come back, and nothing is executed.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any

from carina.errors import ModelError

Json = None | bool | int | float | str | list[Any] | dict[str, Any]


def to_json(value: Any) -> Json:
    """A config as values that JSON can hold.

    Raises:
        ModelError: it holds something else, such as a function.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        fields = {
            field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
        return {"class": type(value).__name__, **fields}
    raise ModelError(f"{value!r} of type {type(value).__name__} cannot be written as JSON.")


def from_json(kind: Any, value: Json, where: str = "config") -> Any:
    """The value of type `kind` that `value` stands for.

    Raises:
        ModelError: names the place where the JSON does not fit.
    """
    choices = union_members(kind)
    if value is None and type(None) in choices:
        return None
    for choice in choices:
        if fits(choice, value):
            return build(choice, value, where)
    names = " or ".join(getattr(choice, "__name__", str(choice)) for choice in choices)
    found = value.get("class", "an object") if isinstance(value, dict) else repr(value)
    raise ModelError(
        f"{where}: found {found}, expected {names}. The folder was written by another version of "
        "carina, or changed by hand."
    )


def union_members(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return (kind,)


def fits(kind: Any, value: Json) -> bool:
    """Whether a JSON value can be read as `kind`."""
    if dataclasses.is_dataclass(kind):
        return isinstance(value, dict) and value.get("class") == getattr(kind, "__name__", "")
    if typing.get_origin(kind) is tuple:
        return isinstance(value, list)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return value in [member.value for member in kind]
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(kind, type) and isinstance(value, kind)


def build(kind: Any, value: Any, where: str) -> Any:
    """Makes a value of a type that fits."""
    if dataclasses.is_dataclass(kind):
        return build_dataclass(kind, value, where)
    if typing.get_origin(kind) is tuple:
        return build_tuple(kind, value, where)
    return kind(value)


def build_tuple(kind: Any, value: list[Any], where: str) -> tuple[Any, ...]:
    """A tuple of one type and any length, or of fixed types."""
    members = typing.get_args(kind)
    if len(members) == 2 and members[1] is Ellipsis:
        members = (members[0],) * len(value)
    if len(members) != len(value):
        raise ModelError(f"{where}: found {len(value)} values, expected {len(members)}.")
    return tuple(
        from_json(member, item, f"{where}[{place}]")
        for place, (member, item) in enumerate(zip(members, value, strict=True))
    )


def build_dataclass(kind: Any, value: dict[str, Any], where: str) -> Any:
    """A dataclass whose fields are exactly those written."""
    hints = typing.get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}
    found = set(value) - {"class"}
    if found != names:
        odd = ", ".join(sorted(found ^ names))
        raise ModelError(
            f"{where}: {kind.__name__} has other fields than this version of carina knows ({odd}). "
            "Load the folder with the version that wrote it (see `carina` in its config.json)."
        )
    return kind(**{name: from_json(hints[name], value[name], f"{where}.{name}") for name in names})
