"""minivit recipes: settings of whole runs that are known to work."""
from minivit.train import RECIPES, read_recipe, recipe_text


def add_arguments(parser):
    parser.add_argument("name", metavar="NAME", nargs="?", help="print this recipe, with the sources of its numbers")


def run(arguments):
    if arguments.name is not None:
        print(recipe_text(arguments.name), end="")
        return 0
    for name in RECIPES:
        recipe = read_recipe(name)
        print(f"{name:<15} {recipe.about}\n{'':<15} {recipe.reaches}")
    print("\nuse one: minivit train --recipe NAME    read one: minivit recipes NAME")
    return 0
