"""Findings that say a part of what is wrong, for results of which nothing better is known."""
import math

import numpy as np

from minivit.learn.findings.results import constant, same
from minivit.learn.trials import EXACT


def flat(result):
    for axis, name in result.axes:
        long = [(yours, expected) for yours, expected in result.pairs() if yours.shape[axis] > 1]
        if not long or not all(constant(yours, axis) for yours, _ in long) or all(
                constant(expected, axis) for _, expected in long):
            continue
        for word, reduce in (("mean", np.mean), ("sum", np.sum), ("largest", np.max)):
            if all(same(yours, np.broadcast_to(reduce(expected, axis, keepdims=True), yours.shape))
                   for yours, expected in long):
                return f"{result.name} is the same number all along {name}: the {word} of the right ones."
        return f"{result.name} is the same number all along {name}, and should not be."


def axis_factor(result):
    if all(np.abs(expected).min() > EXACT * np.abs(expected).max() for expected in result.expected):
        return _along_axis(result, [yours / expected for yours, expected in result.pairs()], "a factor")


def axis_offset(result):
    return _along_axis(result, result.differences, "something added")


def _along_axis(result, measures, what):
    """A sentence if arrays like the result are constant along all axes but one, or along one."""
    for axis, name in result.axes:
        others = [tuple(k for k in range(m.ndim) if k != axis % m.ndim) for m in measures]
        if all(constant(m, rest) for m, rest in zip(measures, others)) and any(
                math.prod(m.shape[k] for k in rest) > 1 for m, rest in zip(measures, others)):
            return f"{result.name} is right up to {what} that depends only on the place along {name}."
    for axis, name in result.axes:
        if all(constant(m, axis) for m in measures) and any(m.shape[axis] > 1 for m in measures):
            return f"{result.name} is right up to {what} that is the same all along {name}."


def elsewhere(result):
    if all(same(np.sort(yours, None), np.sort(expected, None)) for yours, expected in result.pairs()) and any(
            yours.size > 1 for yours in result.yours):
        return f"{result.name} holds the right numbers in the wrong places."


def nearly(result):
    worst = max((float(np.abs(difference).max() / np.abs(expected).max())
                 for difference, expected in zip(result.differences, result.expected) if expected.any()), default=1.0)
    if worst < 0.02:
        return (f"{result.name} is nearly right: nowhere off by more than {100 * worst:.2g} % of its largest number. "
                f"Look for a small constant, its place, or an approximation.")


def sums(result):
    for axis, name in ((None, ""), *result.axes):
        if all(same(yours.sum(axis), expected.sum(axis), of=yours) for yours, expected in result.pairs()) and any(
                (yours.size if axis is None else yours.shape[axis]) > 1 for yours in result.yours):
            return f"The sums of {result.name}{f' along {name}' if name else ''} are right, the numbers are not."


def signs(result):
    if sum(yours.size for yours in result.yours) >= 12 and all(
            np.array_equal(np.sign(yours), np.sign(expected)) for yours, expected in result.pairs()):
        return f"Every sign of {result.name} is right, the sizes are not."


PARTS = {"flat": flat, "axis-factor": axis_factor, "axis-offset": axis_offset, "elsewhere": elsewhere, "nearly": nearly}
LAST = {"sums": sums, "": signs}        # "": true, but too little to go by the name of a finding
