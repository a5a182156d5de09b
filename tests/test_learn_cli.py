"""`minivit learn` and `minivit train --kernels yours`, as a learner meets them."""
import csv
import functools
import json
import signal
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser

import pytest

from minivit.cli import exercises, main
from minivit.learn import own, percent
from minivit.learn.catalogue import exercise, slugs, solution_file
from minivit.learn.progress import Lab
from minivit.learn.verdict import Verdict
from minivit.weights import load_arrays

SLUG, KERNELS = "softmax_backward", ("attention_backward", "layernorm_backward")
LESSON = """# %% [markdown]
# # Lesson {number}: {title}

# %%
from minivit.learn.lesson import FAST, lab
print("fast" if FAST else "full", lab().name)

# %% [markdown]
# **Exercise `{slug}`** (15 min): write it.

# %%
print("after the exercise")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Two lessons, and a lab that is not there yet."""
    (tmp_path / "lessons").mkdir()
    for number, title, slug in ((7, "attention's backward", SLUG), (8, "the block", "layernorm_backward")):
        (tmp_path / "lessons" / f"{number:02d}_title.py").write_text(
            LESSON.format(number=number, title=title, slug=slug))
    monkeypatch.setattr(percent, "FOLDER", tmp_path / "lessons")
    monkeypatch.setenv("MINIVIT_LAB", str(tmp_path / "lab"))
    return tmp_path


@pytest.fixture
def lab(folder):
    return Lab(folder / "lab")


@pytest.fixture
def learn(minivit):
    return functools.partial(minivit, "learn")


@pytest.fixture
def step(capfd):
    """`minivit learn ...` where a process of its own prints: (exit status, what was printed, what was complained)."""
    def run(*words):
        return main(["learn", *words]), *capfd.readouterr()
    return run


def write(lab, slug, change=lambda text: text):
    """The learner writes the solution, or something like it."""
    lab.copy(slug).write_text(change(solution_file(slug).read_text()))


def solved(lab, *slugs):
    for slug in slugs:
        write(lab, slug)
        lab.record(slug, "pass", sha256=lab.sha256(slug))


@pytest.fixture
def believed(monkeypatch):
    """Checks that take no time: what is marked as wrong fails, a stub is to do, all else passes."""
    def judge(slug, file):
        text = file.read_text()
        status = "todo" if "NotImplementedError" in text else "fail" if "# wrong" in text else "pass"
        return Verdict(slug, status, message="sign" if status == "fail" else "", sentences=("the sign is wrong",))
    monkeypatch.setattr(exercises, "check_file", judge)
    monkeypatch.setattr(own, "check_file", judge)


# Lessons

def test_from_nothing_to_the_end_of_a_lesson(step, lab):
    status, printed, _ = step()
    assert status == 0 and "next: minivit learn start 7\n" in printed and str(lab.path) in printed
    status, printed, _ = step("start")
    assert status == 0 and "Lesson 7: attention's backward\n===" in printed and "\nfast lab\n" in printed
    assert printed.endswith("cell 2 of 4 of lesson 7; next: minivit learn next\n")
    here = [slug for slug in slugs() if exercise(slug).lesson == 7]
    assert {lab.standing(slug).state for slug in here} == {"todo"}
    assert f"minivit learn watch {SLUG}" in step("next")[1]
    printed = step()[1]
    assert "at cell 3 of 4.\n" in printed and f"\nnext: minivit learn watch {SLUG}\n" in printed
    assert "after the exercise\n" in step("next", "--full")[1]
    assert step("next")[1].startswith("You have read lesson 7 to its end.\nnext: minivit learn watch ")
    solved(lab, *here)
    assert step("next")[1].endswith("next: minivit learn start 8\n")
    printed = step("start", "--full")[1]
    assert "Lesson 8: the block" in printed and "\nfull lab\n" in printed


def test_an_error_in_a_lesson_is_shown_with_its_place(step, folder):
    file = folder / "lessons" / "07_title.py"
    file.write_text(file.read_text().replace("print(", "print(1 / 0, "))
    status, _, complaint = step("start", "7")
    assert status == 1 and f"the lesson stopped at {file}:6. When that is mended: minivit learn next\n" in complaint


