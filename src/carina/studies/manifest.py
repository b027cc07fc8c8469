"""The manifest: one Parquet file, one row a study, that names everything a run reads."""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from carina.errors import ManifestError, OutputError
from carina.files import atomic_path
from carina.studies.schema import (
    ANNOTATED,
    COLUMNS,
    NEEDED,
    OPTIONAL,
    SPLITS,
    WORDS,
    ColumnType,
    frame_of,
    studies_of,
    with_later_fields,
)
from carina.study import Study

_ROOT = "carina.root"
_DATASET = "carina.dataset"
_ROWS_HASHED_AT_ONCE = 10_000
OTHER_FORMATS = (
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls"),
    *(".feather", ".arrow"),
)
"""Endings that promise another format than the manifest's."""


class Manifest:
    """Studies and the folder that their paths start at.

    Source: the columns are those of the design, nested, so that any Parquet tool reads them.
    Rows become `Study` objects when `studies` is first asked for, and once only. `dataset` is
    what `carina index` called the release, with its lists; None where that is not known.
    """

    def __init__(
        self,
        path: Path,
        root: Path,
        frame: pl.DataFrame | None = None,
        studies: tuple[Study, ...] | None = None,
        dataset: str | None = None,
    ) -> None:
        """Holds studies as a checked frame, as objects, or both; `Manifest.read` makes one."""
        assert frame is not None or studies is not None
        self.path = path
        self.root = root
        self.dataset = dataset
        if frame is not None:
            self.frame = frame
        if studies is not None:
            self.studies = studies

    @classmethod
    def read(cls, path: Path, root: Path | None = None) -> "Manifest":
        """Reads a manifest and checks its columns and their types.

        Args:
            path: the Parquet file.
            root: the folder that paths start at; by default the one the manifest remembers.

        Raises:
            ManifestError: no such file, not Parquet, columns missing or of a wrong type, words
                that are not allowed, a study twice, or no studies.
        """
        frame, remembered = _read_parquet(path)
        frame = _checked(frame, path)
        start = root if root is not None else _resolved(remembered.get(_ROOT), path)
        return cls(path, start, frame, dataset=remembered.get(_DATASET))

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The rows as a polars frame, in the manifest's columns."""
        return frame_of(self.studies)

    @cached_property
    def studies(self) -> tuple[Study, ...]:
        """The rows as studies, decoded once."""
        return studies_of(self.frame)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, in hex: equal rows in equal order, whatever root or file."""
        digest = hashlib.sha256()
        for name, kind in self.frame.schema.items():
            digest.update(f"{name}: {kind}\n".encode())
        for rows in self.frame.iter_slices(_ROWS_HASHED_AT_ONCE):
            text = io.BytesIO()
            rows.write_ndjson(text)
            digest.update(text.getbuffer())
        return digest.hexdigest()

    def __len__(self) -> int:
        """The number of studies."""
        return len(self.__dict__.get("studies") or self.frame)

    def split(self, name: str) -> "Manifest":
        """The studies of one split: "train", "validate" or "test".

        Raises:
            ManifestError: no study is in that split.
        """
        rows = self.frame.filter(pl.col("split") == name)
        if rows.is_empty():
            found = ", ".join(sorted(self.frame["split"].drop_nulls().unique())) or "none"
            raise ManifestError(
                f"{self.path}: no study is in the split {name!r}; splits found: {found}. "
                "Name one of these, or index the data with splits."
            )
        decoded = self.__dict__.get("studies")
        kept = decoded and tuple(study for study in decoded if study.split == name)
        return Manifest(self.path, self.root, rows, kept, self.dataset)

    def absolute(self, path: str) -> Path:
        """The place on disk of a path of this manifest."""
        return self.root / path

    def with_studies(self, studies: Sequence[Study]) -> "Manifest":
        """The same root with other studies, in memory only."""
        return Manifest(self.path, self.root, studies=tuple(studies), dataset=self.dataset)


def write_manifest(
    studies: Sequence[Study], path: Path, root: Path, dataset: str | None = None
) -> Manifest:
    """Writes studies, whole or not at all, and returns them as a manifest.

    The root is remembered relative to the manifest where one of the two lies in the other's
    folder, so that both can be moved together, and as an absolute path otherwise. So is the
    name of the dataset, where all studies are of one.

    Raises:
        ManifestError: no studies, or a study twice.
        OutputError: the name promises another format, the disk is full, or the file may not be
            written.
    """
    check_name(path)
    frame = _checked(frame_of(studies), path)
    content = io.BytesIO()  # polars' own writer does not say when it is the disk that failed
    told = {_ROOT: _remembered(root, path)} | ({} if dataset is None else {_DATASET: dataset})
    frame.write_parquet(content, metadata=told)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())
    return Manifest(path, root, frame, tuple(studies), dataset)


def check_name(path: Path) -> None:
    """Refuses to call a manifest by a name that promises something else; before the work, too.

    Raises:
        OutputError: the name ends like a file of another format, or is that of a folder.
    """
    if path.is_dir():
        raise OutputError(
            f"{path}: is a folder, expected the name of a manifest to write. Give it one, such as "
            f"{path / 'films.parquet'}."
        )
    if path.suffix.lower() in OTHER_FORMATS:
        raise OutputError(
            f"{path}: ends in {path.suffix}, but a manifest is written as Parquet. "
            f"Call it {path.with_suffix('.parquet')}; any Parquet tool turns it into a table."
        )


def _read_parquet(path: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """The frame in the file, and what else it remembers."""
    if path.is_dir():
        raise ManifestError(
            f"{path}: is a folder, expected a manifest, which is one file. Make one of what is in "
            "it with `carina index`."
        )
    if not path.is_file():
        raise ManifestError(
            f"{path}: there is no such file; expected a manifest. "
            "Make one with `carina index`, or correct the path."
        )
    try:
        remembered = pl.read_parquet_metadata(path)
        return pl.read_parquet(path), remembered
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ManifestError(
            f"{path}: is not a Parquet file, or is damaged ({error}). Make it again with "
            "`carina index`; a CSV table is first indexed with `carina index csv`."
        ) from error


def _resolved(remembered: str | None, path: Path) -> Path:
    """The remembered root as a path; a manifest that remembers none starts at its own folder."""
    return path.parent if remembered in (None, ".") else path.parent / str(remembered)


def _remembered(root: Path, path: Path) -> str:
    root, folder = root.resolve(), path.parent.resolve()
    if root.is_relative_to(folder) or folder.is_relative_to(root):
        return Path(os.path.relpath(root, folder)).as_posix()
    return str(root)


def _checked(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The manifest's columns in their order and types, extra columns left out."""
    wanted = COLUMNS | {name: kind for name, kind in ANNOTATED.items() if name in frame.columns}
    frame = with_later_fields(frame)
    _check_columns(frame, path, wanted)
    frame = _cast(frame, path, wanted)
    _check_rows(frame, path)
    for problem in _wrong_words(frame):
        raise ManifestError(f"{path}: {problem}. Correct the values and write the manifest again.")
    return frame


