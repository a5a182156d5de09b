"""The gradient checker: is backward the derivative of forward?

- `gradcheck(function, inputs)`: compare every gradient with numerical differences; returns a `Report`
- `Report`: per input the worst relative error, where it is, and the two values; `report.check()` raises

The function's output is multiplied by a *random* output gradient and summed; that number is differentiated. (Summing
the output alone is blind: every row of a softmax adds up to 1 whatever x is, so a backward that returns zeros passes.)
Inputs are float64, and derivatives are taken from four points,

    f'(x) = (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12h  +  O(h^4)

(Abramowitz and Stegun 1964, table 25.2), with h = 1e-3 about 1e-12 from the truth for smooth functions.
"""
import math
from dataclasses import dataclass

import numpy as np

from minivit import tape
from minivit.modes import no_grad
from minivit.streams import randomness, stream
from minivit.tensor import Tensor

STEP = 1e-3
FLOOR = 1e-3            # of an input's largest derivative: below it, errors are measured against that floor
NOISE = 1e-8            # the relative error that rounding of the differences alone may show


@dataclass(frozen=True)
class InputReport:
    """The worst place of one input: `index` is None where the worst was along a random direction over all elements."""

    name: str
    error: float
    index: tuple
    analytic: float
    numeric: float
    checked: int

    def __str__(self):
        place = "along a random direction" if self.index is None else f"at {list(self.index)}"
        return (f"{self.name:<28} worst relative error {self.error:8.1e} {place}: analytic {self.analytic:+.9e}, "
                f"numeric {self.numeric:+.9e} ({self.checked} checked)")


@dataclass(frozen=True)
class Report:
    """What a gradient check found, per input; true where every error is below the tolerance."""

    inputs: tuple
    tolerance: float

    @property
    def worst(self):
        """The input with the largest error."""
        return max(self.inputs, key=lambda report: report.error)

    def __bool__(self):
        return self.worst.error <= self.tolerance

    def __str__(self):
        return "\n".join(str(report) for report in self.inputs)

    def check(self):
        """Raise AssertionError, with the whole report, if an error is above the tolerance."""
        if not self:
            raise AssertionError(f"the gradient of {self.worst.name} is wrong, by more than {self.tolerance:.0e}:\n"
                                 f"{self}")
        return self


def gradcheck(function, inputs, seeds=(0, 1), elements=None, tolerance=1e-6):
    """Check the gradient of `function(*tensors)`, a Tensor or tuple of Tensors, at float64 `inputs`.

    inputs: {name: array}, or a sequence of arrays. Leaf tensors are taken as they are, so that a model's parameters can
    be checked where they stand: `gradcheck(lambda x, *_: model(x), {"x": x, **dict(model.named_parameters())})`.
    seeds: one random output gradient each.
    elements: check that many random elements of each input and one random direction over all of them; None: every one.
    Random masks are the same at every evaluation. Raises TypeError for an input that is not float64.
    """
    named = dict(inputs) if isinstance(inputs, dict) else {f"input {k}": x for k, x in enumerate(inputs)}
    for name, array in named.items():
        if getattr(array, "dtype", None) != np.float64:
            raise TypeError(f"gradcheck needs float64 inputs, and {name} is {getattr(array, 'dtype', type(array))}: "
                            f"differences of float32 numbers have too few digits")
    tensors = {name: x if isinstance(x, Tensor) else Tensor(x.copy(), requires_grad=True) for name, x in named.items()}
    found = [report for seed in seeds for report in _check_once(function, tensors, seed, elements)]
    worst = {}
    for report in found:
        if report.name not in worst or not report.error <= worst[report.name].error:
            worst[report.name] = report
    return Report(tuple(worst.values()), tolerance)


def _check_once(function, tensors, seed, elements):
    def outputs():
        with randomness(seed):
            result = function(*tensors.values())
        return result if isinstance(result, tuple) else (result,)

    for tensor in tensors.values():
        tensor.grad = None
    result = outputs()
    rng = stream(seed, place="gradcheck")
    dys = [rng.standard_normal(output.shape) for output in result]
    sources = [(output.edge, dy) for output, dy in zip(result, dys) if output.requires_grad]
    tape.backward(sources)

    @no_grad()
    def value():
        return math.fsum(np.vdot(output.data, dy) for output, dy in zip(outputs(), dys))

    size = sum(float(np.abs(output.data * dy).sum()) for output, dy in zip(result, dys))
    noise = size * 2.0 ** -52 / STEP                                # of a difference, from rounding the two values
    for name, tensor in tensors.items():
        analytic = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad
        yield _check_input(name, tensor.data, analytic, value, noise, rng, elements)


def _check_input(name, x, analytic, value, noise, rng, elements):
    """Compare `analytic` (like x) with differences of value(), which depends on the array x in place."""
    every = elements is None or elements >= x.size
    chosen = range(x.size) if every else rng.choice(x.size, elements, replace=False)
    rows = []                               # (index, analytic, numeric)
    for index in (np.unravel_index(k, x.shape) for k in chosen):
        direction = np.zeros_like(x)
        direction[index] = 1
        rows.append((tuple(int(i) for i in index), float(analytic[index]), slope_along(x, direction, value)))
    if not every:
        direction = rng.standard_normal(x.shape)
        direction /= np.linalg.norm(direction)
        rows.append((None, float(np.vdot(analytic, direction)), slope_along(x, direction, value)))
    if not rows:
        return InputReport(name, 0.0, (), 0.0, 0.0, 0)
    floor = max(FLOOR * max(max(abs(a), abs(n)) for _, a, n in rows), noise / NOISE)
    errors = [_relative(a, n, floor) for _, a, n in rows]
    worst = max(range(len(rows)), key=lambda k: errors[k] if errors[k] == errors[k] else math.inf)
    return InputReport(name, errors[worst], *rows[worst], len(rows))


def slope_along(x, direction, value):
    """The derivative of value() as x moves along `direction`; x is as before afterwards."""
    before = x.copy()
    values = []
    for steps in (1, -1, 2, -2):
        x[...] = before + steps * STEP * direction
        values.append(value())
    x[...] = before
    return (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * STEP)


def _relative(a, n, floor):
    """|a - n| relative to the larger of them, or to a floor where both are small; nan counts as infinitely wrong."""
    error = abs(a - n) / max(abs(a), abs(n), floor, 1e-300)
    return error if math.isfinite(error) else math.inf