def test_ctrl_c_in_a_cell_leaves_the_place_before_it(folder, lab):
    file = folder / "lessons" / "07_title.py"
    file.write_text("# %%\nimport time\nprint('asleep', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen([sys.executable, "-m", "minivit.learn.stepper", str(file), "0"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.stdout.readline() != "asleep\n":
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert "minivit learn next begins this cell again" in process.communicate(timeout=20)[1]
    assert process.returncode == 130 and lab.place() is None


def test_a_lesson_that_is_not_there(refuses, monkeypatch, folder):
    refuses("learn", "start", "5", words=["no lesson 5", "7, 8"])
    monkeypatch.setattr(percent, "FOLDER", folder / "nowhere")
    refuses("learn", "start", words=["there are no lessons", "Clone it"])
    refuses("learn", words=["Clone it"])


# Exercises

def test_the_walk_of_a_fresh_learner(learn, lab):
    """Stubs are to do; solutions 1 to k make exercises 1 to k pass and k + 1 not."""
    walk = [slug for slug in slugs() if slug in (SLUG, *KERNELS)]
    for slug in walk:
        status, printed, _ = learn("check", slug)
        assert status == 1 and "to do" in printed and f"minivit learn hint {slug}" in printed
        write(lab, slug)
        status, printed, _ = learn("check", slug)
        assert status == 0 and f"minivit learn solution {slug}" in printed and "\nnext: minivit learn " in printed
    assert [lab.standing(slug).state for slug in walk] == ["pass"] * 3
    record = json.loads(lab.progress.read_text().splitlines()[-1])
    assert record.keys() == {"ts", "slug", "status", "level", "message", "sha256", "seconds", "hints", "version"}


def test_progress_can_be_deleted_and_built_again(learn, lab, believed):
    solved(lab, SLUG, *KERNELS)
    lab.copy("gelu_backward")
    lab.progress.unlink()
    assert lab.standing(SLUG).state == "unchecked"
    status, printed, _ = learn("check", "--all", "--json", lab.path / "verdicts.json")
    assert status == 1 and "3 of 4 pass\n" in printed and "\n3 of " in learn("status")[1]
    assert {lab.standing(slug).state for slug in (SLUG, *KERNELS)} == {"pass"}
    verdicts = {each["slug"]: each["status"] for each in json.loads((lab.path / "verdicts.json").read_text())}
    assert verdicts == dict.fromkeys((SLUG, *KERNELS), "pass") | {"gelu_backward": "todo"}


def test_a_mistake_is_named_and_recorded(learn, lab):
    write(lab, SLUG, lambda text: text.replace("y * (dy - np.sum(dy * y, axis=-1, keepdims=True))", "y * dy"))
    status, printed, _ = learn("check", SLUG)
    assert status == 1 and "the row-sum term is missing" in printed and f"your file: {lab.file(SLUG)}\n" in printed
    assert lab.standing(SLUG).state == "fail" and lab.read()[0][-1]["message"] == "no-row-sum"
    assert learn("status")[1].endswith(f"next: minivit learn check {SLUG}\n")


def test_a_syntax_error_is_reported_with_file_and_line(learn, lab):
    write(lab, SLUG, lambda text: text + "x = = 1\n")
    line = len(lab.file(SLUG).read_text().splitlines())
    status, printed, _ = learn("check", SLUG)
    assert status == 1 and f"{SLUG}.py, line {line}, `x = = 1`: invalid syntax" in printed
    assert lab.standing(SLUG).state == "error"


def test_an_endless_loop_is_stopped(learn, lab, monkeypatch):
    monkeypatch.setattr(exercises, "check_file", functools.partial(exercises.check_file, timeout=1))
    write(lab, SLUG, lambda text: text.replace("    return", "    while True:\n        pass\n    return"))
    start = time.monotonic()
    status, printed, _ = learn("check", SLUG)
    assert status == 1 and "is there a loop that never ends" in printed and time.monotonic() - start < 15
    assert lab.standing(SLUG).state == "error"


def test_check_chooses(learn, lab, believed, refuses):
    assert learn("check")[1].split()[1] == slugs()[0]               # of nothing, the first
    solved(lab, slugs()[0])
    lab.remember(percent.lessons()[8], 1)
    assert learn("check")[1].split()[1] == "layernorm_backward"     # of the lesson one is in, as it sets them
    of_lesson = [slug for slug in slugs() if exercise(slug).lesson == 8]
    printed = learn("check", "--lesson", "8")[1]
    assert sum(f" {slug} " in printed for slug in of_lesson) == len(of_lesson)
    refuses("learn", "check", "--lesson", "77", words=["nothing to check", "next: minivit learn"])
    refuses("learn", "check", "--all", SLUG, words=["--all"])
    refuses("learn", "check", "softmax", words=["unknown exercise 'softmax'"])
    refuses("learn", "check", "--json", lab.path / "no" / "x.json", words=["there is no folder"])


def test_hints_come_one_by_one(learn, lab):
    hints = exercise(SLUG).hints
    for number in (1, 2, 3):
        status, printed, _ = learn("hint", SLUG)
        assert status == 0 and f"hint {number} of 3:\n" in printed and printed.count(" of 3:") == 1
        assert hints[number - 1].split()[0] in printed and lab.standing(SLUG).hints == number
    assert f"minivit learn solution {SLUG} --give-up\n" in printed
    assert learn("hint", SLUG)[1].count(" of 3:") == 3 and lab.standing(SLUG).hints == 3


def test_the_solution_comes_after_the_pass_as_a_difference(learn, lab, believed, refuses):
    refuses("learn", "solution", SLUG, words=[f"minivit learn hint {SLUG}", "--give-up"])
    write(lab, SLUG, lambda text: text.replace("return y * (", "return y * 1.0 * ("))
    learn("check", SLUG)
    status, printed, _ = learn("solution", SLUG)
    assert status == 0 and "\n-    return y * 1.0 * (dy" in printed and "\n+    return y * (dy" in printed
    assert " ".join(exercise(SLUG).why.split()) in " ".join(printed.split())
    assert str(lab.standing(SLUG)) == "solved"
    write(lab, SLUG)                                                # changed since, and still no secret
    assert "Yours is minivit's, to the letter." in learn("solution", SLUG)[1]


def test_giving_up_is_recorded_as_read_and_not_as_solved(learn, lab, believed):
    status, printed, _ = learn("solution", SLUG, "--give-up")
    assert status == 0 and "return y * (dy" in printed and lab.standing(SLUG).read
    assert lab.standing(SLUG).state == "new" and not lab.standing(SLUG).passed
    write(lab, SLUG)
    learn("check", SLUG)
    assert str(lab.standing(SLUG)) == "solved, solution read"


def test_reset_loses_nothing(learn, lab):
    write(lab, SLUG, lambda text: text + "# mine\n")
    status, printed, _ = learn("reset", SLUG)
    assert status == 0 and f"{lab.path / SLUG}.py.bak\n" in printed
    assert "# mine" in (lab.path / f"{SLUG}.py.bak").read_text() and lab.standing(SLUG).state == "todo"


def test_open_prints_the_path_and_starts_an_editor_on_a_terminal(learn, lab, monkeypatch):
    started = []
    monkeypatch.setattr(exercises.subprocess, "run", lambda words, **_: started.append(words))
    monkeypatch.setenv("VISUAL", "my-editor --wait")
    status, printed, said = learn("open", SLUG)
    assert (status, printed, started) == (0, f"{lab.file(SLUG)}\n", []) and "next: minivit learn check" in said
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    learn("open", SLUG)
    assert started == [["my-editor", "--wait", str(lab.file(SLUG))]]


def test_watch_checks_what_is_saved_until_ctrl_c(lab):
    process = subprocess.Popen([sys.executable, "-u", "-m", "minivit", "learn", "watch", SLUG], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    guard = threading.Timer(60, process.kill)
    guard.start()

    def lines_until(word):
        seen = []
        while word not in (seen or [""])[-1]:
            seen.append(process.stdout.readline())
            assert seen[-1], seen
        return "".join(seen)

    assert "to do" in lines_until("next: ")
    write(lab, SLUG)
    assert f"minivit learn solution {SLUG}" in lines_until("next: ")
    time.sleep(1)
    assert process.poll() is None                                   # it does not advance by itself
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=20)[0]
    guard.cancel()
    assert process.returncode == 0 and f"{SLUG}: solved\nnext: minivit learn " in rest and "Traceback" not in rest


# Status

def test_status_for_people_programs_and_teachers(learn, lab, folder):
    solved(lab, SLUG)
    lab.record("attention_backward", "hint")
    lab.path.joinpath("attention_backward.py").write_text("x")
    lab.remember(percent.lessons()[7], 2)
    printed = learn("status")[1]
    assert "Lesson 7: attention's backward " in printed and "  softmax_backward                 solved\n" in printed
    assert "attention_backward               not checked yet, 1 of 3 hints\n" in printed
    assert printed.endswith("next: minivit learn check attention_backward\n")
    assert learn("status", "--json", folder / "s.json", "--html", folder / "s.html") == (0, "", "")
    now = json.loads((folder / "s.json").read_text())
    assert (now["solved"], now["exercises"], now["next"]) == (1, len(slugs()), "minivit learn check attention_backward")
    assert now["place"] == {"lesson": 7, "title": "attention's backward", "cell": 2, "cells": 4}
    states = {each["slug"]: each["state"] for part in now["lessons"] for each in part["exercises"]}
    assert sorted(states) == sorted(slugs()) and states[SLUG] == "pass"
    page, tags = (folder / "s.html").read_text(), []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)
    parser.feed(page)
    assert tags.count("table") == 1 and tags.count("tr") == 1 + len(slugs())
    assert "http" not in page and "attention&#x27;s backward" in page


