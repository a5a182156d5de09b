"""The exercises there are, found by their files: `exercises/<slug>.py`, and `solutions/<slug>.py` or `.cu`.

- `slugs()`: their names, in the order of the lessons
- `exercise(slug)`: one of them, imported when it is asked for
- `solution_file(slug)`: the solved file, of which the stub is made
- `why_not_here(slug)`: None, or why the exercise cannot be checked on this machine
"""
import functools
import importlib
from pathlib import Path

from minivit.cuda import why_no_checks
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
    """Where the solution of `slug` is: in Python, or in CUDA. The learner's file has the same name."""
    cuda = HERE / "solutions" / f"{slug}.cu"
    return cuda if cuda.exists() else cuda.with_suffix(".py")


def why_not_here(slug):
    """None where exercise `slug` can be checked, else what is missing: those in CUDA need the emulator."""
    return why_no_checks() if solution_file(slug).suffix == ".cu" else None


def _names():
    return [path.stem for path in (HERE / "exercises").glob("*.py") if not path.stem.startswith("_")]
