"""Checking a function: climb the ladder, and where it ends say why.

- `check(exercise, function, seed)`: a Verdict
"""
import time

from minivit.learn.diagnose import diagnose
from minivit.learn.examination import Examination
from minivit.learn.verdict import Verdict, ended

BROKEN = ("raises", "memory", "exit", "recursion")      # it does not run: "error", unless the mistake is known


def check(exercise, function, seed=0):
    """The Verdict on `function` as an answer to `exercise`; seed: of the random numbers that it is tried on."""
    start = time.perf_counter()
    verdict = judge(Examination(exercise, seed), function)
    return verdict.but(seconds=time.perf_counter() - start)


def judge(examination, function):
    """The Verdict of an Examination, which many functions may share."""
    slug, seed, fault = examination.exercise.slug, examination.seed, examination.fault(function)
    if fault is None:
        return Verdict(slug, "pass", sentences=examination.advice(function), seed=seed)
    level, kind, said = fault.objection.level, fault.objection.kind, ended(fault.objection.sentence)
    if kind == "todo":
        return Verdict(slug, "todo", level, kind, (said,), seed=seed)
    found = diagnose(examination, function, fault)
    status = "error" if kind in BROKEN and not found.message else "fail"
    return Verdict(slug, status, level, found.message or kind, (said, *found.sentences), found.place, found.picture,
                   seed=seed)
