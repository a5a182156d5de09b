"""One function run on one set of arguments.

- `Trial`: arguments, and what is expected of them
- `attempt(exercise, function, arguments)`: an `Outcome`: outputs, or an exception; and which arguments were changed
- `agree(a, b, tolerance)`: whether two arrays hold the same numbers, nan and infinities included
"""
import copy
import warnings
from dataclasses import dataclass

import numpy as np

from minivit.cuda import checking
from minivit.learn.exercise import EXACT
from minivit.learn.verdict import VALUES

SINGLE, ROUGH = 1e-3, 1e-2                      # tolerances: float32, float32 with extreme numbers
LEAST = 1e-3                                    # in float32, results smaller than this count as this large


@dataclass(frozen=True)
class Trial:
    """names: of the arguments. changes: those that are meant to be changed in place, counted from 0."""

    label: str
    arguments: tuple
    names: tuple
    expected: tuple
    changes: tuple = ()
    level: int = VALUES
    tolerance: float = EXACT


@dataclass(frozen=True)
class Outcome:
    """What a function did: outputs (a tuple), or error; changed: which of its arguments, counted from 0.

    findings: what the emulator says of the kernels that it launched.
    """

    outputs: tuple | None
    error: BaseException | None
    changed: tuple
    findings: tuple = ()


def attempt(exercise, function, arguments):
    """Run `function` on copies of `arguments`; NumPy's warnings are left out, the results show what they warn of."""
    own = copy.deepcopy(arguments)
    with warnings.catch_warnings(), np.errstate(all="ignore"), checking() as report:
        warnings.simplefilter("ignore")
        try:
            outputs, error = tuple(_copied(value) for value in exercise.run(function, own)), None
        except (Exception, SystemExit) as raised:
            outputs, error = None, raised
    changed = tuple(k for k, (before, after) in enumerate(zip(arguments, own)) if not _unchanged(before, after))
    return Outcome(outputs, error, changed, tuple(finding for finding in report.findings if not finding.benign))


def _copied(value):
    """A copy of an array: it may be a view of something that changes later."""
    return value.copy() if isinstance(value, np.ndarray) else value


def _unchanged(before, after):
    if isinstance(before, np.ndarray):
        return before.shape == after.shape and before.dtype == after.dtype and before.tobytes() == after.tobytes()
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_unchanged(before[key], after[key]) for key in before)
    return True


def cast(value, given, wanted):
    """A copy of `value`, nested in tuples and dictionaries or not, with arrays of the type `given` as `wanted`."""
    if isinstance(value, np.ndarray):
        return value.astype(wanted if value.dtype == given else value.dtype)
    if isinstance(value, (list, tuple)):
        return type(value)(cast(part, given, wanted) for part in value)
    return {key: cast(part, given, wanted) for key, part in value.items()} if isinstance(value, dict) else value


def numeric(value):
    """Whether `value` is a number or an array of numbers (or of truth values)."""
    return isinstance(value, (np.ndarray, np.generic, bool, int, float)) and np.asarray(value).dtype.kind in "fiub"


def agree(a, b, tolerance=EXACT):
    """Whether |a - b| <= tolerance * the largest finite number of b everywhere, with nan and inf in the same places."""
    if numeric(a) and numeric(b):
        return np.shape(a) == np.shape(b) and not error(a, b, tolerance).any()
    try:
        return type(a) is type(b) and bool(np.all(a == b))
    except Exception:                                       # of objects that learners wrote, == may do anything
        return False


def error(yours, expected, tolerance=0.0):
    """|yours - expected| like them, inf where only one is finite; 0 up to `tolerance` times the largest |expected|."""
    yours, expected = np.asarray(yours, np.float64), np.asarray(expected, np.float64)
    finite = np.isfinite(yours) & np.isfinite(expected)
    alike = ~finite & ((yours == expected) | np.isnan(yours) & np.isnan(expected))
    with np.errstate(all="ignore"):
        distance = np.where(finite, np.abs(yours - expected), np.inf)
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0) or 1.0
    if tolerance > EXACT:                       # float32, in which numbers that cancel out leave 1e-7 behind
        scale = max(scale, LEAST)
    return np.where(alike | (distance <= tolerance * scale), 0.0, distance)


def listed(names):
    """`dq, dk and dv`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
