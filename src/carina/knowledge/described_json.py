"""Descriptions as plain JSON: one object of names and texts, in an order that is kept."""

import json
from pathlib import Path

from carina.errors import KnowledgeError

MISSPELT = {"eumonia": "pneumonia"}
"""Names in the official descriptions of MedKLIP -> what is meant."""


def read_json(path: Path) -> tuple[tuple[str, str], ...]:
    """Names and texts in the order of the file.

    Raises:
        KnowledgeError: the file cannot be read, is not UTF-8, is no JSON, is no object of names
            and texts, or has a name twice.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_pairs)
    except OSError as error:
        raise KnowledgeError(
            f"cannot be read ({error.strerror}). Name a JSON file of names and texts."
        ) from error
    except UnicodeDecodeError as error:
        raise KnowledgeError(
            f"is not UTF-8 (byte {error.start} is {error.object[error.start]:#04x}), expected "
            "text in that encoding. Save it as UTF-8."
        ) from error
    except json.JSONDecodeError as error:
        raise KnowledgeError(f"is no JSON ({error}). Correct that line.") from error
    if not isinstance(content, tuple) or not content:
        raise KnowledgeError(
            'holds no object of names and texts, expected {"pneumothorax": "a dark rim ..."}.'
        )
    for name, text in content:
        if not isinstance(text, str):
            raise KnowledgeError(
                f"the description of {name!r} is {text!r}, expected a text. Quote it."
            )
    names = {name for name, _ in content}
    return tuple(
        (MISSPELT[name] if name in MISSPELT and MISSPELT[name] not in names else name, text)
        for name, text in content
    )


def _pairs(pairs: list[tuple[str, object]]) -> tuple[tuple[str, object], ...]:
    """An object as pairs, so that a name that is given twice is seen and not lost."""
    return tuple(pairs)
