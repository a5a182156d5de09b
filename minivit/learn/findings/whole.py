"""Findings about all numbers of a result: yours is the right one changed in one way."""
import itertools

import numpy as np

from minivit.learn.findings.results import added, ratio, same
from minivit.learn.trials import EXACT


def zero(result):
    if all(np.abs(yours).max() <= EXACT * np.abs(expected).max() for yours, expected in result.pairs()):
        return f"{result.name} is 0 everywhere."


def sign(result):
    if all(same(yours, -expected) for yours, expected in result.pairs()):
        return f"The sign of {result.name} is wrong: yours is the right one times -1."


def factor(result):
    factors = [ratio(yours, expected) for yours, expected in result.pairs()]
    if None in factors or 0.0 in factors:
        return None
    what = result.explain(factors)
    if what is not None:
        return f"{result.name} is right up to a factor: yours is {what} times the right one."
    if all(yours.size > 1 for yours in result.yours):
        return f"{result.name} is right up to a factor, yours / right = {result.listing(factors)}."


def offset(result):
    offsets = [float(difference.mean()) for difference in result.differences]
    if not all(same(d, np.full(d.shape, c), of=d) for d, c in zip(result.differences, offsets)):
        return None
    what = result.explain(offsets)
    if what is not None:
        return f"{result.name} is wrong by the same number everywhere: yours is the right one {added(what)}."
    if all(yours.size > 1 for yours in result.yours):
        return f"{result.name} is wrong by the same number everywhere, yours - right = {result.listing(offsets)}."


def transposed(result):
    for order in _orders(result):
        if all(same(yours, expected.transpose(order)) for yours, expected in result.pairs()):
            return f"{result.name} has its axes in the wrong order: yours is the right one with .transpose{order}."


def reshaped(result):
    for order in _orders(result):
        there = all(same(yours, expected.transpose(order).reshape(yours.shape)) for yours, expected in result.pairs())
        back = all(same(yours.transpose(order).reshape(yours.shape), expected) for yours, expected in result.pairs())
        if there or back:
            first, then = ("the right one", "yours") if there else ("yours", "right")
            return (f"{result.name} holds the right numbers in the wrong places: {first} with .transpose{order}, read "
                    f"row by row, is {then}. A reshape does not exchange axes.")


def _orders(result):
    """Orders of the axes but their own, if there are as many axes in every case."""
    ndims = {yours.ndim for yours in result.yours}
    if len(ndims) == 1 and 2 <= max(ndims) <= 6:
        yield from itertools.islice(itertools.permutations(range(max(ndims))), 1, None)


def moved(result):
    for axis, name in result.axes:
        for sentence, move in (
                ("is turned round along {}", lambda e: np.flip(e, axis)),
                ("is one place too far on along {}; it begins with what should be the last", _roll(axis, 1)),
                ("is one place too early along {}; it ends with what should be the first", _roll(axis, -1)),
                ("is one place too far on along {}, and begins with 0", _roll(axis, 1, 0)),
                ("is one place too early along {}, and ends with 0", _roll(axis, -1, -1))):
            if all(same(yours, move(expected)) for yours, expected in result.pairs()):
                return f"{result.name} {sentence.format(name)}."


def _roll(axis, step, cleared=None):
    def move(array):
        array = np.moveaxis(np.roll(array, step, axis), axis, 0).copy()
        if cleared is not None:
            array[cleared] = 0
        return np.moveaxis(array, 0, axis)
    return move


WHOLE = {"zero": zero, "sign": sign, "factor": factor, "offset": offset, "transposed": transposed, "reshaped": reshaped,
         "moved": moved}
