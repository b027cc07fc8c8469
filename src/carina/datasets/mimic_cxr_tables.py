"""The tables of MIMIC-CXR: which images there are, in which split, with which labels."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from carina.datasets.cells import SPLIT_NAMES
from carina.datasets.released_table import ROW, checked_ids, find_table, read_columns
from carina.datasets.tally import Tally
from carina.errors import DatasetError
from carina.report.findings import CHEXPERT_14, NO_FINDING

SUBJECT, STUDY, IMAGE = "subject_id", "study_id", "dicom_id"
IDS = {
    SUBJECT: (r"1\d{7}", "10000032"),
    STUDY: (r"5\d{7}", "50414267"),
    IMAGE: (r"[0-9a-f]{8}(-[0-9a-f]{8}){4}", "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014"),
}
LABELS = tuple(sorted((*CHEXPERT_14.labels, NO_FINDING)))
"""The 14 label columns, in the order of the files."""

METADATA = "mimic-cxr-*-metadata.csv"
SPLIT = "mimic-cxr-*-split.csv"
CHEXPERT = "mimic-cxr-*-chexpert.csv"
NEGBIO = "mimic-cxr-*-negbio.csv"
RECORDS = "cxr-record-list.csv"

_LABEL = r"-1|0|1"


def image_table(roots: Sequence[Path], tally: Tally) -> pl.DataFrame:
    """One row an image: ids, `path` below the first root, `view`, `width` and `height`.

    The images are those of the JPG release's metadata, or else of the DICOM release's record
    list, which tells neither view nor size. Where both lists are there, they are compared.

    Raises:
        DatasetError: there is neither list, or one cannot be used.
    """
    metadata = find_table(roots[:1], METADATA)
    records = find_table(roots, RECORDS)
    if metadata is None and records is None:
        raise DatasetError(_no_list(roots[0]))
    if metadata is None:
        assert records is not None
        return _of_records(records, tally)
    images = _of_metadata(metadata, tally)
    if records is not None:
        listed = _with_ids(read_columns(records, tuple(IDS), tally), tuple(IDS), records, tally)
        _count_unpaired(images, listed, "images of the metadata that the record list lacks", tally)
        _count_unpaired(listed, images, "images of the record list that the metadata lack", tally)
    return images


def split_table(roots: Sequence[Path], images: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """The images with a column `split` in our words, null where the release has none.

    Raises:
        DatasetError: the table has other studies for the same images, or a split unknown to us.
    """
    path = find_table(roots, SPLIT)
    if path is None:
        tally.note(f"There is no table {SPLIT}: no study has a split.")
        return images.with_columns(pl.lit(None, pl.String).alias("split"))
    table = _with_ids(
        read_columns(path, (IMAGE, STUDY, "split"), tally), (IMAGE, STUDY), path, tally
    )
    unknown = table.filter(~pl.col("split").str.to_lowercase().is_in(list(SPLIT_NAMES)))
    if len(unknown):
        raise DatasetError(
            f"{path}, row {unknown[ROW][0]}, split: found {unknown['split'][0]!r}, expected one "
            f"of {', '.join(SPLIT_NAMES)}. Use the file as downloaded."
        )
    table = _without_repeats(table.drop(ROW), (IMAGE,), path, tally)
    words = pl.col("split").str.to_lowercase().replace_strict(SPLIT_NAMES)
    table = table.select(IMAGE, pl.col(STUDY).alias("study_in_split"), words)
    joined = images.join(table, on=IMAGE, how="left", maintain_order="left")
    strange = joined.filter(pl.col("study_in_split") != pl.col(STUDY))
    if len(strange):
        raise DatasetError(
            f"{path}: has {len(strange)} images under another study than the metadata, such as "
            f"{strange[IMAGE][0]}. The two files are of different versions: take both from one."
        )
    unsplit = joined.filter(pl.col("split").is_null())
    if len(unsplit):
        tally.add("images that the split table lacks", unsplit[IMAGE][0], len(unsplit))
    return joined.drop("study_in_split")


def label_table(roots: Sequence[Path], tally: Tally) -> pl.DataFrame | None:
    """One row a study: its ids and the 14 labels as "1", "0", "-1" or null.

    The CheXpert labeler's table is taken, or NegBio's where there is no other; None without
    either. Where both are there, the studies that they label differently are counted.

    Raises:
        DatasetError: a table cannot be used.
    """
    paths = [path for path in (find_table(roots, CHEXPERT), find_table(roots, NEGBIO)) if path]
    if not paths:
        tally.note(f"There is no table {CHEXPERT} or {NEGBIO}: no study has labels.")
        return None
    tables = [_labels_in(path, tally) for path in paths]
    if len(tables) > 1:
        differ = pl.any_horizontal(
            pl.col(name).ne_missing(pl.col(f"{name}_negbio")) for name in LABELS
        )
        both = tables[0].join(tables[1], on=(SUBJECT, STUDY), suffix="_negbio").filter(differ)
        if len(both):
            name = "studies that negbio labels otherwise than chexpert, which is taken"
            tally.add(name, both[STUDY][0], len(both))
    return tables[0]


def _of_metadata(path: Path, tally: Tally) -> pl.DataFrame:
    columns = (*IDS, "ViewPosition", "Rows", "Columns")
    table = _with_ids(read_columns(path, columns, tally), tuple(IDS), path, tally)
    jpg = pl.format(
        "files/p{}/p{}/s{}/{}.jpg", pl.col(SUBJECT).str.slice(0, 2), SUBJECT, STUDY, IMAGE
    )
    table = table.select(
        *IDS,
        jpg.alias("path"),
        pl.col("ViewPosition").alias("view"),
        _pixels("Columns").alias("width"),
        _pixels("Rows").alias("height"),
    )
    return _consistent(table, path, tally)


def _of_records(path: Path, tally: Tally) -> pl.DataFrame:
    table = _with_ids(read_columns(path, (*IDS, "path"), tally), tuple(IDS), path, tally)
    unknown = (
        pl.lit(None, kind).alias(name)
        for name, kind in (("view", pl.String), ("width", pl.Int64), ("height", pl.Int64))
    )
    return _consistent(table.select(*IDS, "path", *unknown), path, tally)


def _pixels(column: str) -> pl.Expr:
    """A positive whole number, written as such or as "3056.0"; null for anything else."""
    digits = pl.col(column).str.extract(r"^([1-9]\d{0,5})(?:\.0*)?$", 1)
    return digits.cast(pl.Int64)


def _with_ids(
    table: pl.DataFrame, columns: Sequence[str], path: Path, tally: Tally
) -> pl.DataFrame:
    for column in columns:
        pattern, example = IDS[column]
        table = checked_ids(table, column, pattern, example, path, tally)
    return table


def _consistent(table: pl.DataFrame, path: Path, tally: Tally) -> pl.DataFrame:
    """The images once each; a study belongs to one patient."""
    table = _without_repeats(table, (IMAGE,), path, tally)
    owners = table.group_by(STUDY).agg(pl.col(SUBJECT).n_unique().alias("owners"))
    shared = owners.filter(pl.col("owners") > 1).sort(STUDY)
    if len(shared):
        raise DatasetError(
            f"{path}: {len(shared)} studies belong to several patients, such as "
            f"{shared[STUDY][0]}; expected one each. Download the table again."
        )
    return table


def _without_repeats(
    table: pl.DataFrame, key: Sequence[str], path: Path, tally: Tally
) -> pl.DataFrame:
    """Drops rows that repeat another word for word; two different ones for one key are refused."""
    once = table.unique(maintain_order=True)
    if len(once) < len(table):
        tally.add("rows that repeat another, left out", path.name, len(table) - len(once))
    clash = once.filter(pl.struct(key).is_duplicated())
    if len(clash):
        raise DatasetError(
            f"{path}: {clash[key[-1]].n_unique()} ids have several rows that differ, such as "
            f"{clash[key[-1]][0]}; expected one row each. Download the table again."
        )
    return once


def _labels_in(path: Path, tally: Tally) -> pl.DataFrame:
    ids = (SUBJECT, STUDY)
    table = _with_ids(read_columns(path, (*ids, *LABELS), tally), ids, path, tally)
    values = [pl.col(name).str.replace(r"\.0*$", "") for name in LABELS]
    table = table.with_columns(values)
    for name in LABELS:
        wrong = table.filter(~pl.col(name).str.contains(f"^(?:{_LABEL})$"))
        if len(wrong):
            raise DatasetError(
                f"{path}, row {wrong[ROW][0]}, {name}: found {wrong[name][0]!r}, expected 1, 0, "
                "-1 or nothing. Use the file as downloaded."
            )
    return _without_repeats(table.drop(ROW), ids, path, tally)


def _count_unpaired(ours: pl.DataFrame, theirs: pl.DataFrame, name: str, tally: Tally) -> None:
    alone = ours.join(theirs, on=IMAGE, how="anti", maintain_order="left")
    if len(alone):
        tally.add(name, alone[IMAGE][0], len(alone))


def _no_list(root: Path) -> str:
    below = sorted(root.glob("files/mimic-cxr*/*/")) or sorted(root.glob("mimic-cxr*/*/"))
    hint = (
        f"Name {below[0]} instead."
        if below
        else (
            "Download mimic-cxr-2.0.0-metadata.csv.gz into it; the folder with the images comes "
            "first, the one with the reports second."
        )
    )
    return (
        f"{root}: found neither a table {METADATA} (MIMIC-CXR-JPG) nor {RECORDS} (MIMIC-CXR), "
        f"packed or not. {hint}"
    )
