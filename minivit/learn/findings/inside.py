"""Findings about one step on the way: yours is what comes out if a single expression of the solution is changed.

The sentence says what the result is equal to; a learner who wrote the same in other words has the same mistake.
"""
import numpy as np

from minivit.learn.terms import changed
from minivit.learn.trials import agree

CHANGES = (
    ("had the wrong sign", lambda v: -v),
    ("were 0", lambda v: v * 0),
    ("were 1", lambda v: v * 0 + 1),
    ("were twice as large", lambda v: v * 2),
    ("were half as large", lambda v: v / 2),
    ("were turned over (1 / it)", lambda v: 1 / v),
    ("were squared", lambda v: v * v),
    ("were its root", np.sqrt),
    ("were larger by 1", lambda v: v + 1),
    ("were smaller by 1", lambda v: v - 1),
)


def inside(exercise, seen):
    """A sentence, or None. seen: trials with their terms, and what came out."""
    for text in seen[0].terms:
        if all(text in each.terms for each in seen):
            for phrase, change in CHANGES:
                if all(_comes_out(each.outcome, changed(exercise, each.trial, text, change)) for each in seen):
                    return f"It comes out as if `{text}` {phrase}."


def _comes_out(outcome, other):
    return other is not None and other.error is None and len(outcome.outputs) == len(other.outputs) and all(
        map(agree, outcome.outputs, other.outputs))
