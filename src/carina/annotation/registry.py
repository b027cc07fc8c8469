"""The sources of entities and the distillers by name, and how one is made from options."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carina.annotation.distillation import Distiller, ModelDistiller, RuleDistiller
from carina.annotation.language_model import LanguageModel
from carina.annotation.radgraph import RadGraphFiles, RadGraphPackage
from carina.annotation.rules import Rules
from carina.annotation.source import Source
from carina.annotation.umls import Umls
from carina.annotation.written import WrittenEntities
from carina.annotation.written_distillation import WrittenDistiller
from carina.errors import ConfigError

SOURCES: dict[str, type[Source]] = {
    "rules": Rules,
    "umls": Umls,
    "radgraph": RadGraphFiles,
    "radgraph-package": RadGraphPackage,
    "llm": LanguageModel,
}
"""Every source of entities by the name that the command line gives it."""

DISTILLERS: dict[str, type[Distiller]] = {
    "rules": RuleDistiller,
    "llm": ModelDistiller,
    "file": WrittenDistiller,
}
"""Every way to distil reports by the name that the command line gives it."""


def make_pair(
    names: tuple[str, str], given: Mapping[str, object], otherwise: Mapping[str, object]
) -> tuple[Source, Source]:
    """Two sources to be compared, each a name of `SOURCES` or the file of an annotated manifest.

    Raises:
        ConfigError: one is neither, or an option cannot be used.
    """
    for name in names:
        if name not in SOURCES and not Path(name).is_file():
            raise ConfigError(
                f"{name!r} is neither a source of entities ({', '.join(SOURCES)}) nor the file of "
                "an annotated manifest. Name two of these to compare."
            )
    asked = [name for name in names if name in SOURCES]
    made = iter(make_sources(asked, given, otherwise))
    first, second = (
        next(made) if name in SOURCES else WrittenEntities(manifest=Path(name)) for name in names
    )
    return first, second


def make_sources(
    names: Sequence[str], given: Mapping[str, object], otherwise: Mapping[str, object]
) -> tuple[Source, ...]:
    """Makes sources; each takes the options that are fields of its class.

    Args:
        names: of `SOURCES`.
        given: what the user asked for; every option must belong to one of the sources.
        otherwise: taken by the sources that have such a field and were not given it.

    Raises:
        ConfigError: a name or an option that no source has, one that is needed and missing, or
            a value that cannot work.
    """
    kinds = {name: find_source(name) for name in names}
    refuse_unknown(kinds, given)
    options = {**otherwise, **given}
    return tuple(kinds[name](**settings(kinds[name], name, options)) for name in names)


def make_distiller(
    name: str, given: Mapping[str, object], otherwise: Mapping[str, object]
) -> Distiller:
    """Makes a distiller of the options that are fields of its class, as `make_sources` does.

    Raises:
        ConfigError: there is none of that name, an option is not its own, is needed and missing,
            or has a value that cannot work.
    """
    if name not in DISTILLERS:
        raise ConfigError(
            f"there is no way {name!r} to distil reports; known are {', '.join(DISTILLERS)}. "
            "Name one of these."
        )
    kind = DISTILLERS[name]
    refuse_unknown({name: kind}, given)
    return kind(**settings(kind, name, {**otherwise, **given}))


def refuse_unknown(kinds: Mapping[str, type], given: Mapping[str, object]) -> None:
    """Refuses options that none of some classes has.

    Raises:
        ConfigError: there is one.
    """
    known = {field for kind in kinds.values() for field in fields_of(kind)}
    for name in given:
        if name not in known:
            takes = ", ".join(sorted(map(option, known)))
            raise ConfigError(
                f"{option(name)} is no option of {' or '.join(kinds) or 'annotated manifests'}, "
                f"which take {takes or 'none'}. Leave it out, or name another source."
            )


def find_source(name: str) -> type[Source]:
    """The class of a source.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in SOURCES:
        raise ConfigError(
            f"there is no source of entities {name!r}; known are {', '.join(SOURCES)}. "
            "Name one of these."
        )
    return SOURCES[name]


def settings(kind: type, name: str, options: Mapping[str, object]) -> dict[str, Any]:
    """The options that are fields of a class.

    Raises:
        ConfigError: one is needed and missing.
    """
    fields = fields_of(kind)
    missing = [field for field, needed in fields.items() if needed and field not in options]
    if missing:
        raise ConfigError(
            f"the source {name} needs {' and '.join(map(option, missing))}. Add "
            f"{'it' if len(missing) == 1 else 'them'}; docs/sources.md has examples."
        )
    return {field: options[field] for field in fields if field in options}


def fields_of(kind: type) -> dict[str, bool]:
    """The settings of a source, and whether each must be given."""
    assert dataclasses.is_dataclass(kind)
    return {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(kind)}


def option(name: str) -> str:
    """A setting as the command line spells it."""
    return "--" + name.replace("_", "-")
