"""What findings look at: one output in all cases in which it can be compared with the right one.

- `Seen`: a trial that the function ran in; `compared(exercise, seen, output)`: the `Result` of several
- `Result`: yours and expected, what they may be made of, and `explain(numbers)`: what a factor may be
- `same`, `constant`, `ratio`: of arrays, to six digits; `added`: an explained number in words
"""
import functools
import itertools
import math
from typing import NamedTuple

import numpy as np

from minivit.learn.terms import sizes
from minivit.learn.trials import EXACT, Outcome, Trial, numeric

NAMES = {-1: "the last axis", 0: "the first axis", -2: "the last axis but one", 1: "the second axis",
         -3: "the last axis but two", 2: "the third axis"}
PLAIN = (1, -1, 2, -2, 0.5, -0.5, 3, -3, 4, 0.25)
POWERS = {1: "{1}", -1: "1 / {1}", 0.5: "sqrt({0})", -0.5: "1 / sqrt({0})", 2: "{1} ** 2", -2: "1 / {1} ** 2"}


class Seen(NamedTuple):
    """A trial that the function ran in, what results of it may be made of (see `terms`), and what came out."""

    trial: Trial
    terms: dict
    outcome: Outcome


def compared(exercise, seen, output, finite=True):
    """The Result of one output in the cases in which it has the right shape (and is finite); None without any."""
    rows = []
    for trial, terms, outcome in seen:
        yours, expected = (values[output] if len(values) > output else None
                           for values in (outcome.outputs, trial.expected))
        if numeric(yours) and numeric(expected) and np.shape(yours) == np.shape(expected) and np.size(yours):
            yours, expected = np.asarray(yours, np.float64), np.asarray(expected, np.float64)
            if np.isfinite(expected).all() and (np.isfinite(yours).all() or not finite):
                rows.append((trial.label, yours, expected, terms, sizes(exercise, trial)))
    if not rows:
        return None
    cases, yours, expected, terms, numbers = map(list, zip(*rows))
    known = {symbol: (given[0][0], [number for _, number in given]) for symbol, given in _in_all(numbers).items()}
    return Result(exercise.outputs[output], cases, yours, expected, _in_all(terms), known)


def _in_all(rows):
    """{key: [value in each row]} of the keys that all dictionaries have."""
    return {key: [row[key] for row in rows] for key in rows[0] if all(key in row for row in rows)}