def test_a_damaged_line_is_mentioned(learn, lab):
    solved(lab, SLUG)
    with open(lab.progress, "a") as file:
        file.write("half a li\n")
    status, printed, said = learn("status")
    assert status == 0 and "softmax_backward                 solved\n" in printed
    assert "line 2" in said and "minivit learn check --all" in said


def test_the_folder_can_be_named_anywhere(learn, folder):
    for line in (("--lab", folder / "a", "open", SLUG), ("open", SLUG, "--lab", folder / "a")):
        assert learn(*line)[1] == f"{folder / 'a' / SLUG}.py\n"


def test_wrong_words_are_answered(refuses):
    refuses("learn", "solution", SLUG, "--giveup", words=["did you mean '--give-up'?"])
    refuses("learn", "chek", words=["'chek'", "check"], usage=True)


@pytest.mark.parametrize("changes, missed", [
    ({}, []), ({"caught": 99}, ["caught"]), ({"named": 94}, ["named"]), ({"false_alarms": 1}, ["false_alarms"]),
    ({"mutants_caught": 97, "mutants_diagnosed": 59}, ["mutants_caught", "mutants_diagnosed"]),
    ({"median_seconds": 3.1}, ["median_seconds"]), ({"max_seconds": 11}, ["max_seconds"])])
