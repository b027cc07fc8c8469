"""The columns of a manifest, and how a study becomes a row and a row a study."""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import polars as pl

from carina.study import (
    Assertion,
    Box,
    Change,
    Entity,
    EntityKind,
    Finding,
    Mask,
    Radiograph,
    Report,
    Severity,
    Study,
    Triplet,
)

ColumnType = Any
"""A polars type. It has no name that both the type checker and the checks in tests accept."""

SPLITS = ("train", "validate", "test")
"""The names a split may have."""

_RADIOGRAPH = {"path": pl.String, "view": pl.String, "width": pl.Int64, "height": pl.Int64}
_FINDING = {"name": pl.String, "value": pl.String}
_BOX = {
    "radiograph": pl.Int64,
    "label": pl.String,
    "phrase": pl.String,
    "reader": pl.String,
    "x1": pl.Float64,
    "y1": pl.Float64,
    "x2": pl.Float64,
    "y2": pl.Float64,
}
_MASK = {"radiograph": pl.Int64, "label": pl.String, "reader": pl.String, "path": pl.String}
_SEVERITY = {"name": pl.String, "reader": pl.String, "value": pl.Float64}
_ENTITY = {
    "name": pl.String,
    "text": pl.String,
    "kind": pl.String,
    "assertion": pl.String,
    "start": pl.Int64,
    "end": pl.Int64,
    "section": pl.String,
    "place": pl.String,
    "severity": pl.String,
    "change": pl.String,
}
_TRIPLET = {"entity": pl.String, "position": pl.String, "exists": pl.String}

COLUMNS: dict[str, ColumnType] = {
    "study_id": pl.String(),
    "patient_id": pl.String(),
    "split": pl.String(),
    "source": pl.String(),
    "report": pl.String(),
    "radiographs": pl.List(pl.Struct(_RADIOGRAPH)),
    "findings": pl.List(pl.Struct(_FINDING)),
    "boxes": pl.List(pl.Struct(_BOX)),
    "masks": pl.List(pl.Struct(_MASK)),
    "severity": pl.List(pl.Struct(_SEVERITY)),
    "sex": pl.String(),
    "age": pl.Float64(),
    "licence": pl.String(),
}
"""The columns that every manifest has, in order, with their types."""

ANNOTATED: dict[str, ColumnType] = {
    "entities": pl.List(pl.Struct(_ENTITY)),
    "triplets": pl.List(pl.Struct(_TRIPLET)),
    "distilled": pl.String(),
}
"""The columns that only an annotated manifest has."""

WORDS: dict[tuple[str, str], type[StrEnum]] = {
    ("findings", "value"): Assertion,
    ("entities", "kind"): EntityKind,
    ("entities", "assertion"): Assertion,
    ("entities", "change"): Change,
    ("triplets", "exists"): Assertion,
}
"""The fields of nested columns that only hold the words of an enumeration."""

OPTIONAL = frozenset({("entities", "change")})
"""Those of `WORDS` that may be null, and that manifests of version 0.1 do not have."""

ITEMS: dict[str, type[Any]] = {
    "radiographs": Radiograph,
    "findings": Finding,
    "boxes": Box,
    "masks": Mask,
    "severity": Severity,
    "entities": Entity,
    "triplets": Triplet,
}
"""What an item of each nested column is."""

NEEDED: dict[str, tuple[str, ...]] = {
    name: tuple(each.name for each in fields(item) if each.default is MISSING)
    for name, item in ITEMS.items()
}
"""The fields of nested columns that may not be null."""

ItemT = TypeVar("ItemT")

_FLAT: dict[str, Callable[[Study], Any]] = {
    "study_id": lambda study: study.study_id,
    "patient_id": lambda study: study.patient_id,
    "split": lambda study: study.split,
    "source": lambda study: study.source,
    "report": lambda study: study.report.text,
    "sex": lambda study: study.sex,
    "age": lambda study: study.age_years,
    "licence": lambda study: study.licence,
    "distilled": lambda study: study.report.distilled,
}
_NESTED: dict[str, Callable[[Study], tuple[Any, ...] | None]] = {
    "radiographs": lambda study: study.radiographs,
    "findings": lambda study: study.findings,
    "boxes": lambda study: study.boxes,
    "masks": lambda study: study.masks,
    "severity": lambda study: study.severity,
    "entities": lambda study: study.report.entities,
    "triplets": lambda study: study.report.triplets,
}


def frame_of(studies: Sequence[Study]) -> pl.DataFrame:
    """One row a study; the annotation columns are there when any report has been annotated."""
    columns = []
    for name, kind in (COLUMNS | ANNOTATED).items():
        cells = [(_FLAT.get(name) or _NESTED[name])(study) for study in studies]
        if name in COLUMNS or any(cell is not None for cell in cells):
            column = pl.Series if name in _FLAT else _nested
            columns.append(column(name, cells, kind))
    return pl.DataFrame(columns)


