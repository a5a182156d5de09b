"""The exercises there are, found by their files: `exercises/<slug>.py` and `solutions/<slug>.py`.

- `slugs()`: their names, in the order of the lessons
- `exercise(slug)`: one of them, imported when it is asked for
- `solution_file(slug)`: the solved file, of which the stub is made
"""
import functools
import importlib
from pathlib import Path

from minivit.errors import unknown

HERE = Path(__file__).parent
EXERCISES = "minivit.learn.exercises"


@functools.cache
def exercise(slug):
    """The Exercise called `slug`. Raises ValueError, with the nearest name, where there is none."""
    if slug not in _names():
        raise ValueError(unknown("exercise", slug, _names()))
    module = f"{EXERCISES}.{slug}"
    return importlib.import_module(module).EXERCISE


def slugs():
    """All names: lesson by lesson, within a lesson easy ones first, then by the alphabet."""
    def place(slug):
        found = exercise(slug)
        return found.lesson, found.difficulty, slug
    return sorted(_names(), key=place)


def solution_file(slug):
    """Where the solution of `slug` is."""
    return HERE / "solutions" / f"{slug}.py"


def _names():
    return [path.stem for path in (HERE / "exercises").glob("*.py") if not path.stem.startswith("_")]
