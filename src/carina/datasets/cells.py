"""What the cells of a table mean: splits, ages, sexes, findings, boxes, masks, severity."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from carina.datasets.table import Row
from carina.study import Assertion, Box, Finding, Mask, Severity

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), "validate"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""The names that releases give their splits, and ours."""

UNKNOWN = frozenset(
    {"", "na", "n/a", "nan", "none", "null", "unknown", "unk", "u", "?", "-", "not known"}
)
"""Words for a value that is not known, in lower case."""

UNLABELLED = frozenset({"todo", "unlabelled", "unlabeled"})
"""Words in `findings` that say that nobody has labelled the image yet."""

_SEXES = {
    **dict.fromkeys(("m", "male", "man"), "M"),
    **dict.fromkeys(("f", "female", "w", "woman"), "F"),
    **dict.fromkeys(("o", "other", "d"), "O"),
}
_AGE = re.compile(r"[<>~]?=?\s*0*(\d{1,4}(?:\.\d+)?)\s*\+?\s*(y|yrs?|years?|m|mo|w|d)?", re.I)
_UNITS_PER_YEAR = {"y": 1.0, "m": 12.0, "w": 52.18, "d": 365.25}
_OLDEST_YEARS = 130


def split_of(row: Row) -> str | None:
    """The split in our words, None where the cell is empty."""
    text = row.get("split").lower()
    if text and text not in SPLIT_NAMES:
        raise row.error(
            "split",
            f"found {text!r}, expected one of {', '.join(SPLIT_NAMES)}",
            "Rename it, or leave the cell empty.",
        )
    return SPLIT_NAMES.get(text)


def age_of(text: str) -> float | None:
    """Years from texts such as 61, 061Y, 18M, 90+ or >89; None where that is no human age."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None
    unit = (match[2] or "y")[0].lower()
    years = float(match[1]) / _UNITS_PER_YEAR[unit]
    return years if years <= _OLDEST_YEARS else None


def sex_of(text: str) -> str | None:
    """M, F or O (other); None where the text says neither."""
    return _SEXES.get(text.strip().lower())


def findings_of(row: Row) -> tuple[Finding, ...]:
    """The names of `findings` as present and of `absent` as absent, each joined with ";".

    A name in neither was not mentioned, which is not absent. Where only positives are listed,
    as most releases do, nothing is known to be absent.
    """
    present, absent = _names(row, "findings"), _names(row, "absent")
    for name in present:
        if name in absent:
            raise row.error(
                "absent", f"{name!r} is in `findings` too", "Keep it in one of the two columns."
            )
    return (
        *(Finding(name=name, value=Assertion.PRESENT) for name in present),
        *(Finding(name=name, value=Assertion.ABSENT) for name in absent),
    )


def _names(row: Row, column: str) -> tuple[str, ...]:
    names = dict.fromkeys(name.strip() for name in row.get(column).split(";"))
    return tuple(name for name in names if name and name.lower() not in UNLABELLED)


def boxes_of(row: Row, radiograph: int) -> tuple[Box, ...]:
    """The JSON list of {label, box: [x1, y1, x2, y2], by, phrase}, all in pixels."""
    items = _json(row, "boxes", list)
    return tuple(_box(row, item, radiograph) for item in items or ())


def masks_of(row: Row, radiograph: int) -> tuple[Mask, ...]:
    """The lung mask of column `mask`, then the JSON object name -> path of `masks`."""
    paths = dict(_json(row, "masks", dict) or {})
    lung = row.get("mask")
    if lung and paths.setdefault("lung", lung) != lung:
        raise row.error(
            "mask",
            f"is {lung!r}, `masks` has another lung: {paths['lung']!r}",
            "The column `mask` holds the lung mask; name others in `masks`.",
        )
    for label, path in paths.items():
        if not isinstance(path, str) or not path.strip():
            raise row.error(
                "masks", f"{label!r} is {path!r}, expected a path", 'Write {"lung": "a.png"}.'
            )
    return tuple(
        Mask(radiograph=radiograph, label=label, path=slashes(path))
        for label, path in paths.items()
    )


def severity_of(row: Row) -> tuple[Severity, ...]:
    """The JSON object of scores, flattened.

    A list becomes `name.1`, `name.2`, ...; an object `name.key`, unless it is one score with its
    reader, {"value": 3, "by": "senior"}. A null is no score.
    """
    return tuple(
        Severity(name=name, value=value, reader=reader)
        for name, value, reader in _scores(row, "", _json(row, "severity", dict) or {})
    )


def whole_number(row: Row, column: str) -> int | None:
    """A count of pixels, or None where the cell is empty."""
    text = row.get(column)
    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d*(\.0*)?", text):
        raise row.error(column, f"found {text!r}, expected pixels", "Correct or empty the cell.")
    return int(float(text))


def slashes(path: str) -> str:
    """A path with forward slashes and without "./" before it."""
    return path.strip().replace("\\", "/").removeprefix("./")


def _json(row: Row, column: str, kind: type) -> Any:
    text = row.get(column)
    if not text:
        return None
    advice = "Write JSON with double quotes, or leave the cell empty."
    try:
        value = json.loads(text)
    except ValueError as error:
        raise row.error(column, f"is no JSON ({error})", advice) from error
    if value is not None and not isinstance(value, kind):
        wanted = {"list": "a list [...]", "dict": "an object {...}"}[kind.__name__]
        raise row.error(column, f"found {text[:40]!r}, expected {wanted}", advice)
    return value


def _box(row: Row, item: Any, radiograph: int) -> Box:
    advice = 'Write [{"label": "effusion", "box": [x1, y1, x2, y2], "by": "reader"}].'
    if not isinstance(item, dict) or not isinstance(item.get("label"), str):
        raise row.error("boxes", f"found {item!r}, expected a label and a box", advice)
    corners = item.get("box")
    if not isinstance(corners, list) or len(corners) != 4 or not all(map(_is_score, corners)):
        raise row.error("boxes", f"found the corners {corners!r}, expected four numbers", advice)
    x1, y1, x2, y2 = map(float, corners)
    if not (x1 < x2 and y1 < y2):
        raise row.error("boxes", f"the box {corners} is empty: expected x1 < x2, y1 < y2", advice)
    return Box(
        radiograph=radiograph,
        label=item["label"],
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
        phrase=item.get("phrase"),
        reader=item.get("by"),
    )


def _scores(row: Row, name: str, value: Any) -> Iterator[tuple[str, float, str | None]]:
    if value is None:
        return
    if _is_score(value):
        yield name, float(value), None
    elif isinstance(value, dict) and "by" in value and _is_score(value.get("value")):
        yield name, float(value["value"]), str(value["by"])
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        for key, part in items:
            yield from _scores(row, f"{name}.{key}" if name else str(key), part)
    else:
        raise row.error(
            "severity", f"{name} is {value!r}, expected a number", 'Write {"name": 3} or a list.'
        )


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
