"""The scripted novice (`novice.py`, which is run by name over all exercises) on a few of them, and what it takes for a
message to name the place (`naming.py`)."""
import dataclasses

import novice
import pytest
from mistakes import MISTAKES
from naming import Comparison, sentences

from minivit.learn.catalogue import exercise, slugs, solution_file
from minivit.learn.progress import Lab

SAMPLE = ("scalar_backward", "unbroadcast", "softmax_backward", "add_cls_pos", "block_forward", "count_params",
          "drop_path", "average_gradients", "attention_rollout")
SOLVED = '''"""A task: y = x - mean(x)."""
import numpy as np


def centred(x):
    """y like x."""
    mean = np.mean(x, axis=-1, keepdims=True)
    scale = 2
    return (x - mean) * scale
'''


@pytest.mark.parametrize("slug", SAMPLE)
def test_every_message_leads_the_novice_to_the_mistake(slug, tmp_path):
    done, *_ = novice.practise(slug, tmp_path)
    assert len(done) == len(exercise(slug).wrong)
    for each in done:
        assert each.known and each.named and each.reached and not each.hints, each.said


def test_mistakes_are_those_of_the_exercises_and_fit_their_solutions():
    assert set(MISTAKES) == {slug for slug in slugs() if solution_file(slug).suffix == ".py"}
    for slug, rows in MISTAKES.items():
        assert set(rows) == {wrong.name for wrong in exercise(slug).wrong}, slug
        texts = [text for _, text in novice.answers(slug)]
        assert len(set(texts)) == len(rows), slug
        for text in texts:
            compile(text, slug, "exec")
    with pytest.raises(ValueError, match="'no such code' is 0 times in the solution"):
        novice.changed(SOLVED, "centred", ("no such code", ""))


@pytest.mark.parametrize("before, after, said, found", [
    ("(x - mean)", "x", "it is wrong", False),
    ("(x - mean)", "x", "the mean is missing: y = x - mean", True),
    ("(x - mean)", "x", "the mean is missing", True),                           # a name that is not in yours
    ("(x - mean)", "x", "look at line 9, `return x * scale`", True),
    ("(x - mean)", "x", "look at line 7", False),
    ("(x - mean)", "x", "it must be (x - median)", True),                       # the bracket and the minus are right
    ("(x - mean)", "x", "is it times scale?", False),                           # right as it is
    ("(x - mean)", "x", "it is x * scale", True),                               # what is there, and should not be
    ("axis=-1", "axis=0", "the mean is over the wrong axis", False),
    ("axis=-1", "axis=0", "the mean is over the last axis: axis=-1", True),
    ("axis=-1", "axis=0", "rows are -1", True),
    (" * scale", "", "multiply by scale", True),
    (" * scale", "", "a factor is missing", False),
    ("scale = 2", "scale = 3", "the scale is 2", False),                        # 2 of what, = is not said
    ("scale = 2", "scale = 3", "scale = 2", True),
])
def test_what_names_a_place(before, after, said, found):
    yours = novice.changed(SOLVED, "centred", (before, after))
    assert bool(Comparison(yours, SOLVED, ("y",)).named(said)) == found


def test_the_novice_reads_sentences_and_no_numbers(tmp_path):
    one = novice.Novice("softmax_backward", tmp_path)
    said = sentences(str(one.check(dict((wrong.name, text) for wrong, text in novice.answers(
        "softmax_backward"))["no-row-sum"])))
    assert said.startswith("dx is wrong . It looks like this mistake: the row-sum term is missing")
    assert said.endswith("depends on every logit in it.")


def test_a_message_that_says_nothing_is_counted(tmp_path, monkeypatch, capsys):
    checked = exercise("softmax_backward")
    empty = tuple(dataclasses.replace(wrong, says="it is wrong.") for wrong in checked.wrong)
    monkeypatch.setattr(novice, "exercise", lambda slug: dataclasses.replace(checked, wrong=empty))
    done, *_ = novice.practise("softmax_backward", tmp_path)
    assert not any(each.named for each in done) and all(each.hints for each in done)
    assert sum(each.reached for each in done) >= 5              # by the hints
    assert novice.main(["softmax_backward"]) == 1
    assert "names the line or the term for 0.0% of 8 mistakes" in capsys.readouterr().out


def test_what_the_novice_reads_is_what_the_command_prints(tmp_path, minivit):
    slug = "softmax_backward"
    wrong, text = next(novice.answers(slug))
    said = sentences(str(novice.Novice(slug, tmp_path / "own").check(text)))
    lab = Lab(tmp_path / "lab")
    lab.copy(slug).write_text(text)
    status, printed, _ = minivit("learn", "check", slug, "--lab", lab.path)
    assert status == 1 and printed.startswith(f"\N{BALLOT X} {slug}") and wrong.says.split(".")[0][:40] in printed
    assert sentences(printed).startswith(said)
    assert solution_file(slug).name in printed
