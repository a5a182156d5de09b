"""The check of the checks: every stub is to do, every right answer passes, every wrong one is caught and named.

And mistakes made by a machine are caught, and diagnosed truly. All exercises that there are take part.
"""
import functools
import inspect
import itertools

import numpy as np
import pytest

from minivit.function import FUNCTIONS
from minivit.learn import own
from minivit.learn.audit import _in_time, audit_one, changed_solutions, diagnosed, function_of, summary
from minivit.learn.catalogue import exercise, slugs, solution_file, why_not_here
from minivit.learn.check import check, judge
from minivit.learn.examination import Examination
from minivit.learn.mutate import mutants
from minivit.learn.sandbox import check_file
from minivit.learn.stub import stub_of
from minivit.learn.trials import agree
from minivit.learn.verdict import FORM, VALUES, Verdict

FIGURES = ("lessons", "exercises", "wrong_answers", "caught", "named", "correct_variants", "false_alarms", "mutants",
           "mutants_caught", "mutants_diagnosed", "median_seconds", "max_seconds")
measured = functools.cache(audit_one)
every_exercise = pytest.mark.parametrize("slug", [
    pytest.param(slug, marks=pytest.mark.skipif(why_not_here(slug) is not None, reason=str(why_not_here(slug))))
    for slug in slugs()])


def body(slug):
    """What a solution has and its stub has not."""
    solved = exercise(slug).solution
    if solution_file(slug).suffix == ".py":
        return inspect.getsource(solved).rpartition('"""')[2].strip()
    return solved.text[solved.text.index("\n{\n") + 3:].removesuffix("}\n").strip()


@every_exercise
def test_wrong_answers_are_caught_and_named_and_right_ones_pass(slug):
    figures, checked = measured(slug), exercise(slug)
    assert figures["wrong_answers"] == figures["caught"] == len(checked.wrong) >= 5
    assert figures["named"] == figures["caught"]
    assert figures["correct_variants"] == len(checked.correct) >= 2
    assert figures["false_alarms"] == 0
    assert figures["mutants"] == figures["mutants_caught"] == 6
    assert all(0 < seconds < 10 for seconds in figures["seconds"])


@every_exercise
def test_a_stub_is_to_do(slug, tmp_path):
    solution, file = solution_file(slug), tmp_path / solution_file(slug).name
    file.write_text(stub_of(solution))
    verdict = check_file(slug, file) if file.suffix == ".cu" else check(exercise(slug), own.load(slug, file))
    assert (verdict.status, verdict.message) == ("todo", "todo")
    assert "TODO: write" in verdict.sentences[0]
    assert body(slug) in solution.read_text() and body(slug) not in file.read_text()


@every_exercise
def test_wrong_answers_differ_from_one_another(slug):
    examination = Examination(exercise(slug), seed=5)
    for (one, its, fault), (other, others, other_fault) in itertools.combinations(examination.wrong, 2):
        alike = all(a.error is None and b.error is None and all(map(agree, a.outputs, b.outputs))
                    for a, b in zip(its, others))
        assert not alike or fault.objection.kind != other_fault.objection.kind, (one.name, other.name)


@every_exercise
def test_an_exercise_keeps_the_rules(slug):
    checked, source = exercise(slug), solution_file(slug).read_text(encoding="utf-8")
    assert sum(wrong.specific for wrong in checked.wrong) >= 2
    assert len({wrong.name for wrong in checked.wrong}) == len(checked.wrong)
    assert len(checked.hints) == 3 and min(map(len, checked.hints)) > 20 and len(checked.why) > 100
    assert not any(body(slug) in hint for hint in checked.hints)
    assert 1 <= checked.difficulty <= 3 and 5 <= checked.minutes <= 40 and checked.task.endswith(".")
    assert len(checked.cases(np.random.default_rng(0))) >= 3
    assert source.startswith(('"""', "// ")) and checked.solution.__doc__
    if checked.kernels:
        assert set(checked.kernels(checked.solution)) <= set(FUNCTIONS)


