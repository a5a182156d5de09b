"""The learner's folder, lessons as files, and the steps through them."""
import json
import re

import numpy as np
import pytest

from minivit import ops, using
from minivit.function import FUNCTIONS
from minivit.learn import own, percent, status, stepper
from minivit.learn.catalogue import exercise, slugs, solution_file
from minivit.learn.progress import STATES, Lab
from minivit.tensor import Tensor

SLUG = "softmax_backward"
LESSON = '''# %% [markdown]
# # Lesson 7: A title
#
# Some **bold** words, `code`, x**2 + y**2, and enough more of them to need a second line in a narrow terminal.
#
#     y = f(x)        a formula, which stays as it is, however narrow the terminal may be
#
# - an item of a list, which is long enough to be wrapped too
# - another

# %%
import os
numbers = [1, 2, 3]
print("the sum is", sum(numbers))

# %% [markdown]
# **Exercise `softmax_backward`** (15 min): write it.

# %% a cell with a name
print("twice", 2 * sum(numbers))

# %% [markdown]
# The end.
'''


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "lab")


@pytest.fixture
def lesson(tmp_path):
    path = tmp_path / "07_title.py"
    path.write_text(LESSON)
    return percent.read_lesson(path)


def solve(lab, slug=SLUG):
    """What a learner does who finds the solution, and what the command makes of it."""
    lab.copy(slug).write_text(solution_file(slug).read_text() + "# mine\n")
    lab.record(slug, "pass", sha256=lab.sha256(slug))


# Files and progress

def test_a_copy_is_the_stub_and_never_overwrites(lab):
    file = lab.copy(SLUG)
    assert "NotImplementedError" in file.read_text() and "np.sum" not in file.read_text()
    file.write_text("mine")
    assert lab.copy(SLUG).read_text() == "mine"


def test_reset_keeps_what_was_written_each_time(lab):
    stub = lab.copy(SLUG).read_text()
    assert lab.reset(SLUG) is None
    for text, name in (("first", ".py.bak"), ("second", ".py.bak2"), ("third", ".py.bak3")):
        lab.file(SLUG).write_text(text)
        aside = lab.reset(SLUG)
        assert (aside.name, aside.read_text(), lab.file(SLUG).read_text()) == (SLUG + name, text, stub)


def test_the_state_is_that_of_the_last_check_of_this_very_file(lab):
    seen = [lab.standing(SLUG).state]
    file = lab.copy(SLUG)
    seen.append(lab.standing(SLUG).state)
    file.write_text("wrong")
    seen.append(lab.standing(SLUG).state)
    lab.record(SLUG, "fail", sha256=lab.sha256(SLUG))
    seen.append(lab.standing(SLUG).state)
    file.write_text("better")
    seen.append(lab.standing(SLUG).state)
    lab.record(SLUG, "pass", sha256=lab.sha256(SLUG))
    seen.append(lab.standing(SLUG).state)
    file.write_text("worse")
    seen.append(lab.standing(SLUG).state)
    file.write_text("better")
    seen.append(lab.standing(SLUG).state)
    assert seen == ["new", "todo", "unchecked", "fail", "unchecked", "pass", "changed", "pass"]
    assert set(seen) <= set(STATES)
    lab.record(SLUG, "fail", sha256=lab.sha256(SLUG))               # a later version of the checker, say
    assert lab.standing(SLUG).state == "fail"


def test_hints_and_a_solution_that_was_read_are_counted(lab):
    lab.record(SLUG, "hint")
    lab.record("attention_backward", "hint")
    lab.record(SLUG, "read")
    assert str(lab.standing(SLUG)) == "not begun, 1 of 3 hints, solution read"
    solve(lab)
    assert str(lab.standing(SLUG)) == "solved, 1 of 3 hints, solution read"
    solve(lab, "attention_backward")
    lab.record("attention_backward", "read")                        # after the pass: everybody may
    assert str(lab.standing("attention_backward")) == "solved, 1 of 3 hints"


@pytest.mark.parametrize("line", ["{", "[1]", "3", '{"slug": 1, "status": "pass"}', '{"slug": "x"}', "\x00\xff",
                                  '{"slug": "softmax_ba'])
