"""The images of a manifest as an image store takes them."""

from pathlib import Path

from carina.errors import ManifestError
from carina.studies.manifest import Manifest
from carina.studies.views import frontal_images


def images_to_pack(manifest: Manifest) -> list[tuple[str, Path]]:
    """Key (the path in the manifest) and file of every frontal radiograph, each once.

    Raises:
        ManifestError: there is none, or the root does not exist.
    """
    if not manifest.root.is_dir():
        raise ManifestError(
            f"{manifest.path}: its paths start at {manifest.root}, where there is no folder. "
            "Give the folder with --root."
        )
    paths = [
        manifest.studies[study].radiographs[radiograph].path
        for study, radiograph in frontal_images(manifest)
    ]
    if not paths:
        raise ManifestError(f"{manifest.path}: holds no frontal radiograph; expected at least one.")
    return [(path, manifest.absolute(path)) for path in dict.fromkeys(paths)]