def test_audit_prints_and_judges_its_figures(learn, folder, monkeypatch, changes, missed):
    figures = {"wrong_answers": 100, "caught": 100, "named": 95, "correct_variants": 50, "false_alarms": 0,
               "mutants": 100, "mutants_caught": 98, "mutants_diagnosed": 60, "median_seconds": 1, "max_seconds": 9}
    monkeypatch.setattr("minivit.cli.learn.audit",
                        lambda slugs, full: figures | {"slugs": slugs, "full": full} | changes)
    status, printed, _ = learn("audit", SLUG, "--full", "--json", folder / "audit.json")
    assert status == bool(missed) and "wrong_answers        100\n" in printed
    assert printed.endswith(f"not good enough: {', '.join(missed)}\n") == bool(missed)
    assert json.loads((folder / "audit.json").read_text()) == figures | {"slugs": [SLUG], "full": True} | changes


def test_audit_of_an_exercise_that_there_is_not(refuses):
    refuses("learn", "audit", "softmax_backwards", words=["'softmax_backwards'", "softmax_backward"])


# Training with the learner's kernels

@pytest.fixture
def train(minivit, digits, tiny_flags, folder):
    def run(name, *flags):
        return minivit("train", "--data", digits, "--out", folder / name, *tiny_flags, *flags)
    return run


