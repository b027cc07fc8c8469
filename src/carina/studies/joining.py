"""Several manifests as one, so that all that follows works on all of them together."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from carina.errors import ManifestError
from carina.studies.manifest import Manifest, check_name, write_manifest
from carina.study import Study


def join_manifests(manifests: Sequence[Manifest], path: Path) -> Manifest:
    """Writes the studies of several manifests as one, in their order.

    Paths start at the nearest folder that holds all roots. Names of studies and patients stay as
    they are but for those that mean two things: patient 7 of two sources is two people, told
    apart as "source/7". Of one source it is one person, whose splits `check` compares.

    Args:
        manifests: at least one.
        path: of the manifest to write.

    Raises:
        ManifestError: a study of one source is in two of the manifests, or the roots have no
            folder in common.
        OutputError: the file may not be written, or its name promises another format.
    """
    check_name(path)
    root = common_root(manifests)
    moved = [
        (manifest, study_from(study, manifest.root, root))
        for manifest in manifests
        for study in manifest.studies
    ]
    refuse_twice(moved)
    studies = [study for _, study in moved]
    several_studies = shared_ids((study.study_id, study.source) for study in studies)
    several_patients = shared_ids((study.patient_id, study.source) for study in studies)
    named = [
        replace(
            study,
            study_id=several_studies.get((study.study_id, study.source), study.study_id),
            patient_id=several_patients.get((study.patient_id, study.source), study.patient_id),
        )
        for study in studies
    ]
    return write_manifest(named, path, root, dataset_of(manifests))


def dataset_of(manifests: Sequence[Manifest]) -> str | None:
    """The datasets of all manifests, such as "chexpert+chexpert-test"; None if one is not known."""
    names = {manifest.dataset for manifest in manifests}
    return None if None in names else "+".join(sorted(str(name) for name in names))


def common_root(manifests: Sequence[Manifest]) -> Path:
    """The nearest folder that holds the roots of all manifests.

    Raises:
        ManifestError: they lie on different drives.
    """
    roots = [str(manifest.root.resolve()) for manifest in manifests]
    try:
        return Path(os.path.commonpath(roots))
    except ValueError as error:
        raise ManifestError(
            f"{', '.join(roots)}: these folders have no folder in common, expected all images "
            "below one. Copy or mount them on one drive."
        ) from error


def study_from(study: Study, root: Path, new_root: Path) -> Study:
    """The study with the paths of its pictures and masks starting at another root."""
    before = root.resolve().relative_to(new_root)
    return replace(
        study,
        radiographs=tuple(
            replace(one, path=(before / one.path).as_posix()) for one in study.radiographs
        ),
        masks=tuple(replace(one, path=(before / one.path).as_posix()) for one in study.masks),
    )


def refuse_twice(moved: Sequence[tuple[Manifest, Study]]) -> None:
    """Refuses a study of one source that two manifests name.

    Raises:
        ManifestError: the first of them.
    """
    seen: dict[tuple[str, str], Manifest] = {}
    for manifest, study in moved:
        before = seen.setdefault((study.source, study.study_id), manifest)
        if before is not manifest:
            raise ManifestError(
                f"{manifest.path}: study {study.study_id!r} of {study.source} is in {before.path} "
                "too, expected each study once. Leave one of the manifests out."
            )


def shared_ids(ids: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """New names of those ids that several sources use, by (id, source)."""
    sources: dict[str, set[str]] = defaultdict(set)
    for name, source in ids:
        sources[name].add(source)
    return {
        (name, source): f"{source}/{name}"
        for name, of in sources.items()
        if len(of) > 1
        for source in of
    }
