"""Leaving patients of other data out, such as those that a model will be measured on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import polars as pl

from carina.errors import ManifestError
from carina.studies.kinship import FAMILY, kin
from carina.studies.manifest import Manifest

FAMILY_COLUMN = "family"


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """What was left out because of one manifest.

    `patients` and `studies` count what is missing from the data now; `digest` is that of the
    manifest's content.
    """

    manifest: str
    digest: str
    patients: int
    studies: int

    def to_json(self) -> dict[str, str | int]:
        """The fields by name."""
        return asdict(self)


def without_patients(
    manifest: Manifest, others: Sequence[Manifest]
) -> tuple[Manifest, tuple[Excluded, ...]]:
    """The studies of patients that are in none of the other manifests.

    A patient is one by source and patient_id, as in `studies.checks.check`; a source that goes by
    the names of another is one with it.

    Args:
        manifest: what is to be used.
        others: whose patients are left out.

    Returns:
        The rest, and what each of `others` took away, in their order.

    Raises:
        ManifestError: nothing is left, or a manifest is of another source than the data, or of
            films of it that have new names.
    """
    rows = everyone = with_families(manifest.frame)
    told = []
    for other in others:
        keys = with_families(other.frame).select(FAMILY_COLUMN, "patient_id").unique()
        if everyone.join(keys, on=[FAMILY_COLUMN, "patient_id"], how="semi").is_empty():
            _check_sources(manifest, other)
        gone = rows.join(keys, on=[FAMILY_COLUMN, "patient_id"], how="semi")
        told.append(
            Excluded(
                manifest=other.path.name,
                digest=other.digest,
                patients=gone.select(FAMILY_COLUMN, "patient_id").n_unique(),
                studies=len(gone),
            )
        )
        rows = rows.join(keys, on=[FAMILY_COLUMN, "patient_id"], how="anti", maintain_order="left")
    if rows.is_empty():
        raise ManifestError(
            f"{manifest.path}: every patient is left out, nothing remains to train on."
        )
    rest = rows.drop(FAMILY_COLUMN)
    return Manifest(manifest.path, manifest.root, rest, dataset=manifest.dataset), tuple(told)


def with_families(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with a column that names whose patients those of a source are."""
    return frame.with_columns(pl.col("source").replace(FAMILY).alias(FAMILY_COLUMN))


def _check_sources(manifest: Manifest, other: Manifest) -> None:
    """Refuses a manifest that can name nobody of the data.

    Raises:
        ManifestError: its source is another one, or goes by names of its own.
    """
    ours, theirs = set(manifest.frame["source"]), set(other.frame["source"])
    if ours & theirs:
        return
    told = f"{other.path}: its patients are of {', '.join(sorted(theirs))}, those of "
    told += f"{manifest.path} of {', '.join(sorted(ours))}"
    if kin(sorted(ours), sorted(theirs)) is not None:
        raise ManifestError(
            f"{told}: the same films under other names, so nobody is left out by name. Find them "
            f"by their pictures, `carina check {manifest.path.name} {other.path.name} --shared "
            "shared.parquet`, and exclude shared.parquet."
        )
    raise ManifestError(
        f"{told}, so leaving them out changes nothing. Name the manifest of data that come from "
        "the same release."
    )
