"""Is a manifest fit for use: files that can be read, annotations that fit, no leaks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carina.errors import ConfigError
from carina.imaging.store import ImageStore
from carina.studies.balance import imbalances
from carina.studies.check_report import CheckReport, Problem
from carina.studies.contradictions import contradictions
from carina.studies.counts import count
from carina.studies.doubtful import doubtful_pictures
from carina.studies.duplicates import alike_pictures
from carina.studies.examination import Examined, Picture
from carina.studies.leaks import (
    overlaps,
    place_of,
    places_by_digest,
    related,
    shared_nearly,
    shared_patients,
    shared_pictures,
)
from carina.studies.manifest import Manifest
from carina.studies.picture_cache import PictureCache
from carina.studies.reading import examine_all
from carina.study import Mask, Radiograph, Study


@dataclass
class _Found:
    missing: list[Problem] = field(default_factory=list)
    unreadable: list[Problem] = field(default_factory=list)
    annotations: list[Problem] = field(default_factory=list)


def check(
    manifests: Sequence[Manifest],
    processes: int | None = None,
    *,
    stores: Sequence[ImageStore] = (),
    cache: Path | None = None,
) -> CheckReport:
    """Looks at every picture of the manifests, and for what would spoil a run.

    A leak is a patient, or a picture, on two sides: in two splits, or in two manifests where one
    has no splits. Patients of two manifests are compared where their source is the same too;
    pictures by their bytes, and by how they look.

    Args:
        manifests: one or more; pictures and patients are compared across all of them.
        processes: how many read pictures; by default one a core.
        stores: the image store of each manifest, in order: pictures that it holds are taken from
            it, far faster than from their files, which are then not opened.
        cache: a folder that remembers what was seen; unchanged pictures are not read again.

    Raises:
        ConfigError: not as many stores as manifests.
        OutputError: the cache cannot be written.
    """
    if stores and len(stores) != len(manifests):
        raise ConfigError(
            f"there are {len(stores)} image stores for {len(manifests)} manifests; give one for "
            "each manifest, in order, or none."
        )
    asked = pictures_of(manifests, stores)
    kept = None if cache is None else PictureCache(cache)
    examined = examine_all(asked, processes, kept)
    found = _Found()
    for manifest in manifests:
        for study in manifest.studies:
            _check_study(manifest, study, examined, found)
    counts = tuple(map(count, manifests))
    standing = places_by_digest(manifests, examined)
    found_alike = alike_pictures(asked, examined, processes)
    alike = tuple(shared_nearly(found_alike, standing, examined))
    radiographs = {each.manifest: each.radiographs for each in counts}
    inside = tuple(overlaps(standing, alike, radiographs))
    return CheckReport(
        counts=counts,
        missing=tuple(found.missing),
        unreadable=tuple(found.unreadable),
        annotations=tuple(found.annotations),
        patients=tuple(shared_patients(manifests)),
        pictures=tuple(shared_pictures(standing)),
        near_duplicates=alike,
        overlaps=inside,
        related=tuple(related(manifests, inside)),
        doubtful=tuple(doubtful_pictures(manifests, examined)),
        contradictions=tuple(contradictions(manifests)),
        imbalances=tuple(imbalances(counts)),
    )


def pictures_of(manifests: Sequence[Manifest], stores: Sequence[ImageStore] = ()) -> list[Picture]:
    """What is to be examined: each radiograph and mask once, in a store where it is in one."""
    asked: dict[str, Picture] = {}
    for place, manifest in enumerate(manifests):
        store = stores[place] if stores else None
        for study in manifest.studies:
            for radiograph in study.radiographs:
                path = str(manifest.absolute(radiograph.path))
                held = store is not None and radiograph.path in store
                asked[path] = Picture(
                    path=path,
                    store=str(store.path) if store is not None and held else "",
                    key=radiograph.path if held else "",
                )
    for manifest in manifests:
        for study in manifest.studies:
            for mask in study.masks:
                path = str(manifest.absolute(mask.path))
                asked.setdefault(path, Picture(path=path, glanced=False))
    return list(asked.values())


def _check_study(
    manifest: Manifest, study: Study, examined: Mapping[str, Examined], found: _Found
) -> None:
    """Sorts what is wrong with the files and annotations of one study into `found`."""
    items: tuple[Radiograph | Mask, ...] = (*study.radiographs, *study.masks)
    for item in items:
        place = place_of(manifest, study, item.path)
        file = examined[str(manifest.absolute(item.path))]
        if file.missing:
            found.missing.append(Problem(place=place, message="there is no such file"))
        elif file.error:
            found.unreadable.append(Problem(place=place, message=file.error))
        else:
            found.annotations += [
                Problem(place=place, message=message)
                for message in _wrong_size(manifest, study, item, file, examined)
            ]
    for message in _wrong_boxes(manifest, study, examined):
        place = place_of(manifest, study)
        found.annotations.append(Problem(place=place, message=message))


def _wrong_size(
    manifest: Manifest,
    study: Study,
    item: Radiograph | Mask,
    file: Examined,
    examined: Mapping[str, Examined],
) -> Iterator[str]:
    """A radiograph of another size than the manifest says, a mask of another than its picture."""
    size = (file.width, file.height)
    if isinstance(item, Radiograph):
        stated = (item.width, item.height)
        if None not in stated and stated != size:
            yield f"is {_by(size)} pixels, the manifest says {_by(stated)}"
        return
    picture = _picture_size(manifest, study, item.radiograph, examined)
    if picture is None:
        yield f"belongs to radiograph {item.radiograph}, of which there is none that can be read"
    elif picture != size:
        yield f"is a mask of {_by(size)} pixels, its radiograph has {_by(picture)}"


def _wrong_boxes(
    manifest: Manifest, study: Study, examined: Mapping[str, Examined]
) -> Iterator[str]:
    for box in study.boxes:
        corners = ", ".join(f"{value:g}" for value in (box.x1, box.y1, box.x2, box.y2))
        size = _picture_size(manifest, study, box.radiograph, examined)
        if size is None:
            yield f"a box ({box.label}) lies on radiograph {box.radiograph}, which cannot be read"
        elif not (box.x2 > box.x1 and box.y2 > box.y1):  # nan too
            yield f"a box ({box.label}: {corners}) has no area"
        elif box.x1 < -1 or box.y1 < -1 or box.x2 > size[0] + 1 or box.y2 > size[1] + 1:
            yield f"a box ({box.label}: {corners}) lies outside of its {_by(size)} pixels"


def _picture_size(
    manifest: Manifest, study: Study, place: int, examined: Mapping[str, Examined]
) -> tuple[int, int] | None:
    if not 0 <= place < len(study.radiographs):
        return None
    file = examined[str(manifest.absolute(study.radiographs[place].path))]
    return (file.width, file.height) if file.digest else None


def _by(size: tuple[int | None, int | None]) -> str:
    return f"{size[0]} x {size[1]}"