class Result:
    """One output: lists with an item for each case. yours and expected are float64, of one shape.

    terms: {text: [array for each case]}, what it may be made of. sizes: {symbol: (meaning, [number for each case])}.
    """

    def __init__(self, name, cases, yours, expected, terms, sizes):
        self.name, self.cases, self.yours, self.expected, self.terms, self.sizes = (
            name, cases, yours, expected, terms, sizes)

    def pairs(self):
        """(yours, expected) of each case."""
        return zip(self.yours, self.expected)

    @functools.cached_property
    def differences(self):
        """yours - expected, for each case."""
        return [yours - expected for yours, expected in self.pairs()]

    @functools.cached_property
    def wrong(self):
        """Whether it is wrong, for each case."""
        return [not same(yours, expected) for yours, expected in self.pairs()]

    def only(self, cases):
        """The Result of some of the cases. cases: for each, whether it is one of them."""
        def keep(values):
            return list(itertools.compress(values, cases))
        return Result(self.name, keep(self.cases), keep(self.yours), keep(self.expected),
                      {text: keep(arrays) for text, arrays in self.terms.items()},
                      {symbol: (meaning, keep(numbers)) for symbol, (meaning, numbers) in self.sizes.items()})

    @functools.cached_property
    def axes(self):
        """(axis, its name) of the axes that it has in all cases, counted from either end."""
        fewest, most = (pick(yours.ndim for yours in self.yours) for pick in (min, max))
        return [(axis, name) for axis, name in NAMES.items()
                if -fewest <= axis < fewest and not (fewest == most and axis >= 0 and axis - fewest in (-1, -2))]

    def stretched(self):
        """(text, arrays) of the terms that can be broadcast to it in all cases, without those that are all 0."""
        for text, arrays in self.terms.items():
            try:
                arrays = [np.broadcast_to(array, yours.shape) for array, yours in zip(arrays, self.yours)]
            except ValueError:
                continue
            if all(np.isfinite(array).all() and array.any() for array in arrays):
                yield text, arrays

    def explain(self, numbers, most=2):
        """What these numbers, one for each case, are: "2", "1 / sqrt(K) (K = q.shape[-1])"; None if nothing fits.

        most: sizes that a formula may have. It needs more different numbers than that, or anything could be said.
        """
        numbers = np.array(numbers)
        if not (np.all(numbers > 0) or np.all(numbers < 0)):
            return None
        if constant(numbers):
            names = [symbol for symbol, (meaning, values) in self.sizes.items()
                     if not meaning and np.allclose(values, numbers, rtol=EXACT)]
            if any(math.isclose(numbers[0], plain, rel_tol=EXACT) for plain in PLAIN) or len(numbers) > 1 and not names:
                return f"{numbers[0]:.6g}"
            return names[0] if names else None
        sign, logarithms = "-" if numbers[0] < 0 else "", np.log(np.abs(numbers))
        different = len(set(np.round(logarithms, 6)))
        for formulas, known in self._vocabulary[:min(most, different - 1)]:
            for power, form in POWERS.items():
                found = np.all(np.abs(logarithms - power * known) <= EXACT, axis=1)
                if found.any():
                    text, legend = formulas[int(np.argmax(found))]
                    return sign + form.format(text, f"({text})" if " " in text else text) + legend
        return None

    @functools.cached_property
    def _vocabulary(self):
        """Formulas of one size, and of two: each ([(text, legend)], the logarithm of each in every case)."""
        plain, single, pairs = {}, [], []
        for symbol, (meaning, numbers) in self.sizes.items():           # of equal ones, the first
            plain.setdefault(tuple(numbers), (symbol, {symbol: meaning} if meaning else {}, np.array(numbers)))
        for symbol, legend, n in plain.values():
            single += [(f"{symbol} - 1", legend, n - 1), (f"{symbol} + 1", legend, n + 1),
                       (f"1 - {symbol}", legend, 1 - n)]
            if n.min() > 1:
                single.append((f"{symbol} / ({symbol} - 1)", legend, n / (n - 1)))
        for (a, its, x), (b, others, y) in itertools.combinations(plain.values(), 2):
            pairs += [(f"{a} * {b}", its | others, x * y), (f"{a} / {b}", its | others, x / y)]
        return [_table(rows, len(self.cases)) for rows in ([*plain.values(), *single], pairs)]

    def listing(self, numbers):
        """`4 in case 3x5, 7 in case 2x8`."""
        return ", ".join(f"{number:.6g} in case {case}" for number, case in zip(numbers, self.cases))


def _table(rows, cases):
    rows = [row for row in rows if row[2].min() > 0]
    texts = [(text, f" ({', '.join(f'{symbol} = {meaning}' for symbol, meaning in legend.items())})" if legend else "")
             for text, legend, _ in rows]
    return texts, np.log([numbers for _, _, numbers in rows]).reshape(len(rows), cases)


def added(what):
    """`plus 3`, `less 3`: an explained number, as something that was added."""
    return f"less {what[1:]}" if what.startswith("-") else f"plus {what}"


def same(a, b, of=None):
    """Whether the arrays are equal, to 1e-6 of the largest number of `of` (by default b)."""
    scale = np.abs(b if of is None else of).max(initial=0)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= EXACT * scale + 1e-13))


def constant(array, axis=None):
    """Whether all numbers along an axis (or several, or all) are equal."""
    spread = np.ptp(array, axis=axis) if array.size else 0.0
    return bool(np.all(spread <= EXACT * np.abs(array).max(initial=0)))


def ratio(a, b):
    """The number c with a = c b; None where there is none."""
    size = float(np.vdot(b, b))
    c = float(np.vdot(b, a)) / size if size else 0.0
    return c if size and same(a, c * b, of=a) else None
