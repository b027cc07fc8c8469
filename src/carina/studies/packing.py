"""The images of a manifest as an image store takes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import polars as pl

from carina.errors import ManifestError
from carina.imaging.entry_table import KeyList
from carina.studies.manifest import Manifest
from carina.studies.views import is_frontal


class ImageFiles(Sequence[tuple[str, Path]]):
    """Keys and files of images, made as they are asked for: a list would fill the memory."""

    def __init__(self, keys: KeyList, root: Path) -> None:
        """Takes the keys, which are paths from `root`."""
        self.keys = keys
        self.root = root

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, place: int) -> tuple[str, Path]: ...

    @overload
    def __getitem__(self, place: slice) -> list[tuple[str, Path]]: ...

    def __getitem__(self, place: int | slice) -> tuple[str, Path] | list[tuple[str, Path]]:
        if isinstance(place, slice):
            return [(key, self.root / key) for key in self.keys[place]]
        key = self.keys[place]
        return key, self.root / key


def images_to_pack(manifest: Manifest) -> ImageFiles:
    """Key (the path in the manifest) and file of every frontal radiograph, each once.

    Raises:
        ManifestError: there is none, or the root does not exist.
    """
    if not manifest.root.is_dir():
        raise ManifestError(
            f"{manifest.path}: its paths start at {manifest.root}, where there is no folder. "
            "Give the folder with --root."
        )
    return ImageFiles(frontal_paths(manifest), manifest.root)


def frontal_paths(manifest: Manifest) -> KeyList:
    """The path of every frontal radiograph, each once; no file is looked at.

    Raises:
        ManifestError: there is none.
    """
    radiographs = manifest.frame["radiographs"].explode(empty_as_null=False).struct.unnest()
    views = radiographs["view"].unique()
    others = [view for view in views if is_frontal(view) is False]
    paths = radiographs.filter(~pl.col("view").is_in(others).fill_null(value=False))["path"]
    if paths.is_empty():
        raise ManifestError(f"{manifest.path}: holds no frontal radiograph; expected at least one.")
    return KeyList(paths.unique(maintain_order=True))
