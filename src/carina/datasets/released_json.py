"""The JSON files of releases, and a file whose name tells its version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carina.errors import DatasetError

AGAIN = "Download it again."


def read_json(path: Path, advice: str = AGAIN) -> Any:
    """What a file holds.

    Raises:
        DatasetError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as JSON ({error}). {advice}") from error


@dataclass(frozen=True, kw_only=True)
class CocoBoxes:
    """A file laid out as COCO's: images and names of categories by their numbers, annotations."""

    images: Mapping[Any, Mapping[str, Any]]
    categories: Mapping[Any, str]
    records: list[dict[str, Any]]


def read_coco(path: Path, *told: str) -> CocoBoxes:
    """The images, categories and annotations of a file, as they stand in it.

    Args:
        path: the file.
        told: keys that every image must have beside its id.

    Raises:
        DatasetError: it cannot be read, or one of the three or an image's key is missing.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        images = {one["id"]: {key: one[key] for key in (told or one)} for one in content["images"]}
        return CocoBoxes(
            images=images,
            categories={one["id"]: str(one["name"]) for one in content["categories"]},
            records=content["annotations"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: cannot be read as annotations ({type(error).__name__}: {error}); expected "
            "images, categories and annotations. Download it again."
        ) from error


def one_version(root: Path, pattern: str) -> Path:
    """The one file below a folder that a pattern names; whether there is any was checked before.

    Raises:
        DatasetError: there are several versions.
    """
    found = sorted(root.glob(pattern))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DatasetError(f"{root}: found {names}, expected one of them. Move the others away.")
    return found[0]
