from pathlib import Path

import pytest

from carina.annotation.registry import SOURCES, make_sources
from carina.annotation.rules import Rules
from carina.annotation.umls import Umls
from carina.errors import ConfigError


def test_a_source_takes_its_own_options_and_the_defaults_that_fit() -> None:
    (rules,) = make_sources(("rules",), {"processes": 3}, {"cache": Path("x")})
    assert rules == Rules(processes=3)


def test_two_sources_share_what_is_given() -> None:
    first, second = make_sources(("rules", "umls"), {"processes": 3, "lexicon": Path("l")}, {})
    assert (first, second) == (Rules(processes=3, lexicon=Path("l")), Umls(processes=3))


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="no source of entities 'magic'; known are rules, umls"):
        make_sources(("magic",), {}, {})


def test_an_option_of_another_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="--knowledge is no option of rules, which take"):
        make_sources(("rules",), {"knowledge": Path("g")}, {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("radgraph", "the source radgraph needs --records. Add it"),
        ("llm", "the source llm needs --server and --model. Add them"),
    ],
)
def test_a_source_says_what_it_needs(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_sources((name,), {}, {"cache": Path("c")})


def test_every_source_is_known_by_its_name() -> None:
    assert list(SOURCES) == ["rules", "umls", "radgraph", "radgraph-package", "llm"]
