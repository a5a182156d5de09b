"""Findings about results of the wrong shape: what would make the shape right."""
import itertools

import numpy as np

from minivit.learn.findings.results import NAMES
from minivit.learn.trials import agree, listed, numeric
from minivit.learn.verdict import ended

AXES = [axes for count in (1, 2, 3) for axes in itertools.combinations(NAMES, count)]


def of_shape(name, seen, output):
    """(name, sentence): what is true of the output `name` in all cases in which its shape is wrong, or None."""
    wrong = []
    for trial, _, outcome in seen:
        if len(outcome.outputs) > output and numeric(outcome.outputs[output]):
            yours, expected = (np.asarray(values[output], np.float64) for values in (outcome.outputs, trial.expected))
            if yours.shape != expected.shape:
                wrong.append((trial, yours, expected))
    for finding, sentence, holds in _candidates() if wrong else ():
        if all(holds(yours, expected) for _, yours, expected in wrong):
            return finding, ended(f"{name} {sentence}")
    for trial, yours, _ in wrong[:1]:
        for argument, value in zip(trial.names, trial.arguments):
            for axes in AXES if isinstance(value, np.ndarray) else ():
                if _reduced(value, yours, np.sum, axes):
                    return "shape:other sum", (f"{name} is the sum of {argument} over {_where(axes)} in case "
                                               f"{trial.label}.")
    return None


def _candidates():
    """(name, sentence, whether it holds for (yours, expected)), the most telling first."""
    yield "shape:axes of size 1", "has the right numbers, and an axis of size 1 too many or too few", (
        lambda y, e: agree(np.squeeze(y), np.squeeze(e)))
    for axes in AXES:
        for word, reduce in (("sum", np.sum), ("mean", np.mean)):
            yield f"shape:{word} missing", f"lacks the {word} over {_where(axes)}", (
                lambda y, e, reduce=reduce, axes=axes: _reduced(y, e, reduce, axes))
            yield f"shape:{word} too many", f"is the right one with a {word} over {_where(axes)} too many", (
                lambda y, e, reduce=reduce, axes=axes: _reduced(e, y, reduce, axes))
    yield "shape:transposed", "is the right one with its axes in another order", _permuted
    yield "shape:reshaped", "has the right numbers in the right order, in another shape", (
        lambda y, e: y.size == e.size and agree(y.ravel(), e.ravel()))
    yield "shape:elsewhere", "has the right numbers, in another order and another shape", (
        lambda y, e: y.size == e.size and agree(np.sort(y, None), np.sort(e, None)))
    yield "shape:longer", "has too many numbers along an axis: was it stretched by broadcasting?", (
        lambda y, e: y.ndim == e.ndim and all(a >= b for a, b in zip(y.shape, e.shape)))
    yield "shape:shorter", "has too few numbers along an axis", (
        lambda y, e: y.ndim == e.ndim and all(a <= b for a, b in zip(y.shape, e.shape)))
    yield "shape:more axes", "has too many axes: is a sum missing, or a None or keepdims=True too many?", (
        lambda y, e: y.ndim > e.ndim)
    yield "shape:fewer axes", "has too few axes: is there a sum too many, or is keepdims=True missing?", (
        lambda y, e: y.ndim < e.ndim)


def _where(axes):
    return listed([NAMES[axis] for axis in axes])


def _reduced(large, small, reduce, axes):
    """Whether `small` is `large` with a sum or mean over the axes, kept or not."""
    if large.size == small.size or any(not -large.ndim <= axis < large.ndim for axis in axes):
        return False
    axes = tuple({axis % large.ndim for axis in axes})
    return agree(np.squeeze(reduce(large, axis=axes)), np.squeeze(small))


def _permuted(y, e):
    orders = itertools.permutations(range(e.ndim)) if y.ndim == e.ndim <= 6 else ()
    return any(agree(y, e.transpose(order)) for order in orders)
