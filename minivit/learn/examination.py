"""The ladder of checks that a function has to climb, each rung tried only when it has passed those below.

    signature           it takes the arguments
    form                on every case: it runs, returns what it should, of the right shape and type, finite; float32
                        stays float32; arguments are left as they were
    values              equal to the oracle's
    properties          what holds for every right answer
    finite differences  for gradients: equal to those by nudging each number
    extreme values      numbers that careless code breaks on
    training            30 steps of a tiny network with the function in place of minivit's

- `Examination(exercise, seed)`: the cases of one seed; `.fault(function)` is the first `Fault`, or None
"""
import functools
import inspect
from dataclasses import dataclass, replace

import numpy as np

from minivit.learn.objections import Objection, judged, raised
from minivit.learn.terms import terms
from minivit.learn.training import losses
from minivit.learn.trials import EXACT, ROUGH, SINGLE, Outcome, Trial, agree, attempt, cast
from minivit.learn.verdict import DIFFERENCES, EXTREME, PROPERTIES, SIGNATURE, TRAINING, VALUES
from minivit.streams import stream

DIFFERENCE = 1e-5               # tolerance of finite differences
DRIFT = 1e-4                    # of the losses of 30 steps of training


@dataclass(frozen=True)
class Fault:
    """An objection, with the trial and the outcome that gave rise to it (None where there is none)."""

    objection: Objection
    trial: Trial | None = None
    outcome: Outcome | None = None


