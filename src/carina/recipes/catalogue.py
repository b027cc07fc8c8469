"""All recipes by name."""

import difflib
import functools
from collections.abc import Callable

from carina.errors import ConfigError
from carina.recipes import (
    convirt,
    ecamp,
    ecamp_ablations,
    gloria,
    kad,
    kad_ablations,
    maco,
    maco_ablations,
    medklip,
    medklip_ablations,
)
from carina.recipes.kad_ablations import Ablation
from carina.recipes.recipe import Recipe

BASES: tuple[Callable[[], Recipe], ...] = (
    kad.kad_small,
    kad.kad_paper,
    kad.kad_paper_512,
    kad.kad_paper_1024,
    kad.kad_paper_vit,
    kad.kad_official,
    kad.kad_official_vit,
    maco.maco_small,
    maco.maco_paper,
    maco.maco_official,
    ecamp.ecamp_small,
    ecamp.ecamp_contrast,
    ecamp.ecamp_paper,
    ecamp.ecamp_official,
    ecamp.ecamp_contrast_paper,
    convirt.convirt_small,
    convirt.convirt_paper,
    gloria.gloria_small,
    gloria.gloria_official,
    gloria.gloria_distilled_vit,
    medklip.medklip_small,
    medklip.medklip_paper,
    medklip.medklip_official,
)
ABLATED: tuple[tuple[Callable[[], Recipe], tuple[Ablation, ...]], ...] = (
    (kad.kad_small, kad_ablations.ABLATIONS),
    (kad.kad_paper, kad_ablations.ABLATIONS),
    (maco.maco_small, maco_ablations.ABLATIONS),
    (maco.maco_paper, maco_ablations.ABLATIONS),
    (ecamp.ecamp_small, ecamp_ablations.ABLATIONS),
    (ecamp.ecamp_paper, ecamp_ablations.ABLATIONS),
    (medklip.medklip_small, medklip_ablations.ABLATIONS),
    (medklip.medklip_paper, medklip_ablations.ABLATIONS),
)


def ablated(base: Callable[[], Recipe], ablation: Ablation) -> Recipe:
    """One ablation of a recipe."""
    return ablation(base())


ALL: tuple[Callable[[], Recipe], ...] = (
    *BASES,
    *(functools.partial(ablated, base, change) for base, changes in ABLATED for change in changes),
)
RECIPES: dict[str, Callable[[], Recipe]] = {make().name: make for make in ALL}


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
