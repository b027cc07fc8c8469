"""From a release on disk to a manifest."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from carina.datasets.declaration import Dataset, Release, read_studies
from carina.datasets.tally import Tally
from carina.errors import DatasetError, RadiographError
from carina.files import progress
from carina.imaging.reader import probe
from carina.phantom import layout
from carina.studies.manifest import Manifest, check_name, write_manifest
from carina.studies.splits import split_by_patient
from carina.study import Assertion, Radiograph, Study

_log = logging.getLogger(__name__)


def index_release(
    dataset: Dataset,
    release: Release,
    out: Path,
    split_seed: int | None = None,
    tally: Tally | None = None,
) -> Manifest:
    """Reads a release and writes its manifest.

    Sizes and views that the release does not tell are read from the heads of the files. Files
    that cannot be read stay in the manifest, without a size: `carina check` names them. Masks
    that the release keeps as text are drawn into the folder `masks_beside` the manifest. Studies
    of a synthetic copy get the licence that says so.

    Args:
        dataset: how the release is read.
        release: where it is.
        out: the manifest to write.
        split_seed: where given, studies without a split get one, by patient.
        tally: gets the counts of what was odd.

    Raises:
        DatasetError: the release is not as declared, or holds no studies.
        ManifestError: two studies have the same id.
        OutputError: the manifest cannot be written, or its name promises another format.
    """
    check_name(out)
    release = replace(release, masks=release.masks or masks_beside(out))
    found = read_studies(dataset, release, tally)
    studies = list(progress(found, f"Indexing {dataset.name}", dataset.counts.get("studies")))
    if not studies:
        raise DatasetError(f"{release.root}: no study was found; expected at least one.")
    studies = list(measured(studies, release.root))
    if is_drawn(release.root):
        studies = [replace(study, licence=layout.LICENCE) for study in studies]
    if split_seed is not None:
        studies = list(split_by_patient(studies, split_seed))
    return write_manifest(studies, out, release.root, dataset.name)


def is_drawn(root: Path) -> bool:
    """Whether a folder, or the one above it, says that `carina phantom` drew what is in it."""
    notices = (folder / layout.README for folder in (root, root.resolve().parent))
    return any(
        path.is_file() and path.read_bytes().startswith(layout.NOTICE.encode()) for path in notices
    )


def masks_beside(out: Path) -> Path:
    """The folder of drawn masks of a manifest: `siim_masks` beside `siim.parquet`."""
    return out.with_name(f"{out.stem}_masks")


def compared_with_whole(dataset: Dataset, manifest: Manifest) -> dict[str, tuple[int, int]]:
    """How much of a release is there: name -> (found, whole), where the two differ.

    Labels are compared where all studies are there. Empty where the release is complete, or
    where the dataset does not say how much that is.
    """
    studies = manifest.studies
    found = {
        "studies": len(studies),
        "radiographs": sum(len(study.radiographs) for study in studies),
        "patients": len({study.patient_id for study in studies}),
    }
    differences = {
        name: (found[name], whole) for name, whole in dataset.counts.items() if found[name] != whole
    }
    if differences or not dataset.labels:
        return differences
    labels = label_counts(studies)
    return {
        name: (labels[name], whole)
        for name, whole in dataset.labels.items()
        if labels[name] != whole
    }


def label_counts(studies: Sequence[Study]) -> Counter[str]:
    """How often each label stands: "studies with X", "boxes of X", all and "... in SPLIT"."""
    counts: Counter[str] = Counter()
    for study in studies:
        present = [item.name for item in study.findings if item.value is Assertion.PRESENT]
        names = [f"studies with {name}" for name in present]
        names += [f"boxes of {box.label}" for box in study.boxes]
        counts.update(names)
        counts.update(f"{name} in {study.split}" for name in names)
    return counts


def measured(studies: Sequence[Study], root: Path) -> Iterator[Study]:
    """Fills in sizes and views from the files where the release is silent."""
    failed = 0
    for study in progress(studies, "Reading sizes", len(studies)):
        radiographs = tuple(_measured(radiograph, root) for radiograph in study.radiographs)
        failed += sum(radiograph.width is None for radiograph in radiographs)
        yield study if radiographs == study.radiographs else replace(study, radiographs=radiographs)
    if failed:
        _log.warning("%d files are missing or cannot be read: `carina check` names them.", failed)


def _measured(radiograph: Radiograph, root: Path) -> Radiograph:
    if radiograph.width is not None and radiograph.height is not None:
        return radiograph
    try:
        header = probe(root / radiograph.path)
    except RadiographError:
        return radiograph
    return replace(
        radiograph,
        width=header.width,
        height=header.height,
        view=radiograph.view or header.view,
    )
