import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from carina.errors import ModelError
from carina.models.codec import from_json, to_json


class Colour(StrEnum):
    GREY = "grey"
    RGB = "rgb"


@dataclass(frozen=True)
class Small:
    width: int


@dataclass(frozen=True)
class Large:
    width: int


@dataclass(frozen=True)
class Config:
    encoder: Small | Large
    rate: float
    sizes: tuple[int, ...]
    pair: tuple[float, str]
    colour: Colour
    clip: float | None
    flag: bool


CONFIG = Config(Large(7), 2.0, (1, 2, 3), (0.5, "a"), Colour.RGB, None, True)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(to_json(value)))


def test_config_comes_back_equal_with_the_class_it_had() -> None:
    assert from_json(Config, through_json(CONFIG)) == CONFIG


def test_whole_number_is_read_as_float_where_a_float_is_wanted() -> None:
    written = through_json(CONFIG) | {"rate": 2}
    assert isinstance(from_json(Config, written).rate, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": "fast"}, r"config.rate: found 'fast', expected float"),
        ({"encoder": {"class": "Huge", "width": 1}}, r"found Huge, expected Small or Large"),
        ({"encoder": {"class": "Small", "depth": 1}}, r"other fields .*depth, width"),
        ({"pair": [1.0]}, r"config.pair: found 1 values, expected 2"),
        ({"sizes": [1, "b"]}, r"config.sizes\[1\]: found 'b', expected int"),
        ({"flag": 1}, r"config.flag: found 1, expected bool"),
        ({"extra": 1}, r"other fields .*extra"),
    ],
)
def test_json_that_does_not_fit_names_the_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        from_json(Config, through_json(CONFIG) | change)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        to_json(lambda: None)
