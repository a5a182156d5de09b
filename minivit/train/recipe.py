"""Recipes: settings of whole runs that are known to work, as TOML files in this package, with their sources.

- `RECIPES`: their names
- `read_recipe(name)`: one of them
- `trainer_of(name, ...)`: its Trainer, with settings changed
"""
import tomllib
from dataclasses import dataclass
from importlib import resources

from minivit.errors import unknown
from minivit.train.config import TrainConfig
from minivit.train.setup import trainer_from

_FOLDER = resources.files("minivit.train").joinpath("recipes")
RECIPES = ("mnist", "cifar10-small", "cifar10", "vit-pretrain", "vit-finetune", "deit", "deit-distill", "bit")


@dataclass(frozen=True)
class Recipe:
    """about: what it is; reaches: how well it does, and in what time. train: settings of a TrainConfig; model: changes
    to the preset of its model."""

    name: str
    about: str
    reaches: str
    train: dict
    model: dict


def recipe_text(name):
    """The file of a recipe, whose comments say where its numbers come from. Raises ValueError for an unknown name."""
    if name not in RECIPES:
        raise ValueError(unknown("recipe", name, RECIPES))
    return _FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8")


def read_recipe(name):
    """The Recipe of that name. Raises ValueError for an unknown one."""
    tables = tomllib.loads(recipe_text(name))
    return Recipe(name, **tables["recipe"], train=tables["train"], model=tables.get("model", {}))


def trainer_of(name, model_changes=None, folder=None, threads=None, quiet=False, **settings):
    """The Trainer of a recipe. settings, of the TrainConfig, and model_changes go before the recipe's own; what it says
    of its model does not count for another `model`, or one to `start` from."""
    recipe = read_recipe(name)
    train = recipe.train | settings
    own = {} if train.get("start") or train.get("model") != recipe.train.get("model") else recipe.model
    return trainer_from(TrainConfig(**train), own | (model_changes or {}), folder, threads, quiet)