def test_a_damaged_line_costs_nothing_but_itself(lab, line):
    solve(lab)
    with open(lab.progress, "a", encoding="latin-1") as file:
        file.write(line)                                            # torn off: without the end of its line
    lab.record("attention_backward", "hint")
    records, damaged = lab.read()
    assert damaged == [2] and [record["status"] for record in records] == ["pass", "hint"]
    assert lab.standing(SLUG).state == "pass"


def test_progress_is_plain_json_lines(lab):
    solve(lab)
    record, = map(json.loads, lab.progress.read_text().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["ts"]) and record["slug"] == SLUG


def test_the_place_is_the_last_one(lab, lesson):
    assert lab.place() is None
    lab.remember(lesson, 0)
    lab.remember(lesson, 2)
    solve(lab)
    assert lab.place() == (7, 2)
    lab.record("07_title", "place", lesson="seven")
    assert lab.place() == (7, 2)


# The learner's functions

def test_use_takes_the_learners_function_only_while_it_passes(lab, monkeypatch, capsys):
    monkeypatch.setenv("MINIVIT_LAB", str(lab.path))
    reference = exercise(SLUG).solution
    assert own.use(SLUG) is reference
    lab.copy(SLUG).write_text("raise SystemExit('this file must not be run')")
    assert own.use(SLUG) is reference
    solve(lab)
    mine = own.use(SLUG)
    assert mine is not reference and mine.__code__.co_filename == str(lab.file(SLUG))
    lab.file(SLUG).write_text("raise SystemExit('this file must not be run')")
    assert own.use(SLUG) is reference
    assert capsys.readouterr().out.splitlines() == [
        f"[reference] {SLUG}", f"[reference] {SLUG}", f"[yours] {SLUG}", f"[reference] {SLUG}"]


def test_use_of_an_unknown_exercise(lab, monkeypatch):
    monkeypatch.setenv("MINIVIT_LAB", str(lab.path))
    with pytest.raises(ValueError, match="did you mean 'softmax_backward'"):
        own.use("softmax_backwards")


def test_dataclasses_with_written_annotations_can_be_loaded(lab):
    file = lab.copy(SLUG)
    file.write_text("from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\n"
                    "class softmax_backward:\n    n: int = 3\n")
    assert own.load(SLUG, file)().n == 3


def test_kernels_of_two_exercises_share_an_operation(monkeypatch):
    forward, backward = FUNCTIONS["softmax"].forms["array"]
    pairs = {"a": (lambda *_: 1, backward), "b": (forward, lambda *_: 2), "c": (forward, backward)}
    monkeypatch.setattr(own, "exercise", lambda slug: type("", (), {
        "kernels": staticmethod(lambda function: {"softmax": pairs[slug]})}))
    assert own.laid_over(dict.fromkeys("abc")) == {"softmax": (("a", pairs["a"][0]), ("b", pairs["b"][1]))}


def test_all_solutions_laid_over_minivits_kernels_compute_the_same():
    laid = own.laid_over({slug: exercise(slug).solution for slug in slugs() if exercise(slug).kernels})
    table = {name: (forward, backward) for name, ((_, forward), (_, backward)) in laid.items()}
    assert len(table) > 5
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((2, 3, 5, 8)) for _ in range(2))
    results = []
    for kernels in ({}, table):
        with using("array", kernels):
            q = Tensor(x, requires_grad=True)
            (ops.softmax(ops.gelu(ops.attention(q, Tensor(y), Tensor(x))))).backward(y)
        results.append(q.grad)
    np.testing.assert_allclose(*results, rtol=1e-9)


# Lessons as files

def test_a_lesson_is_cut_into_cells(lesson):
    assert (lesson.number, lesson.title, lesson.exercises) == (7, "A title", [SLUG])
    assert [(cell.code, cell.line) for cell in lesson.cells] == [(False, 2), (True, 12), (False, 17), (True, 20),
                                                                 (False, 23)]
    for cell in lesson.cells:
        assert LESSON.splitlines()[cell.line - 1] == "# " * (not cell.code) + cell.text.splitlines()[0]
    assert [lesson.step_from(at) for at in range(5)] == [2, 2, 3, 4, 5]


