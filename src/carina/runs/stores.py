"""The image store of a run: one that was given, or one built in the run folder."""

from pathlib import Path

from carina.errors import StoreError
from carina.imaging.store import ImageStore, build_store
from carina.studies.manifest import Manifest
from carina.studies.views import frontal_images


def opened_store(manifest: Manifest, out: Path, given: tuple[Path, ...], size: int) -> ImageStore:
    """A store whose shorter sides are `size` pixels.

    Args:
        manifest: the studies whose frontal radiographs are stored.
        out: the run folder; a store is built or completed in `out/store/<size>`.
        given: stores to look at first.
        size: the shorter side, in pixels.

    Raises:
        StoreError: stores were given and none has this size.
    """
    for path in given:
        store = ImageStore.open(path)
        if store.size == size:
            return store
    if given:
        sizes = [ImageStore.open(path).size for path in given]
        raise StoreError(
            f"--store: has the size {sizes}, the recipe wants {size} pixels. Pack one with "
            f"`carina pack ... --size {size}`, or leave --store away to have one built."
        )
    folder = out / "store" / str(size)
    images = [
        manifest.studies[study].radiographs[radiograph].path
        for study, radiograph in frontal_images(manifest)
    ]
    build_store([(path, manifest.absolute(path)) for path in dict.fromkeys(images)], folder, size)
    return ImageStore.open(folder)
