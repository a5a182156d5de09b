"""Findings from trying a function again with one argument changed: what its result depends on, and how.

- `independent`: it does not depend on an argument that it must depend on, or does on one that it must not
- `growth`: if an argument is doubled, it must grow by a power of two, and does not
- `shift`: a constant added to an argument must change nothing, and does
- `reach`: one number of an argument must reach certain places of the result, and reaches others
- `origin`: the error depends on some arguments, and not on others

What is right is seen on the solution, which is tried in the same way.
"""
import numpy as np

from minivit.learn.findings.results import same
from minivit.learn.trials import attempt, listed, numeric

DEGREES = {0: "must not change", 1: "must double", 2: "must grow to four times its size", -1: "must be halved",
           -2: "must shrink to a quarter", 0.5: "must grow by sqrt(2)", -0.5: "must shrink by sqrt(2)"}
UNMOVED, MOVED = 1e-13, 1e-8            # a change is nothing below, is one above, and cannot be told in between


class Behaviour:
    """Tries a function, and the solution, in the trials given; looks at one output."""

    def __init__(self, exercise, function, trials, output):
        self.exercise, self.function, self.trials, self.output = exercise, function, trials, output
        self.name = exercise.outputs[output]
        self.before = [self.both(trial.arguments) for trial in trials]

    def findings(self):
        """(name, sentence) of those below that are true."""
        for finding in (self.independent, self.growth, self.shift, self.reach, self.origin):
            sentence = finding()
            if sentence:
                yield finding.__name__, sentence

    def both(self, arguments):
        """(yours, right), or None where one of them fails, is not finite, or they are of different shapes."""
        found = []
        for function in (self.function, self.exercise.solution):
            outcome = attempt(self.exercise, function, arguments)
            if outcome.error is not None or len(outcome.outputs) <= self.output:
                return None
            if not numeric(outcome.outputs[self.output]) or not np.isfinite(outcome.outputs[self.output]).all():
                return None
            found.append(np.asarray(outcome.outputs[self.output], np.float64))
        return found if found[0].shape == found[1].shape else None

    def rows(self, place, change):
        """[(yours before, yours after, right before, right after)] for every trial, [] if one of them fails."""
        found = []
        for trial, before in zip(self.trials, self.before):
            after = before and self.both(_with(trial.arguments, place, change))
            if not after:
                return []
            found.append((before[0], after[0], before[1], after[1]))
        return found

    def arguments(self, *kinds):
        """(place, name) of the arguments of the given kinds: float, int (single numbers only), function."""
        for place, (name, value) in enumerate(zip(self.trials[0].names, self.trials[0].arguments)):
            if ("float" in kinds and numeric(value) and np.asarray(value).dtype.kind == "f"
                    or "int" in kinds and type(value) is int or "function" in kinds and callable(value)):
                yield place, name

    def independent(self):
        for place, name in self.arguments("float", "int", "function"):
            rows = self.rows(place, _other)
            yours = any(not same(before, after) for before, after, _, _ in rows)
            right = any(not same(before, after) for _, _, before, after in rows)
            if right and not yours:
                return f"{self.name} does not depend on {name} at all, and must."
            if yours and not right:
                return f"{self.name} depends on {name}, and must not."

    def growth(self):
        for place, name in self.arguments("float"):
            rows = self.rows(place, lambda value: 2 * value)
            for degree, sentence in DEGREES.items():
                by = 2.0 ** degree
                if rows and all(same(after, by * before) for _, _, before, after in rows) and not all(
                        same(after, by * before) for before, after, _, _ in rows):
                    return f"If {name} is doubled, {self.name} {sentence}. Yours does not do that."

    def shift(self):
        for place, name in self.arguments("float"):
            rows = self.rows(place, lambda value: value + 0.5)
            if rows and all(same(after, before) for _, _, before, after in rows) and not all(
                    same(after, before) for before, after, _, _ in rows):
                return f"If a constant is added to all of {name}, {self.name} must not change. Yours does."

    def reach(self):
        for place, name in self.arguments("float"):
            for trial, before in zip(self.trials, self.before):
                after = before and np.ndim(trial.arguments[place]) and self.both(
                    _with(trial.arguments, place, _nudged))
                if not after:
                    continue
                yours, right = (_moved(one, other) for one, other in zip(before, after))
                if yours is None or right is None or np.array_equal(yours, right):
                    continue
                many = "others" if yours.sum() == right.sum() else yours.sum()
                return (f"One number of {name} must reach {right.sum()} of the {right.size} numbers of {self.name}"
                        f"{_axes(right)}; in yours it reaches {many}{_axes(yours)} (case {trial.label}).")

    def origin(self):
        guilty, innocent = [], []
        for place, name in self.arguments("float", "int", "function"):
            rows = self.rows(place, _other)
            if rows and all(before.shape == after.shape for before, after, _, _ in rows):
                moved = any(not same(after - right_after, before - right, of=right_after)
                            for before, after, right, right_after in rows)
                (guilty if moved else innocent).append(name)
        if guilty and innocent:
            return f"The error of {self.name} depends on {listed(guilty)}, but not on {listed(innocent)}: look there."


def _with(arguments, place, change):
    return tuple(change(argument) if k == place else argument for k, argument in enumerate(arguments))


def _other(value):
    """Each number times a factor of its own, 1.1 to 1.4; an integer doubled; a function whose result is so changed."""
    if callable(value):
        return lambda *arguments, **options: _other(value(*arguments, **options))
    if isinstance(value, int):
        return 2 * value
    return value * (1.25 + 0.15 * np.sin(np.arange(np.size(value)))).reshape(np.shape(value))


def _nudged(array):
    array, middle = array.copy(), np.unravel_index(array.size // 2, array.shape)
    array[middle] = array[middle] * 1.01 + 0.01 * (array[middle] == 0)
    return array


def _moved(before, after):
    """True where a number changed; None where that cannot be told from rounding."""
    change = np.abs(after - before) / (np.abs(before).max(initial=0) or 1.0)
    return None if np.any((change > UNMOVED) & (change < MOVED)) else change > UNMOVED


def _axes(mask):
    """In words, along which axes a mask is spread."""
    if mask.ndim < 2 or not mask.any():
        return ""
    spread = [f"axis {axis}" for axis, places in enumerate(np.nonzero(mask)) if np.ptp(places) > 0]
    return f", along {listed(spread)}" if spread else ""
