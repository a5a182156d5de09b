"""What is wrong with an answer: a known mistake by its name, else what is true of its numbers.

- `diagnose(examination, function, fault)`: a `Diagnosis`

First the wrong answers of the exercise are tried on the same arguments: the one that does the same in every case (to
1e-6, or by raising the same exception) is the mistake. Else the findings are tried, the most specific first.
"""
import itertools
import re
from dataclasses import dataclass

import numpy as np

from minivit.learn.findings.behaviour import Behaviour
from minivit.learn.findings.between import exchanged, some_cases, some_outputs
from minivit.learn.findings.comparisons import COMPARISONS, pattern
from minivit.learn.findings.inside import inside
from minivit.learn.findings.parts import LAST, PARTS
from minivit.learn.findings.places import not_finite, places
from minivit.learn.findings.results import Seen, compared
from minivit.learn.findings.shapes import of_shape
from minivit.learn.findings.whole import WHOLE
from minivit.learn.picture import heat, window
from minivit.learn.raising import shapes_there
from minivit.learn.trials import agree, error, numeric
from minivit.learn.verdict import FORM, VALUES, Place

MOST = 3                    # sentences of findings
INCOMPARABLE = ("outputs", "nothing", "tensor", "type")         # kinds of objections that leave no numbers to compare
FEW = 60                    # numbers, in all cases: if there are fewer, those of another seed are looked at, too


@dataclass(frozen=True)
class Diagnosis:
    """message: the name of a wrong answer or of a finding, "" if there is none. See Verdict for the rest."""

    message: str = ""
    sentences: tuple = ()
    place: Place | None = None
    picture: str = ""


def diagnose(examination, function, fault):
    """The Diagnosis of a Fault."""
    outcomes = examination.outcomes(function)
    wrong = named(examination, outcomes, fault)
    if wrong is not None:
        found = [(wrong.name, f"It looks like this mistake: {wrong.says}")]
    else:
        found = structural(examination, function, outcomes, fault)
    return Diagnosis(found[0][0] if found else "", tuple(sentence for _, sentence in found),
                     *worst(examination.exercise.outputs, fault))


def named(examination, outcomes, fault):
    """The Wrong that does the same, or None.

    The same wrong numbers in one case, and nothing else in another, are enough. Otherwise both must fail for the same
    reason, and run in some case: there are many ways to raise an exception.
    """
    for wrong, its_outcomes, its_fault in examination.wrong:
        pairs = list(zip(outcomes, its_outcomes))
        if its_fault is None or not all(_alike(*pair) for pair in pairs):
            continue
        ran = [(trial, its) for trial, its in zip(examination.cases, its_outcomes) if its.error is None]
        if any(its.findings or not all(agree(yours, expected, trial.tolerance) for yours, expected in zip(
                its.outputs, trial.expected)) for trial, its in ran):
            return wrong
        its, this = its_fault.objection, fault.objection
        if ran and (its.level, its.kind) == (this.level, this.kind) and all(
                str(one.error) == str(other.error) for one, other in pairs):
            return wrong
    return None


def _alike(one, other):
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    return (len(one.outputs) == len(other.outputs) and all(map(agree, one.outputs, other.outputs))
            and set(map(_told_alike, one.findings)) == set(map(_told_alike, other.findings)))


def _told_alike(finding):
    """What a report of the emulator's says of any kernel: the check, and who reads or writes after whom."""
    return finding.kind, *re.findall(r"\b(?:reads|writes|read|wrote|returned|mask)\b", finding.text)


def structural(examination, function, outcomes, fault):
    """[(name, sentence)] of findings, all true: one that says everything, or else some that say a part of it."""
    exercise, kind, output = examination.exercise, fault.objection.kind, fault.objection.output
    if fault.objection.level not in (FORM, VALUES) or kind in INCOMPARABLE:
        return []
    if fault.outcome.findings:
        return [(kind, f"{finding}.") for finding in fault.outcome.findings
                if str(finding) not in fault.objection.sentence][:MOST]
    if kind == "raises":
        sentence = shapes_there(fault.outcome.error, function)
        return [("raises:shapes", sentence)] if sentence else []
    seen = _seen(examination, outcomes)
    if sum(np.size(value) for each in seen for value in each.trial.expected) < FEW:
        seen += _seen(examination.again, examination.again.outcomes(function))
    if kind == "shape":
        found = of_shape(exercise.outputs[output], seen, output)
    elif kind == "not-finite" and (result := compared(exercise, seen, output, finite=False)):
        found = not_finite(result)
    else:
        found = None
    return [found] if found else _of_values(exercise, function, seen)


def _seen(examination, outcomes):
    return [Seen(*each) for each in zip(examination.cases, examination.terms, outcomes) if each[2].error is None]


def _of_values(exercise, function, seen):
    """[(name, sentence)] of what is wrong with the numbers."""
    results = {name: result for k, name in enumerate(exercise.outputs) if (result := compared(exercise, seen, k))}
    wrong = {name: result for name, result in results.items() if any(result.wrong)}
    if not wrong:
        return []

    def tried(findings):
        for finding, result in itertools.product(findings, wrong.values()):
            yield finding, findings[finding](result)

    def from_trying_again():
        for name in wrong:
            trials = [each.trial for each in seen]
            yield from Behaviour(exercise, function, trials, exercise.outputs.index(name)).findings()

    whole = _true(itertools.chain([("exchanged", exchanged(results, wrong))], tried(WHOLE), tried(COMPARISONS)), 1)
    return whole or _true([("inside", inside(exercise, seen))], 1) or _true(itertools.chain(
        tried({"pattern": pattern, "places": places, **PARTS}), [("some-cases", some_cases(wrong, seen))],
        from_trying_again(), [("some-outputs", some_outputs(results, wrong))], tried(LAST)), MOST)


def _true(findings, most):
    """The first ones of (name, sentence) that have a sentence; those behind are not computed."""
    return list(itertools.islice((found for found in findings if found[1]), most))


def worst(names, fault):
    """(Place, picture) of the largest error of a fault's outcome; (None, "") where there is none to show."""
    output, outcome, trial = fault.objection.output, fault.outcome, fault.trial
    if output is None or outcome.error is not None or fault.objection.kind == "dtype":
        return None, ""
    yours, expected = outcome.outputs[output], trial.expected[output]
    if not (numeric(yours) and numeric(expected)) or np.shape(yours) != np.shape(expected) or not np.size(yours):
        return None, ""
    yours, expected = np.asarray(yours, np.float64), np.asarray(expected, np.float64)
    distance = error(yours, expected)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(distance), distance.shape))
    place = Place(trial.label, names[output], index, float(yours[index]), float(expected[index]),
                  window(yours, expected, index))
    return place, heat(error(yours, expected, trial.tolerance), index)
