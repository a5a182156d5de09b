"""Findings about where a result is wrong: in a row, on the border, on the diagonal, where an argument is negative, ...

A region is said only if every wrong number lies in it, in all cases, and that cannot be chance.
"""
import numpy as np

from minivit.learn.trials import EXACT, error

MOST = 0.85                 # of all numbers may lie in a region
CHANCE = 1e-3               # that places taken at random would all lie in the region
ALONG = (
    ("in the first place along {}", lambda k, n: k == 0),
    ("in the last place along {}", lambda k, n: k == n - 1),
    ("at both ends of {}", lambda k, n: k * (n - 1 - k) == 0),
    ("after the first place along {}", lambda k, n: k > 0),
    ("before the last place along {}", lambda k, n: k < n - 1),
    ("in every other place along {}, from the first", lambda k, n: k % 2 == 0),
    ("in every other place along {}, from the second", lambda k, n: k % 2 == 1))
IMAGES = (
    ("on the diagonal", lambda y, x, Sy, Sx: y == x),
    ("on the border of the last two axes", lambda y, x, Sy, Sx: y * x * (Sy - 1 - y) * (Sx - 1 - x) == 0),
    ("inside, not on the border of the last two axes", lambda y, x, Sy, Sx: y * x * (Sy - 1 - y) * (Sx - 1 - x) != 0),
    ("above the diagonal", lambda y, x, Sy, Sx: y < x),
    ("below the diagonal", lambda y, x, Sy, Sx: y > x),
    ("off the diagonal", lambda y, x, Sy, Sx: y != x))
SIGNS = (("0", lambda a: a == 0), ("not 0", lambda a: a != 0), ("negative", lambda a: a < 0),
         ("positive", lambda a: a > 0), ("above 1", lambda a: a > 1), ("below 1", lambda a: a < 1),
         ("below -1", lambda a: a < -1), ("above -1", lambda a: a > -1))


def places(result):
    """Where wrong numbers are."""
    wrong = result.only(result.wrong)
    text = _region(wrong, [error(yours, expected, EXACT) > 0 for yours, expected in wrong.pairs()])
    if text:
        return f"{result.name} is wrong only {text}."


def not_finite(result):
    """(name, sentence): where nan and inf are, or that they are all that is wrong; None if neither can be said."""
    masks = [~np.isfinite(yours) for yours in result.yours]
    some = [bool(mask.any()) for mask in masks]
    if not any(some):                           # but in float32 alone
        return None
    if all(mask.all() for mask in masks):
        return "not-finite:where", f"{result.name} is nan or inf everywhere."
    text = _region(result.only(some), [mask for mask in masks if mask.any()])
    if text:
        return "not-finite:where", f"{result.name} is nan or inf only {text}."
    if all(np.all((error(yours, expected, EXACT) == 0) | mask)
           for (yours, expected), mask in zip(result.pairs(), masks)):
        return "overflow", (f"Where {result.name} is finite it is right: on the way, numbers grow too large, or 0 is "
                            f"divided by 0.")


def _region(result, masks):
    """The smallest region, in words, that holds every True of the masks, one for each case; None if none does.

    A few places lie in some region by chance: the share of it, to the power of their number, must be small.
    """
    total, marked, found = sum(mask.size for mask in masks), sum(int(mask.sum()) for mask in masks), []
    for text, inside in _regions(result):
        inside = [np.broadcast_to(part, mask.shape) for part, mask in zip(inside, masks)]
        size = sum(int(part.sum()) for part in inside)
        if size < MOST * total and (size / total) ** marked < CHANCE and not any(
                (mask & ~part).any() for mask, part in zip(masks, inside)):
            found.append((size, text))
    return min(found, key=lambda each: each[0])[1] if found else None


def _regions(result):
    """(text, [mask for each case]); a mask can be broadcast to the result."""
    for axis, name in result.axes:
        for text, holds in ALONG:
            yield text.format(name), [_along(holds, yours, axis) for yours in result.yours]
    if all(yours.ndim >= 2 for yours in result.yours):
        for text, holds in IMAGES:
            yield text, [holds(*np.ogrid[:yours.shape[-2], :yours.shape[-1]], *yours.shape[-2:])
                         for yours in result.yours]
    yield from _signs("the right one", result.expected)
    for name, arrays in result.terms.items():
        if all(array.ndim and array.shape == yours.shape[:array.ndim] for array, yours in zip(arrays, result.yours)):
            yield from _signs(f"`{name}`", [array.reshape(array.shape + (1,) * (yours.ndim - array.ndim))
                                            for array, yours in zip(arrays, result.yours)])


def _along(holds, yours, axis):
    length = yours.shape[axis]
    return np.moveaxis(holds(np.arange(length), length).reshape((length,) + (1,) * (yours.ndim - 1)), 0, axis)


def _signs(name, arrays):
    for text, holds in SIGNS:
        yield f"where {name} is {text}", [holds(array) for array in arrays]
