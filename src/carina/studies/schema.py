"""The columns of a manifest, and how a study becomes a row and a row a study."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

import polars as pl

from carina.study import (
    Assertion,
    Box,
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
}
_TRIPLET = {"entity": pl.String, "position": pl.String, "exists": pl.String}

COLUMNS: dict[str, pl.DataType] = {
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

ANNOTATED: dict[str, pl.DataType] = {
    "entities": pl.List(pl.Struct(_ENTITY)),
    "triplets": pl.List(pl.Struct(_TRIPLET)),
    "distilled": pl.String(),
}
"""The columns that only an annotated manifest has."""

WORDS: dict[tuple[str, str | None], tuple[str, ...]] = {
    ("split", None): SPLITS,
    ("findings", "value"): tuple(Assertion),
    ("entities", "kind"): tuple(EntityKind),
    ("entities", "assertion"): tuple(Assertion),
    ("triplets", "exists"): tuple(Assertion),
}
"""Columns, or fields of a nested column, that may only hold certain words."""

ItemT = TypeVar("ItemT")
_ASSERTIONS = {str(value): value for value in Assertion}
_KINDS = {str(value): value for value in EntityKind}


def frame_of(studies: Sequence[Study]) -> pl.DataFrame:
    """One row a study; the annotation columns are there when any report has been annotated."""
    columns = {name: [cell(study) for study in studies] for name, cell in _CELLS.items()}
    types = dict(COLUMNS)
    for name, cell in _ANNOTATION_CELLS.items():
        cells = [cell(study.report) for study in studies]
        if any(value is not None for value in cells):
            columns[name], types[name] = cells, ANNOTATED[name]
    return pl.DataFrame(columns, schema=types, strict=True)


def studies_of(frame: pl.DataFrame) -> tuple[Study, ...]:
    """The studies of a checked frame, in its order.

    Equal findings, entities and triplets are one object: they are frozen, and a release of
    300,000 studies repeats a few hundred of them millions of times.
    """
    names = frame.columns
    decode = _Decoder()
    return tuple(decode.study(dict(zip(names, row, strict=True))) for row in frame.iter_rows())


class _Decoder:
    """Turns rows into studies and remembers the parts that repeat."""

    def __init__(self) -> None:
        self.finding = cache(lambda name, value: Finding(name=name, value=_ASSERTIONS[value]))
        self.triplet = cache(
            lambda entity, position, exists: Triplet(
                entity=entity, position=position, exists=_ASSERTIONS[exists]
            )
        )

    def study(self, row: dict[str, Any]) -> Study:
        """One row as a study."""
        return Study(
            study_id=row["study_id"],
            patient_id=row["patient_id"],
            source=row["source"] or "",
            radiographs=tuple(Radiograph(**item) for item in row["radiographs"] or ()),
            report=self.report(row),
            findings=tuple(
                self.finding(item["name"], item["value"]) for item in row["findings"] or ()
            ),
            boxes=tuple(Box(**item) for item in row["boxes"] or ()),
            masks=tuple(Mask(**item) for item in row["masks"] or ()),
            severity=tuple(Severity(**item) for item in row["severity"] or ()),
            split=row["split"],
            sex=row["sex"],
            age_years=row["age"],
            licence=row["licence"],
        )

    def report(self, row: dict[str, Any]) -> Report:
        """The report of one row, annotated or not."""
        return Report(
            text=row["report"] or "",
            entities=_map(_entity, row.get("entities")),
            triplets=_map(
                lambda item: self.triplet(item["entity"], item["position"], item["exists"]),
                row.get("triplets"),
            ),
            distilled=row.get("distilled"),
        )


def _entity(item: dict[str, Any]) -> Entity:
    kind, assertion = _KINDS[item["kind"]], _ASSERTIONS[item["assertion"]]
    return Entity(**{**item, "kind": kind, "assertion": assertion})


def _map(
    make: Callable[[dict[str, Any]], ItemT], items: list[dict[str, Any]] | None
) -> tuple[ItemT, ...] | None:
    return None if items is None else tuple(make(item) for item in items)


def _records(items: Iterable[object] | None, fields: Iterable[str]) -> list[dict[str, Any]] | None:
    if items is None:
        return None
    return [{field: _plain(getattr(item, field)) for field in fields} for item in items]


def _plain(value: Any) -> Any:
    """The bare string of an enumeration's member: polars takes no subclass of str."""
    return str(value) if isinstance(value, Assertion | EntityKind) else value


_CELLS: dict[str, Callable[[Study], Any]] = {
    "study_id": lambda study: study.study_id,
    "patient_id": lambda study: study.patient_id,
    "split": lambda study: study.split,
    "source": lambda study: study.source,
    "report": lambda study: study.report.text,
    "radiographs": lambda study: _records(study.radiographs, _RADIOGRAPH),
    "findings": lambda study: _records(study.findings, _FINDING),
    "boxes": lambda study: _records(study.boxes, _BOX),
    "masks": lambda study: _records(study.masks, _MASK),
    "severity": lambda study: _records(study.severity, _SEVERITY),
    "sex": lambda study: study.sex,
    "age": lambda study: study.age_years,
    "licence": lambda study: study.licence,
}
_ANNOTATION_CELLS: dict[str, Callable[[Report], Any]] = {
    "entities": lambda report: _records(report.entities, _ENTITY),
    "triplets": lambda report: _records(report.triplets, _TRIPLET),
    "distilled": lambda report: report.distilled,
}
