"""All recipes by name."""

from longtake.pipeline.recipes import (
    activitynet,
    activitynetqa,
    coin,
    condensedmovies,
    didemo,
    finevideo,
    folder,
    hdvila100m,
    how2qa,
    howto100m,
    howtocaption,
    internvid,
    lfvila8m,
    lfvilaretrieval,
    lvu,
    openvid1m,
    panda70m,
    queryd,
    vidchapters7m,
    violin,
    webvid,
    youcook2,
    yttemporal1b,
)
from longtake.pipeline.recipes.recipe import Recipe
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.settings import did_you_mean

_MODULES = (
    hdvila100m, lfvila8m, howto100m, howtocaption, yttemporal1b, vidchapters7m, internvid, panda70m, webvid, activitynet,
    youcook2, condensedmovies, finevideo, openvid1m, didemo, queryd, lfvilaretrieval, how2qa, violin, activitynetqa, coin, lvu,
    folder,
)  # fmt: skip
RECIPES: dict[str, Recipe] = {module.RECIPE.name: module.RECIPE for module in _MODULES}


def recipe_named(name: str, where: str) -> Recipe:
    """The recipe of a name. Raises ConfigError, which begins with `where` the name is given."""
    if name not in RECIPES:
        raise ConfigError(
            f"{where} {name}: no such recipe.{did_you_mean(name, RECIPES)} There are {', '.join(RECIPES)}."
        )
    return RECIPES[name]


def recipe_of(config: CorpusConfig) -> Recipe | None:
    """The recipe that reads `source.videos`; None if it holds records already, as fetch writes them."""
    return None if config.source.fetch is not None else named_recipe(config)


def named_recipe(config: CorpusConfig) -> Recipe | None:
    """The recipe that `source.recipe` names: of `source.fetch.urls`, or without fetch of `source.videos`."""
    return None if config.source.recipe is None else RECIPES[config.source.recipe]
