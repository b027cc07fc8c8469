"""What a folder has that protocols can be measured on: manifests, and releases to be indexed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from carina.datasets.declaration import Dataset, Release
from carina.datasets.indexing import index_release
from carina.datasets.mimic_cxr_layout import IMAGES_ROOT, REPORTS_ROOT
from carina.datasets.registry import DATASETS
from carina.errors import DatasetError, ManifestError
from carina.evaluation.deviations import taken_on_trust
from carina.evaluation.protocols import PROTOCOLS
from carina.studies.joining import join_manifests
from carina.studies.manifest import Manifest

JOIN = "+"
"""What stands between the names of datasets that were joined."""

LISTS = "lists"
"""Where the second download of a release lies within it, as `carina phantom --layout` writes it."""


@dataclass(frozen=True, kw_only=True)
class AtHand:
    """The manifests of a folder: by the name of their dataset, and those that cannot be used.

    `unused` goes from the name of a file or folder to why.
    """

    manifests: Mapping[str, Manifest]
    unused: Mapping[str, str]


def at_hand(folder: Path, taken_for: Mapping[str, str] | None = None) -> AtHand:
    """The manifests in a folder; a broken one is told and does not keep the others from use.

    Args:
        folder: of files that end in .parquet.
        taken_for: file name -> the dataset that a table of one's own is part of, which is taken
            on trust.

    Raises:
        ManifestError: there is none, or `taken_for` names a file that is not there.
    """
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    if not files:
        found = "no manifest" if folder.is_dir() else "no such folder"
        raise ManifestError(
            f"{folder}: {found}; expected one or more, each the release of one dataset: "
            "`carina index DATASET ROOT --out FOLDER/DATASET.parquet`; or folders of releases, "
            "each called as its dataset (`carina index list`)."
        )
    told = dict(taken_for or {})
    odd = sorted(told.keys() - {path.name for path in files})
    if odd:
        raise ManifestError(
            f"{folder}: holds no {odd[0]}; expected one of {', '.join(one.name for one in files)}."
        )
    return manifests_of(files, told)


def manifests_of(files: Iterable[Path], told: Mapping[str, str]) -> AtHand:
    """The manifests that can be used, the first of each dataset, and the others with why."""
    manifests: dict[str, Manifest] = {}
    unused: dict[str, str] = {}
    for path in files:
        try:
            manifest = Manifest.read(path)
        except ManifestError as error:
            unused[path.name] = f"cannot be used: {error}"
            continue
        name = told.get(path.name) if taken_on_trust(manifest) else manifest.dataset
        if name is None:
            unused[path.name] = (
                "does not say which dataset it is part of; index the release, or tell it with "
                f"--part {path.name}=DATASET"
            )
        elif name in manifests:
            unused[path.name] = f"is {name} as {manifests[name].path.name} is, which was taken"
        else:
            manifests[name] = manifest
    return AtHand(manifests=manifests, unused=unused)


def with_releases(folder: Path, out: Path, taken_for: Mapping[str, str] | None = None) -> AtHand:
    """What a folder has at hand, its releases indexed, and what belongs together joined.

    A release is a folder that is called as its dataset; one that a manifest is there of is left
    alone. The second download of a release lies within it, see `release_in`.

    Args:
        folder: of manifests and releases.
        out: where manifests of releases are written.
        taken_for: as of `at_hand`.

    Raises:
        ManifestError: there is neither, or `taken_for` names a file that is not there.
        OutputError: a manifest cannot be written.
    """
    releases = dict(releases_in(folder))
    bare = releases and not taken_for and not list(folder.glob("*.parquet"))
    told = AtHand(manifests={}, unused={}) if bare else at_hand(folder, taken_for)
    manifests, unused = dict(told.manifests), dict(told.unused)
    for root, dataset in releases.items():
        if dataset.name in manifests:
            unused[f"{root.name}/"] = (
                f"was not indexed: {manifests[dataset.name].path.name} is {dataset.name} already"
            )
            continue
        try:
            path = out / f"{dataset.name}.parquet"
            manifests[dataset.name] = index_release(dataset, release_in(root, dataset), path)
        except (DatasetError, ManifestError) as error:
            unused[f"{root.name}/"] = f"cannot be used: {error}"
    return AtHand(manifests={**manifests, **joined(manifests, out)}, unused=unused)


def joined(manifests: Mapping[str, Manifest], out: Path) -> dict[str, Manifest]:
    """The manifests that protocols want joined, as CheXpert's two downloads, made from their parts.

    Raises:
        ManifestError: the parts hold the same studies.
        OutputError: a manifest cannot be written.
    """
    wanted = {name for one in PROTOCOLS.values() for name in one.part.datasets if JOIN in name}
    parts = {name: name.split(JOIN) for name in sorted(wanted - manifests.keys())}
    return {
        name: join_manifests([manifests[part] for part in names], out / f"{name}.parquet")
        for name, names in parts.items()
        if all(part in manifests for part in names)
    }


def releases_in(folder: Path) -> Iterator[tuple[Path, Dataset]]:
    """The folders that are called as a dataset, and these."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and path.name in DATASETS:
            yield path, DATASETS[path.name]


def release_in(root: Path, dataset: Dataset) -> Release:
    """The release in a folder: of two downloads both, as `carina phantom --layout` writes them.

    Lists lie in the folder `lists`, or among the images. MIMIC-CXR's images lie in
    `mimic-cxr-jpg`, and beside them what belongs to them: the folder of a dataset drawn from
    them, else the reports.
    """
    if dataset.second_root is None:
        return Release(root=root)
    images, reports = root / IMAGES_ROOT, root / REPORTS_ROOT
    if images.is_dir():
        beside = sorted(one for one in root.iterdir() if one.is_dir())
        second = next((one for one in beside if one not in (images, reports)), reports)
        return Release(root=images, second_root=second)
    lists = root / LISTS
    return Release(root=root, second_root=lists if lists.is_dir() else root)