class Examination:
    """One exercise with the random numbers of one seed. What is expected is computed once, for many functions.

    train: whether to climb to the last rung, which is the same for all seeds.
    """

    def __init__(self, exercise, seed=0, train=True):
        self.exercise, self.seed, self.train = exercise, seed, train

    def rng(self, purpose):
        """A Generator of its own for each purpose."""
        return stream(self.seed, place=f"{self.exercise.slug} {purpose}")

    @functools.cached_property
    def names(self):
        """The names of the arguments of a case."""
        probe = self.exercise.probe
        return tuple(inspect.signature(probe or self.exercise.solution).parameters)[1 if probe else 0:]

    @functools.cached_property
    def cases(self):
        """The Trials in float64 (of CUDA in float32)."""
        return [self.trial(label, arguments, tolerance=self.exercise.tolerance)
                for label, arguments in self.exercise.cases(self.rng("cases"))]

    @functools.cached_property
    def singles(self):
        """The first case in float32."""
        return [self.trial(f"{trial.label}, float32", cast(trial.arguments, np.float64, np.float32), VALUES, SINGLE)
                for trial in self.cases[:1] if self.exercise.float32]

    @functools.cached_property
    def extremes(self):
        """The Trials with extreme numbers."""
        cases = self.exercise.extreme(self.rng("extreme")) if self.exercise.extreme else ()
        return [self.trial(label, arguments, EXTREME, ROUGH) for label, arguments in cases]

    @functools.cached_property
    def terms(self):
        """What the results of each of the cases may be made of: see `terms`."""
        return [terms(self.exercise, trial) for trial in self.cases]

    @functools.cached_property
    def again(self):
        """The Examination of the next seed; its cases have labels of their own."""
        other = Examination(self.exercise, self.seed + 1, train=False)
        other.cases = [replace(trial, label=f"{trial.label}, again") for trial in other.cases]
        return other

    @functools.cached_property
    def wrong(self):
        """[(Wrong, its Outcomes on the cases, its Fault)]."""
        return [(wrong, self.outcomes(wrong.function), self.fault(wrong.function)) for wrong in self.exercise.wrong]

    def trial(self, label, arguments, level=VALUES, tolerance=EXACT):
        """A Trial: the oracle says what is expected, in float64, and the solution what may be changed in place."""
        with np.errstate(all="ignore"):
            expected = self.exercise.oracle(*cast(arguments, np.float32, np.float64))
        changes = attempt(self.exercise, self.exercise.solution, arguments).changed
        return Trial(label, arguments, self.names, _tuple(expected), changes, level, tolerance)

    def outcomes(self, function):
        """An Outcome for each of the cases."""
        return [attempt(self.exercise, function, trial.arguments) for trial in self.cases]

    def fault(self, function):
        """The first Fault, going up the ladder; None where there is none."""
        for rung in (self.signature, self.values, self.properties, self.differences, self.extreme, self.training):
            fault = rung(function)
            if fault is not None:
                return fault
        return None

    def signature(self, function):
        """Whether the function takes what the solution takes."""
        if not callable(function):
            return Fault(Objection(SIGNATURE, "signature", f"{self.exercise.function} must be a function, and is "
                                                           f"{function!r}"))
        try:
            own, right = inspect.signature(function), inspect.signature(self.exercise.solution)
        except ValueError:              # of a function that is not written in Python
            return None
        sentence = f"{self.exercise.function} must take {right}, and yours takes {own}"
        try:
            own.bind(*right.parameters)
        except TypeError:
            return Fault(Objection(SIGNATURE, "signature", sentence))
        if list(own.parameters) != list(right.parameters) and set(own.parameters) == set(right.parameters):
            return Fault(Objection(SIGNATURE, "order", f"{sentence}: the order counts"))
        return None

    def advice(self, function):
        """Sentences for whoever wrote a right answer."""
        return tuple(self.exercise.advice(function, self.rng("advice"))) if self.exercise.advice else ()

    def values(self, function):
        """Form and values, on all cases and in float32: the worst Fault."""
        faults = [self.tried(trial, function) for trial in self.cases + self.singles]
        return min(filter(None, faults), key=lambda fault: fault.objection.level, default=None)

    def tried(self, trial, function):
        """The Fault of one trial, or None."""
        outcome = attempt(self.exercise, function, trial.arguments)
        found = judged(outcome, trial, self.exercise.outputs, function)
        return found and Fault(found, trial, outcome)

    def properties(self, function):
        """What is tried after the values."""
        for known in self.exercise.properties:
            outcome = attempt(_Whatever(known.holds), function, (self.rng(known.name),))
            if outcome.error is not None:
                return Fault(raised(PROPERTIES, outcome.error, function, f" ({known.name})"))
            if outcome.outputs[0]:
                return Fault(Objection(PROPERTIES, known.name, outcome.outputs[0]))
        return None

    def differences(self, function):
        """Gradients against finite differences, on numbers of their own."""
        if self.exercise.numeric is None:
            return None
        label, arguments = self.exercise.cases(self.rng("differences"))[0]
        trial = Trial(label, arguments, self.names, _tuple(self.exercise.numeric(*arguments)), (), DIFFERENCES)
        outcome = attempt(self.exercise, function, arguments)
        if outcome.error is not None:
            return Fault(raised(DIFFERENCES, outcome.error, function, f" (case {label})"), trial, outcome)
        for k, (name, yours, numbers) in enumerate(zip(self.exercise.outputs, outcome.outputs, trial.expected)):
            if not agree(yours, numbers, DIFFERENCE):
                return Fault(Objection(DIFFERENCES, "differences", f"{name} is not the slope that is found by nudging "
                                       f"each number (case {label})", k), trial, outcome)
        return None

    def extreme(self, function):
        """Numbers that careless code breaks on."""
        return next(filter(None, (self.tried(trial, function) for trial in self.extremes)), None)

    def training(self, function):
        """Thirty steps with the function in place of minivit's."""
        if self.exercise.kernels is None or not self.train:
            return None
        outcome = attempt(_Whatever(lambda function: losses(self.exercise.kernels(function))), function, ())
        if outcome.error is not None:
            return Fault(raised(TRAINING, outcome.error, function, " (in a network)"))
        yours, reference = outcome.outputs[0]
        apart = ~(np.abs(np.subtract(yours, reference)) <= DRIFT)       # nan is apart
        if apart.any():
            step = int(np.argmax(apart))
            return Fault(Objection(TRAINING, "training", f"a network trained with it goes another way: its loss at "
                                   f"step {step + 1} is {yours[step]:.5f}, and {reference[step]:.5f} with minivit's"))
        return None


class _Whatever:
    """Something else than an exercise that is run with a function, under the same precautions."""

    def __init__(self, do):
        self.do = do

    def run(self, function, arguments):
        return (self.do(function, *arguments),)


def _tuple(value):
    return value if isinstance(value, tuple) else (value,)
