"""All recipes by name."""

import difflib
from collections.abc import Callable

from carina.errors import ConfigError
from carina.recipes import kad
from carina.recipes.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "kad_small": kad.kad_small,
    "kad_paper": kad.kad_paper,
    "kad_paper_512": kad.kad_paper_512,
    "kad_paper_1024": kad.kad_paper_1024,
    "kad_paper_vit": kad.kad_paper_vit,
    "kad_official": kad.kad_official,
    "kad_official_vit": kad.kad_official_vit,
}


def find_recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ConfigError: there is none; close names are given.
    """
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=3)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise ConfigError(
            f"There is no recipe {name!r}.{hint} `carina pretrain list` prints them all."
        )
    return RECIPES[name]()