def test_the_figures_of_the_checker_reach_its_targets():
    figures = summary({slug: measured(slug) for slug in slugs() if why_not_here(slug) is None})
    assert tuple(figures) == FIGURES
    assert figures["exercises"] >= 45
    assert figures["caught"] == figures["wrong_answers"] >= 5 * figures["exercises"]
    assert figures["named"] >= 0.95 * figures["wrong_answers"]
    assert figures["false_alarms"] == 0
    assert figures["mutants_caught"] >= 0.98 * figures["mutants"]
    assert figures["mutants_diagnosed"] >= 0.6 * figures["mutants"]
    assert figures["median_seconds"] < 3 and figures["max_seconds"] < 10


# The machine that makes mistakes

SOLVED = '''"""The task."""


def norm(x, gamma):
    """1 + 1, which is no code."""
    total = (x ** 2).sum(axis=-1, keepdims=True)
    if total.any() and x.ndim > 1:
        total += 1
    return x.T[1:] * gamma / max(total, 0)
'''


def test_mutants_change_one_thing_each_in_the_body_of_a_function():
    made = mutants(SOLVED)
    assert len({mutant.source for mutant in made}) == len(made) >= 40
    assert made == mutants(SOLVED)
    assert all('"""1 + 1, which is no code."""' in mutant.source for mutant in made)
    changes = {(mutant.rule, mutant.text) for mutant in made}
    for rule, before, after in (
            ("drop factor", "x.T[1:] * gamma", "x.T[1:]"), ("operator", "x.T[1:] * gamma", "x.T[1:] / gamma"),
            ("function", "(x ** 2).sum(axis=-1, keepdims=True)", "(x ** 2).mean(axis=-1, keepdims=True)"),
            ("drop keepdims", "(x ** 2).sum(axis=-1, keepdims=True)", "(x ** 2).sum(axis=-1)"),
            ("constant", "2", "3"), ("drop transpose", "x.T", "x"), ("slice", "1:", ":"),
            ("comparison", "x.ndim > 1", "x.ndim >= 1"), ("assign for add", "total += 1", "total = 1"),
            ("drop statement", "total += 1", "nothing"),
            ("condition", "total.any() and x.ndim > 1", "total.any() or x.ndim > 1"), ("variable", "gamma", "x"),
            ("swap arguments", "max(total, 0)", "max(0, total)"), ("function", "max(total, 0)", "min(total, 0)")):
        assert any(its == rule and text.endswith(f": {before} -> {after}") for its, text in changes), (rule, after)
    constant = next(mutant for mutant in made if mutant.text == "line 6: 2 -> 3")
    assert "x ** 3" in constant.source.splitlines()[constant.line - 1]


@every_exercise
def test_there_are_enough_mutants_that_differ_from_the_solution(slug):
    assert len(changed_solutions(slug, 15)) == 15


def test_mutants_that_are_the_solution_are_left_out():
    texts = {mutant.text for mutant, _ in changed_solutions("softmax_backward", 100)}
    assert any("keepdims=True, axis=0" in text for text in texts)
    assert not any("keepdims=True, axis=-1" in text for text in texts)      # the same in another order


def test_a_diagnosis_must_be_true_of_other_numbers_too():
    mutant = mutants(SOLVED)[0]
    told = Verdict("norm", "fail", VALUES, "sign", ("y is wrong.",))
    raised = Verdict("norm", "error", FORM, "raises", (f"line {mutant.line}, `x`: ValueError.",))
    assert diagnosed(mutant, told, told) and diagnosed(mutant, raised, raised)
    assert not diagnosed(mutant, told, told.but(message="factor")) and not diagnosed(mutant, told, None)
    assert not diagnosed(mutant, told.but(message="values"), told.but(message="values"))
    assert not diagnosed(mutant, raised.but(sentences=("line 99, `x`: ValueError.",)), raised)
    assert not diagnosed(mutant, Verdict("norm", "pass"), told) and not diagnosed(mutant, None, None)


def test_a_mutant_that_never_ends_is_given_up():
    mutant = next(each for each in mutants("def f(n):\n    while n > 0:\n        n -= 1\n    return n\n")
                  if each.text == "line 3: n -= 1 -> nothing")
    assert _in_time(function_of(mutant, "f"), 3) is None
    assert _in_time(len, "abc") == 3
    assert judge(Examination(exercise("softmax_backward")), exercise("softmax_backward").solution)