def _nested(name: str, cells: Sequence[tuple[Any, ...] | None], kind: ColumnType) -> pl.Series:
    """A column of lists, built field by field: a dictionary for each item is ten times slower."""
    rows = [row for row, cell in enumerate(cells) for _ in cell or ()]
    items = [item for cell in cells for item in cell or ()]
    parts = {
        field.name: pl.Series(
            [_plain(getattr(item, field.name)) for item in items], dtype=field.dtype
        )
        for field in kind.inner.fields
    }
    lists = (
        pl.DataFrame({"row": pl.Series(rows, dtype=pl.Int64), **parts})
        .select("row", pl.struct(*parts).alias(name))
        .group_by("row", maintain_order=True)
        .agg(name)
    )
    known = pl.Series([cell is not None for cell in cells], dtype=pl.Boolean)
    every = pl.DataFrame({"row": pl.Series(range(len(cells)), dtype=pl.Int64), "known": known})
    joined = every.join(lists, on="row", how="left", maintain_order="left")
    empty = pl.lit(pl.Series([[]], dtype=kind)).first()
    filled = pl.when("known").then(pl.coalesce(pl.col(name).cast(kind), empty))
    return joined.select(filled.alias(name)).to_series()


def _plain(value: Any) -> Any:
    """The bare string of an enumeration's member: polars takes no subclass of str."""
    return value.value if isinstance(value, StrEnum) else value


def with_later_fields(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with null in the fields that its manifest was written too early to have."""
    for name, field in OPTIONAL:
        kind = frame.schema.get(name)
        inner = getattr(kind, "inner", None)
        if not isinstance(inner, pl.Struct) or field in {known.name for known in inner.fields}:
            continue
        unknown = pl.lit(None, dtype=pl.String).alias(field)
        filled = pl.col(name).list.eval(pl.element().struct.with_fields(unknown))
        frame = frame.with_columns(filled)
    return frame


def studies_of(frame: pl.DataFrame) -> tuple[Study, ...]:
    """The studies of a checked frame, in its order.

    Equal findings and triplets are one object: they are frozen, and a release of 300,000
    studies repeats a few hundred of them millions of times.
    """
    cells = {name: _cells(frame, name) for name in COLUMNS | ANNOTATED}
    reports = _objects(
        Report,
        text=[text or "" for text in cells["report"]],
        **{name: cells[name] for name in ANNOTATED},
    )
    return _objects(
        Study,
        **{name: cells[name] for name in ("study_id", "patient_id", "split", "sex", "licence")},
        **{name: [cell or () for cell in cells[name]] for name in _NESTED if name in COLUMNS},
        source=[source or "" for source in cells["source"]],
        age_years=cells["age"],
        report=reports,
    )


def _objects(make: Callable[..., ItemT], **columns: Sequence[Any]) -> tuple[ItemT, ...]:
    """One object for each place of the columns."""
    names = tuple(columns)
    rows = zip(*columns.values(), strict=True)
    return tuple(make(**dict(zip(names, row, strict=True))) for row in rows)


def _shared(make: Callable[..., ItemT], **columns: Sequence[Any]) -> tuple[ItemT, ...]:
    """One object for each place of the columns, the same one for equal fields."""
    rows = list(zip(*columns.values(), strict=True))
    made = {row: make(**dict(zip(columns, row, strict=True))) for row in set(rows)}
    return tuple(map(made.__getitem__, rows))


_MAKERS: dict[str, Callable[..., tuple[Any, ...]]] = {
    name: partial(_shared if item in (Finding, Triplet) else _objects, item)
    for name, item in ITEMS.items()
}


def _cells(frame: pl.DataFrame, name: str) -> Sequence[Any]:
    """The cells of a column; a nested one as tuples of objects, None where it is null."""
    if name not in frame.columns:
        return [None] * len(frame)
    column = frame[name]
    if name not in _NESTED:
        return list(column.to_list())
    items = column.drop_nulls().explode(empty_as_null=False)
    parts = {}
    for field in column.dtype.inner.fields:
        parts[field.name] = items.struct.field(field.name).to_list()
        if (name, field.name) in WORDS:
            words: dict[str | None, StrEnum | None] = {None: None}
            words |= {word.value: word for word in WORDS[name, field.name]}
            parts[field.name] = [words[word] for word in parts[field.name]]
    objects = iter(_MAKERS[name](**parts))
    lengths = column.list.len().to_list()
    return [None if length is None else tuple(islice(objects, length)) for length in lengths]