def _check_columns(frame: pl.DataFrame, path: Path, wanted: dict[str, ColumnType]) -> None:
    missing = [name for name in wanted if name not in frame.columns]
    for name, kind in wanted.items():
        if name in frame.columns and isinstance(kind, pl.List):
            missing += _missing_fields(name, frame.schema[name], kind)
    if missing:
        raise ManifestError(
            f"{path}: columns are missing: {', '.join(missing)}. "
            f"Found: {', '.join(frame.columns) or 'none'}. "
            "Make the manifest with `carina index`, or see docs/manifest.md."
        )


def _missing_fields(name: str, found: ColumnType, wanted: ColumnType) -> list[str]:
    if not isinstance(found, pl.List) or not isinstance(found.inner, pl.Struct):
        return []
    fields = {field.name for field in found.inner.fields}
    return [f"{name}.{field.name}" for field in wanted.inner.fields if field.name not in fields]


def _cast(frame: pl.DataFrame, path: Path, wanted: dict[str, ColumnType]) -> pl.DataFrame:
    columns, wrong = [], []
    for name, kind in wanted.items():
        found = frame.schema[name]
        try:
            columns.append(_cast_column(frame[name], kind))
        except pl.exceptions.PolarsError:
            wrong.append(f"{name} is {found}, expected {kind}")
    if wrong:
        raise ManifestError(
            f"{path}: columns have types that cannot be used: {'; '.join(wrong)}. "
            "See docs/manifest.md for the types."
        )
    return pl.DataFrame(columns)


