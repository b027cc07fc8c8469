"""The image store of a run: one that was given, or one built in the run folder."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from carina.errors import StoreError
from carina.files import write_text
from carina.imaging.building import StoreSummary, build_store
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest
from carina.studies.packing import frontal_paths, images_to_pack

UNREADABLE = "unreadable.txt"
log = logging.getLogger(__name__)


def opened_store(manifest: Manifest, out: Path, given: tuple[Path, ...], size: int) -> ImageStore:
    """A store whose shorter sides are `size` pixels.

    Args:
        manifest: the studies whose frontal radiographs are stored.
        out: the run folder; a store is built or completed in `out/store/<size>`.
        given: stores to look at first.
        size: the shorter side, in pixels.

    Raises:
        StoreError: stores were given and none has this size, or no image can be read.
        ManifestError: no study has a frontal radiograph, or the root is no folder.
    """
    for path in given:
        store = ImageStore.open(path)
        if store.size == size:
            tell_left_out(store, manifest)
            return store
    check_given(given, size)
    folder = out / "store" / str(size)
    summary = build_store(images_to_pack(manifest), folder, size)
    tell_unreadable(summary, out / UNREADABLE)
    return ImageStore.open(folder)


@runtime_checkable
class OfPictures(Protocol):
    """A stage that reads pictures, and the shorter side of those that it wants, in pixels."""

    @property
    def store_size(self) -> int:
        """In pixels."""
        ...


def check_stores(stages: Iterable[object], given: tuple[Path, ...]) -> None:
    """Refuses stores that a stage could not use: before the first stage, not after it.

    Raises:
        StoreError: one is no store, or none has the size that a stage wants.
    """
    for stage in stages:
        check_given(given, stage.store_size if isinstance(stage, OfPictures) else None)


def check_given(given: tuple[Path, ...], size: int | None) -> None:
    """Refuses stores that were given if none has the size that is wanted, if any is.

    Raises:
        StoreError: one is no store; or says which sizes they have.
    """
    sizes = [ImageStore.open(path).size for path in given]
    if sizes and size is not None and size not in sizes:
        raise StoreError(
            f"--store: has the size {sizes}, the recipe wants {size} pixels. Pack one with "
            f"`carina pack ... --size {size}`, or leave --store away to have one built."
        )


def tell_left_out(store: ImageStore, manifest: Manifest) -> None:
    """Says how many frontal radiographs a store that was given does not hold."""
    paths = frontal_paths(manifest)
    left_out = sum(path not in store for path in paths)
    if left_out:
        log.warning(
            "%d of %d images are not in the given store and are left out; `carina pack` adds "
            "those that can be read, and names the others.",
            left_out,
            len(paths),
        )


def tell_unreadable(summary: StoreSummary, listing: Path) -> None:
    """Says how many images are left out; the listing names them and why."""
    listing.unlink(missing_ok=True)
    if not summary.unreadable:
        return
    write_text(listing, "".join(f"{message}\n" for _, message in summary.unreadable))
    log.warning(
        "%d of %d images cannot be read and are left out; %s names them.",
        len(summary.unreadable),
        len(summary.unreadable) + summary.written + summary.kept,
        UNREADABLE,
    )
