"""Which patients a model was trained on: kept beside it, and compared with what it is to see."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from carina.errors import ModelError
from carina.files import atomic_path
from carina.studies.kinship import FAMILY
from carina.studies.manifest import Manifest
from carina.study import Study

TRAINED_ON = "trained_on.parquet"
KEYS = ["source", "patient_id"]
COMPLETE = "carina.complete"
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class SeenBefore:
    """Patients of a part of a manifest that a model was trained on.

    `part` is "test", or "any" where the manifest has no test part. `of` counts its patients, and
    `examples` names some of those that were `patients` of the training; `studies` are theirs.
    The list is not `complete` where nothing tells whom the start of the training had seen.
    """

    model: str
    manifest: str
    part: str
    patients: int
    of: int
    studies: int
    examples: tuple[str, ...]
    complete: bool = True

    def __str__(self) -> str:
        """One line."""
        if not self.patients:
            unsure = "" if self.complete else "; nothing tells whom its start was trained on"
            return (
                f"{self.model}: was trained on none of the {self.of} patients ({self.part}){unsure}"
            )
        named = ", ".join(self.examples)
        return (
            f"{self.model}: was trained on {self.patients} of the {self.of} patients "
            f"({self.part}) of {self.manifest}, such as {named}; what it scores on them means "
            "nothing. Pre-train with --exclude, or measure on others"
        )


def write_trained_on(
    studies: Iterable[Study],
    folder: Path,
    before: pl.DataFrame | None = None,
    *,
    complete: bool = True,
) -> None:
    """Writes the sources and ids of the patients of a training into its folder.

    Args:
        studies: what is trained on.
        folder: of the run; the file stays beside the model and is no part of it, so that ids of
            patients are not handed on with a model's folder.
        before: patients that the start of the training was trained on, from `read_trained_on`.
        complete: False if nothing tells whom that start was trained on, or not of all.
    """
    keys = sorted({(study.source, study.patient_id) for study in studies})
    frame = pl.DataFrame(keys, schema=dict.fromkeys(KEYS, pl.String), orient="row")
    if before is not None:
        frame = pl.concat([frame, before]).unique().sort(KEYS)
    with atomic_path(folder / TRAINED_ON) as temporary:
        frame.write_parquet(temporary, metadata={COMPLETE: str(complete)})


def read_trained_on(model: Path) -> pl.DataFrame | None:
    """The patients that a model was trained on; None where nothing tells.

    Args:
        model: a model folder, or the folder of a run.

    Raises:
        ModelError: the file that tells is damaged.
    """
    path = path_of(model)
    if path is None:
        return None
    try:
        return pl.read_parquet(path).select(pl.col(KEYS).cast(pl.String))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ModelError(
            f"{path}: cannot be read ({error}); expected the patients of a training. "
            "Train the model again, or remove the file and go without."
        ) from error


def path_of(model: Path) -> Path | None:
    """The file that tells whom a model was trained on, beside it or in it; None if there is none.

    It lies in the folder of the run that a model folder called `model` is in.
    """
    resolved = model.resolve()
    folders = (resolved, resolved.parent) if resolved.name == "model" else (resolved,)
    return next((one / TRAINED_ON for one in folders if (one / TRAINED_ON).is_file()), None)


def tells_all(model: Path) -> bool:
    """Whether it is known of all trainings behind a model whom they were done on."""
    path = path_of(model)
    return path is not None and pl.read_parquet_metadata(path).get(COMPLETE) != str(False)


def seen_before(model: Path, manifest: Manifest) -> SeenBefore:
    """The patients of the test part that a model was trained on.

    A patient is one by source and patient_id; a source that goes by the names of another is one
    with it.

    Raises:
        ModelError: nothing beside the model tells what it was trained on.
    """
    trained = read_trained_on(model)
    if trained is None:
        raise ModelError(
            f"{model}: nothing tells what it was trained on; expected {TRAINED_ON} in the folder "
            "of its run. Name the folder of the run, or check its training manifest together with "
            "this one."
        )
    test = manifest.frame.filter(pl.col("split") == "test")
    part = "any" if test.is_empty() else "test"
    rows = (manifest.frame if test.is_empty() else test).select(KEYS)
    seen = by_family(rows).join(by_family(trained).unique(), on=KEYS, how="semi")
    found = seen.unique().sort(KEYS)
    return SeenBefore(
        model=str(model),
        manifest=manifest.path.name,
        part=part,
        patients=len(found),
        of=rows.n_unique(),
        studies=len(seen),
        examples=tuple(repr(patient) for patient in found["patient_id"].head(SHOWN)),
        complete=tells_all(model),
    )


def by_family(frame: pl.DataFrame) -> pl.DataFrame:
    """The keys, with one name for sources that go by the same names."""
    return frame.with_columns(pl.col("source").replace(FAMILY))
