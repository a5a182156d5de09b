"""What can be said against an outcome without knowing the mistake: it raised, its form is wrong, its values are.

- `judged(outcome, trial, outputs, function)`: the first `Objection`, or None
- `raised(level, error, function)`: that to an exception; `reported(level, findings, function)`: that to what the
  emulator says of a CUDA kernel
"""
from dataclasses import dataclass

import numpy as np

from minivit.learn.raising import told
from minivit.learn.trials import EXACT, agree, listed, numeric
from minivit.learn.verdict import FORM, VALUES

KINDS = {"todo": NotImplementedError, "memory": MemoryError, "exit": SystemExit, "recursion": RecursionError}

WIDER = (": float32 in, float32 out. np.zeros(shape) and np.sqrt(number) make float64; take dtype=x.dtype, and "
         "math.sqrt(number)")


@dataclass(frozen=True)
class Objection:
    """Something wrong: on which level, a name for it, a sentence, and which output it is about (None: all)."""

    level: int
    kind: str
    sentence: str
    output: int | None = None


def raised(level, error, function, where=""):
    """The Objection to an exception of `function`; its kind is "todo" where something is not written yet."""
    kind = next((name for name, given in KINDS.items() if isinstance(error, given)), "raises")
    return Objection(level, kind, str(error) or "not written yet" if kind == "todo" else told(error, function, where))


def reported(level, findings, function, where=""):
    """The Objection to what the emulator found: its first report, with the lines of the learner's that it names.

    A race goes first: that a number was read before it was written may be its consequence.
    """
    first = min(findings, key=lambda finding: finding.kind == "initcheck")
    lines = getattr(function, "text", "").splitlines()
    numbers = [number for number in dict.fromkeys((first.line, first.other_line)) if 0 < number <= len(lines)]
    quoted = "; ".join(f"line {number} is `{lines[number - 1].strip()}`" for number in numbers)
    return Objection(level, first.kind, f"{first}{where}{quoted and '. Here ' + quoted}")


def judged(outcome, trial, outputs, function):
    """The first Objection to what `function` did in a trial: an exception, the form, then the values; or None.

    outputs: the names of the values that it must return.
    """
    level, case = FORM if trial.level == VALUES else trial.level, f" (case {trial.label})"
    if outcome.error is not None:
        return raised(level, outcome.error, function, case)
    if outcome.findings:
        return reported(level, outcome.findings, function, case)
    if len(outcome.outputs) != len(outputs):
        return Objection(level, "outputs", f"it must return {listed(outputs)} ({len(outputs)} in all), and returns "
                                           f"{len(outcome.outputs)}{case}")
    for test in (_form, _finite):
        for k, (name, yours, expected) in enumerate(zip(outputs, outcome.outputs, trial.expected)):
            found = test(name, yours, expected, trial.tolerance)
            if found:
                return Objection(level, found[0], found[1] + case, k)
    for k in outcome.changed:
        if k not in trial.changes:
            return Objection(level, "input-changed", f"it changes its argument {trial.names[k]} in place, and whoever "
                                                     f"calls it may still need that: work on a copy{case}")
    wrong = [k for k, (yours, expected) in enumerate(zip(outcome.outputs, trial.expected))
             if not agree(yours, expected, trial.tolerance)]
    if wrong:
        kind, which = "values" if trial.level == VALUES else "extreme", listed([outputs[k] for k in wrong])
        return Objection(trial.level, kind, f"{which} {'is' if len(wrong) == 1 else 'are'} wrong{case}", wrong[0])
    return None


def _form(name, yours, expected, tolerance):
    """(kind, sentence) if `yours` is no array, or not of the expected shape and type."""
    if yours is None:
        return "nothing", f"{name} is None: is there a `return`, and does it return {name}?"
    if hasattr(type(yours), "edge") and not hasattr(type(expected), "edge"):
        return "tensor", f"{name} is a Tensor, and an array is expected: take its .data"
    if numeric(yours) != numeric(expected) or not numeric(yours) and type(yours) is not type(expected):
        return "type", f"{name} is {_what(yours)}, and {_what(expected)} is expected"
    if np.shape(yours) != np.shape(expected):
        return "shape", f"{name} is {_what(yours)}, and {_what(expected)} is expected"
    if not np.ndim(expected):
        return None
    wanted = np.dtype(np.float32) if expected.dtype.kind == "f" and tolerance != EXACT else expected.dtype
    if yours.dtype.kind == "f" and yours.dtype != wanted:               # integers are let pass: their values count
        return "dtype", f"{name} is {yours.dtype}, and {wanted} is expected{WIDER if wanted == np.float32 else ''}"
    return None


def _finite(name, yours, expected, tolerance):
    """(kind, sentence) if there is nan or inf where a number is expected."""
    if not numeric(yours):
        return None
    yours, wrong = np.asarray(yours), np.isfinite(expected) & ~np.isfinite(yours)
    if not wrong.any():
        return None
    words = [word for word, there in (("nan", np.isnan(yours[wrong])), ("inf", np.isinf(yours[wrong]))) if there.any()]
    return "not-finite", (f"{name} holds {listed(words)} in {wrong.sum()} of {wrong.size} places, where numbers are "
                          f"expected")


def _what(value):
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}{'' if numeric(value) else f' and type {value.dtype}'}"
    return "a number" if numeric(value) else f"a {type(value).__name__}"