def losses(run):
    return [float(row["train_loss"]) for row in csv.DictReader((run / "metrics.csv").read_text().splitlines())]


def test_your_kernels_train_as_minivits_do(train, lab, folder):
    for slug in KERNELS:
        write(lab, slug)
    lab.copy("gelu_backward")
    status, printed, said = train("yours", "--kernels", "yours", "--epochs", "3")
    assert status == 0
    assert "yours: attention (attention_backward), layernorm (layernorm_backward)\n" in said
    assert "gelu (to write: gelu_backward)" in said and "cross_entropy" in said.partition("minivit's: ")[2]
    assert train("minivits", "--kernels", "minivit", "--epochs", "3")[0] == 0
    yours, minivits = (losses(folder / name) for name in ("yours", "minivits"))
    assert yours == pytest.approx(minivits, rel=1e-4) and yours != minivits     # other code, other rounding
    kept = sorted(path.name for path in (folder / "yours" / "kernels").iterdir())
    assert kept == [f"{slug}.py" for slug in sorted(KERNELS)]
    identity = load_arrays(folder / "yours" / "state.safetensors")[1]["identity"]
    assert identity["kernels"] == {slug: lab.sha256(slug) for slug in KERNELS}
    assert "kernels" not in load_arrays(folder / "minivits" / "state.safetensors")[1]["identity"]


def test_a_kernel_that_does_not_pass_is_refused_with_its_diagnosis(train, lab, folder):
    write(lab, "layernorm_backward", lambda text: text.replace("    return dx", "    return -dx"))
    status, printed, complaint = train("run", "--kernels", "yours")
    assert (status, printed) == (2, "") and not (folder / "run").exists()
    assert f"{lab.file('layernorm_backward')} does not pass" in complaint and "layernorm_backward  L" in complaint
    assert "next: minivit learn watch layernorm_backward" in complaint


def test_nothing_solved_is_refused(train, lab, believed):
    lab.copy("layernorm_backward")
    status, _, complaint = train("run", "--kernels", "yours")
    assert status == 2 and "no exercise about a kernel is solved" in complaint and "next: minivit learn\n" in complaint


def test_a_run_goes_on_with_the_kernels_that_it_was_begun_with(train, lab, folder, minivit, believed):
    write(lab, "layernorm_backward")
    assert train("run", "--kernels", "yours")[0] == 0
    write(lab, "layernorm_backward", lambda text: text + "# wrong\n")      # which is no longer of interest
    status, _, said = minivit("train", "--resume", folder / "run")
    assert status == 0 and "yours: layernorm (layernorm_backward)" in said
    file = folder / "run" / "kernels" / "layernorm_backward.py"
    file.write_text(file.read_text() + "# another\n")
    status, _, complaint = minivit("train", "--resume", folder / "run")
    assert status == 2 and "was begun with kernels = {'layernorm_backward':" in complaint
    file.unlink()
    assert "was begun with kernels" in minivit("train", "--resume", folder / "run")[2]
    assert "leave out the other settings" in minivit("train", "--resume", folder / "run", "--kernels", "yours")[2]


def test_a_solved_kernel_that_the_model_does_not_have_is_named(train, lab, believed):
    solved(lab, "conv2d_backward", "layernorm_backward")
    assert "yours, but not in this model: conv2d (conv2d_backward)" in train("run", "--kernels", "yours")[2]