def _cast_column(column: pl.Series, kind: ColumnType) -> pl.Series:
    """A column in its type; numbers are never taken for text, nor text for numbers."""
    if column.dtype != kind and not _alike(column.dtype, kind):
        raise pl.exceptions.SchemaError("of another kind")
    return column.cast(kind, strict=True)


def _alike(found: ColumnType, wanted: ColumnType) -> bool:
    if found == pl.Null:
        return True
    if isinstance(wanted, pl.List):
        return isinstance(found, pl.List) and _alike(found.inner, wanted.inner)
    if isinstance(wanted, pl.Struct):
        kinds = {field.name: field.dtype for field in getattr(found, "fields", ())}
        return bool(kinds) and all(_alike(kinds[f.name], f.dtype) for f in wanted.fields)
    if wanted == pl.String:
        return found == pl.String or isinstance(found, pl.Categorical | pl.Enum)
    return bool(found.is_integer() or (wanted.is_float() and found.is_float()))


def _check_rows(frame: pl.DataFrame, path: Path) -> None:
    if frame.is_empty():
        raise ManifestError(
            f"{path}: holds no studies; expected one or more. Index a folder that has some."
        )
    for name in ("study_id", "patient_id"):
        unnamed = int((frame[name].fill_null("") == "").sum())
        if unnamed:
            raise ManifestError(f"{path}: {unnamed} rows have no {name}; every study needs one.")
    for name in NEEDED:
        if name in frame.columns:
            _check_items(frame.select("study_id", name), path)
    twice = frame["study_id"].filter(frame["study_id"].is_duplicated()).unique(maintain_order=True)
    if len(twice):
        some = ", ".join(twice.head(5))
        raise ManifestError(
            f"{path}: {len(twice)} studies are named more than once, such as {some}; a study is "
            "one row. Put its radiographs into one row, or give the rows ids of their own."
        )


def _check_items(frame: pl.DataFrame, path: Path) -> None:
    """Refuses items of a nested column that lack what each must have.

    Args:
        frame: study_id and the nested column.
        path: of the manifest, for the message.
    """
    name = frame.columns[1]
    items = frame[name].drop_nulls().explode(empty_as_null=False).struct
    for field in NEEDED[name]:
        lacking = items.field(field).null_count()
        if lacking:
            rows = frame.drop_nulls(name).explode(name, empty_as_null=False)
            first = rows.filter(pl.col(name).struct.field(field).is_null())["study_id"][0]
            raise ManifestError(
                f"{path}: {lacking} items of {name} have no {field}, the first in study {first}. "
                "Fill it in, or leave the items out, and write the manifest again."
            )


def _wrong_words(frame: pl.DataFrame) -> Iterator[str]:
    """Columns that hold a word outside their list."""
    yield from _outside("split", frame["split"].drop_nulls(), SPLITS)
    for (name, field), words in WORDS.items():
        if name in frame.columns:
            column = frame[name].drop_nulls().explode(empty_as_null=False).struct.field(field)
            said = column.drop_nulls() if (name, field) in OPTIONAL else column
            yield from _outside(f"{name}.{field}", said, tuple(words))


def _outside(label: str, column: pl.Series, words: tuple[str, ...]) -> Iterator[str]:
    wrong = sorted({str(word) or "''" for word in column.unique()} - set(words))
    if wrong:
        yield f"{label} holds {', '.join(wrong[:5])}; expected one of {', '.join(words)}"
