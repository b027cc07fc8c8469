"""Leaving patients of other data out, such as those that a model will be measured on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from carina.errors import ManifestError
from carina.studies.manifest import Manifest


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

    A patient is one by source and patient_id, as in `studies.checks.check`.

    Args:
        manifest: what is to be used.
        others: whose patients are left out.

    Returns:
        The rest, and what each of `others` took away, in their order.

    Raises:
        ManifestError: nothing is left, or a manifest is of another source than the data.
    """
    rows = manifest.frame
    told = []
    for other in others:
        keys = other.frame.select("source", "patient_id").unique()
        gone = rows.join(keys, on=["source", "patient_id"], how="semi")
        ours, theirs = set(manifest.frame["source"]), set(keys["source"])
        if not ours & theirs:
            raise ManifestError(
                f"{other.path}: its patients are of {', '.join(sorted(theirs))}, those of "
                f"{manifest.path} of {', '.join(sorted(ours))}, so leaving them out changes "
                "nothing. Name the manifest of data that come from the same release."
            )
        told.append(
            Excluded(
                manifest=other.path.name,
                digest=other.digest,
                patients=gone.select("source", "patient_id").n_unique(),
                studies=len(gone),
            )
        )
        rows = rows.join(keys, on=["source", "patient_id"], how="anti", maintain_order="left")
    if rows.is_empty():
        raise ManifestError(
            f"{manifest.path}: every patient is left out, nothing remains to train on."
        )
    return Manifest(manifest.path, manifest.root, rows), tuple(told)