def test_what_is_no_lesson_is_refused(tmp_path):
    (tmp_path / "08_empty.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match="08_empty.py is no lesson"):
        percent.lessons(tmp_path)
    with pytest.raises(FileNotFoundError, match="Clone it"):
        percent.lessons(tmp_path / "nowhere")


def test_text_is_made_for_the_terminal(lesson):
    plain = percent.rendered(lesson.cells[0].text, 40)
    assert plain.startswith("Lesson 7: A title\n=================\n\nSome bold words, `code`, x**2 +\ny**2, and ")
    assert "\n    y = f(x)        a formula, which stays as it is, however narrow the terminal may be\n" in plain
    assert "\n- an item of a list, which is long\n  enough to be wrapped too\n- another" in plain
    prose = [line for line in plain.splitlines() if not line.startswith("    ")]
    assert max(map(len, prose)) <= 40
    styled = percent.rendered(lesson.cells[0].text, 40, colour=True)
    assert "\033[1mbold\033[0m" in styled and "\033[36mcode\033[0m" in styled and "x**2 +\ny**2" in styled
    assert re.sub("\033\\[\\d*m", "", styled).splitlines()[1:] == plain.replace("`", "").splitlines()[2:]


def test_fenced_code_and_tables_stay_as_they_are():
    text = "```\na   b\n# c\n```\nx\n| a   | b |\ny"
    assert percent.rendered(text) == text


# Steps

def test_steps_end_after_code_and_at_exercises(lesson, lab, capsys):
    namespace = {}
    assert stepper.go_on(lesson, 0, lab, namespace) == 0
    first = capsys.readouterr().out
    assert "--- 07_title.py, line 12\n| import os\n" in first and "\nthe sum is 6\n" in first
    assert first.endswith("cell 2 of 5 of lesson 7; next: minivit learn next\n")
    assert stepper.go_on(lesson, 2, lab, {}) == 0
    second = capsys.readouterr().out
    assert f"your file: {lab.path}/{SLUG}.py\n" in second and f"minivit learn watch {SLUG}" in second
    assert "the sum is" not in second and lab.file(SLUG).exists() and lab.place() == (7, 3)
    assert stepper.go_on(lesson, 3, lab, {}) == 0                   # in a new namespace: what went before is run again
    third = capsys.readouterr().out
    assert "\ntwice 12\n" in third and "the sum is" not in third and "The end." not in third
    assert stepper.go_on(lesson, 4, lab, {}) == 0
    last = capsys.readouterr().out
    assert f"The end of lesson 7.\n  {SLUG}: to do (minivit learn check {SLUG})\n" in last
    assert last.endswith("next: minivit learn\n") and lab.place() == (7, 5)


def test_on_a_terminal_the_lesson_stays_in_memory(lesson, lab, capsys, monkeypatch):
    answers = iter(["", "", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    assert stepper.go_on(lesson, 0, lab, {}, interactive=True) == 0
    assert "\ntwice 12\n" in capsys.readouterr().out and lab.place() == (7, 4)


@pytest.mark.parametrize("code, line, says", [
    ("def f():\n    return 1 / 0\n\nf()", 9, "line 7, in f"), ("x = = 1", 6, "SyntaxError: invalid syntax"),
    ("assert numbers == [], 'that is not so'", 6, "AssertionError: that is not so")])
def test_an_error_is_shown_with_file_and_line(tmp_path, lab, capsys, code, line, says):
    path = tmp_path / "07_title.py"
    path.write_text(f"# %% [markdown]\n# # Lesson 7: A title\n\n# %%\nnumbers = [1]\n{code}\n")
    assert stepper.go_on(percent.read_lesson(path), 0, lab, {}) == 1
    complaint = capsys.readouterr().err
    assert says in complaint and "stepper.py" not in complaint
    assert complaint.endswith(f"the lesson stopped at {path}:{line}. When that is mended: minivit learn next\n")
    assert lab.place() is None                                      # the cell is still to come


def test_no_lesson_is_needed_for_exercises(lab, monkeypatch, tmp_path):
    monkeypatch.setattr(percent, "FOLDER", tmp_path / "nowhere")
    assert sorted(status.in_order()) == sorted(slugs())
    assert status.report(lab)["place"] is None and status.suggestion(lab).startswith("minivit learn watch ")
