"""The checker of exercises: every rung of its ladder, every finding on an error made for it, files that misbehave.

The exercise is made here: layer norm without eps and offset.
"""
import dataclasses
import re
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minivit import learn
from minivit.learn import sandbox, sandboxed
from minivit.learn.catalogue import exercise, slugs, solution_file
from minivit.learn.check import check
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.picture import BLOCKS, heat
from minivit.learn.stub import stub
from minivit.learn.verdict import DIFFERENCES, EXTREME, FORM, PROPERTIES, SIGNATURE, TRAINING, VALUES, Place, Verdict
from minivit.ops.gelu import GELU
from minivit.tensor import Tensor


def norm(x, gamma):
    """y (B, N, D) of x (B, N, D) and gamma (D)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred ** 2).mean(axis=-1, keepdims=True)) * gamma


def by_vectors(x, gamma):
    rows = x.reshape(-1, x.shape[-1]).astype(np.float64)
    return np.array([gamma * (row - row.mean()) / row.std() for row in rows]).reshape(x.shape)


def cases(rng):
    return [("x".join(map(str, shape)), (rng.standard_normal(shape), rng.uniform(0.5, 2, shape[-1])))
            for shape in ((2, 3, 4), (1, 5, 6), (3, 2, 3))]


def rows_add_up_to_zero(function, rng):
    worst = np.abs(function(rng.standard_normal((2, 3, 4)), np.ones(4)).sum(axis=-1)).max()
    return f"rows must add up to 0, and yours to {worst:.3g}" if worst > 1e-9 else None


NORM = Exercise(
    slug="norm", lesson=1, minutes=1, difficulty=1, task="Write it.", solution=norm, oracle=by_vectors, cases=cases,
    outputs=("y",), hints=("", "", ""), why="", correct=(),
    wrong=(Wrong("no-root", lambda x, gamma: norm(x, gamma) / x.std(axis=-1, keepdims=True), "take the root."),))


def but(**changes):
    return dataclasses.replace(NORM, **changes)


def said(function, checked=NORM, seed=0):
    return check(checked, function, seed)


def assert_says(verdict, pattern):
    assert any(re.search(pattern, sentence) for sentence in verdict.sentences), verdict.sentences


# The ladder

def test_right_answers_pass():
    for seed in range(5):
        assert said(norm, seed=seed).status == "pass"
        assert said(lambda x, gamma: by_vectors(x, gamma).astype(x.dtype), seed=seed).status == "pass"
    assert bool(said(norm)) and not bool(said(lambda x, gamma: x))


@pytest.mark.parametrize("function, message, sentence", [
    (lambda x: x, "signature", r"must take \(x, gamma\), and yours takes \(x\)"),
    (lambda gamma, x: x, "order", "the order counts"),
    (3, "signature", "must be a function, and is 3"),
])
def test_the_signature_is_checked(function, message, sentence):
    verdict = said(function)
    assert (verdict.status, verdict.level, verdict.message) == ("fail", SIGNATURE, message)
    assert_says(verdict, sentence)


def in_place(x, gamma):
    x -= x.mean(axis=-1, keepdims=True)
    return norm(x, gamma)


@pytest.mark.parametrize("function, message, sentence", [
    (lambda x, gamma: None, "nothing", "y is None: is there a `return`"),
    (lambda x, gamma: (x, x), "outputs", r"must return y \(1 in all\), and returns 2"),
    (lambda x, gamma: Tensor(norm(x, gamma)), "tensor", "y is a Tensor, and an array is expected"),
    (lambda x, gamma: norm(x, gamma).tolist(), "type", "y is a list, and an array of shape"),
    (lambda x, gamma: np.float64(1) * norm(x, gamma), "dtype", "y is float64, and float32 is expected"),
    (lambda x, gamma: norm(x, gamma).astype(np.float32), "dtype", "y is float32, and float64 is expected"),
    (in_place, "input-changed", "it changes its argument x in place"),
    (lambda x, gamma: norm(x, gamma) * np.where(x > 0, np.nan, 1), "not-finite:where", "nan or inf only where `x` is"),
    (lambda x, gamma: np.where(x == x.max(), np.inf, norm(x, gamma)), "overflow", "Where y is finite it is right"),
    (lambda x, gamma: norm(x, gamma) * np.inf, "not-finite:where", "y is nan or inf everywhere"),
])
def test_the_form_is_checked(function, message, sentence):
    verdict = said(function)
    assert (verdict.status, verdict.level, verdict.message) == ("fail", FORM, message)
    assert_says(verdict, sentence)


def test_an_exception_is_located():
    def broken(x, gamma):
        return x * (gamma[:2] + 1)
    verdict = said(broken)
    line = broken.__code__.co_firstlineno + 1
    assert (verdict.status, verdict.level, verdict.message) == ("fail", FORM, "raises:shapes")
    assert_says(verdict, rf"^line {line}, `x \* \(gamma\[:2\] \+ 1\)`: ValueError: operands .* \(case 2x3x4\)\.")


@pytest.mark.parametrize("function, sentence", [
    (lambda x, gamma: x * gamma[:2], r"^Here x is \(2, 3, 4\), gamma is \(4,\)\.$"),
    (lambda x, gamma: x - x.mean(axis=-1), r"An axis was lost: .* \(2, 3\) would be \(2, 3, 1\) and fit"),
    (lambda x, gamma: x[0] + x[0].T, "One would fit if it were transposed"),
])
def test_arrays_that_do_not_fit_are_named(function, sentence):
    assert_says(said(function), sentence)


def test_a_matrix_that_would_fit_if_transposed_is_named():
    def product(x, gamma):
        rows, weight = x[0], np.ones((2, x.shape[-1]))
        return rows @ weight
    assert_says(said(product), r"Here rows is \(3, 4\), weight is \(2, 4\)\. With weight transposed .* they would fit")


def test_other_exceptions_are_errors_and_a_missing_body_is_to_do():
    def todo(x, gamma):
        raise NotImplementedError("TODO: write norm")
    assert (said(todo).status, said(todo).sentences) == ("todo", ("TODO: write norm.",))
    verdict = said(lambda x, gamma: {}["key"])
    assert (verdict.status, verdict.level, verdict.message) == ("error", FORM, "raises")
    assert_says(verdict, "KeyError: 'key'")


def test_values_are_compared_with_the_oracle_s_and_the_worst_place_is_shown():
    def one_off(x, gamma):
        y = norm(x, gamma)
        y[-1, 1, 2] += 0.5 if len(y) == 2 else 0
        return y
    verdict = said(one_off)
    assert (verdict.status, verdict.level) == ("fail", VALUES)
    place = verdict.place
    assert (place.case, place.output, place.index) == ("2x3x4", "y", (1, 1, 2))
    assert place.yours == pytest.approx(place.expected + 0.5)
    assert len(place.window) == 4 and f"{place.yours:+.4g}" in place.window[2]
    assert verdict.picture == "|    |\n|  █ |\n|    |"
    assert re.search(r"\n  y at index \[1, 1, 2\]: yours \+\d.\d+, expected \+\d.\d+ \(case 2x3x4\)\n", str(verdict))


def test_properties_are_tried_after_the_values():
    checked = but(oracle=lambda x, gamma: x, solution=lambda x, gamma: x, wrong=(),
                  properties=(Property("rows add up to 0", rows_add_up_to_zero),))
    verdict = said(lambda x, gamma: x, checked)
    assert (verdict.status, verdict.level, verdict.message) == ("fail", PROPERTIES, "rows add up to 0")
    assert_says(verdict, "rows must add up to 0, and yours to")
    assert said(norm, but(properties=checked.properties))


def test_gradients_are_compared_with_finite_differences():
    def numeric(x, gamma):
        return numeric_gradient(lambda x: x ** 3 / 3, x, np.ones_like(x))

    def square(x, gamma):
        return x * x
    assert said(square, but(solution=square, oracle=square, numeric=numeric, wrong=()))
    half = but(solution=lambda x, gamma: x * x / 2, oracle=lambda x, gamma: x * x / 2, numeric=numeric, wrong=())
    verdict = said(lambda x, gamma: x ** 2 / 2, half)
    assert (verdict.level, verdict.message) == (DIFFERENCES, "differences")
    assert_says(verdict, "y is not the slope that is found by nudging each number")


def test_numeric_gradient_is_exact_for_smooth_functions():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 3)), rng.standard_normal(2)
    assert numeric_gradient(lambda x: np.exp(x).sum(axis=1), x, dy) == pytest.approx(np.exp(x) * dy[:, None], rel=1e-10)
    assert numeric_gradient(lambda x: x, x, np.ones((2, 3))) == pytest.approx(np.ones((2, 3)))


def test_extreme_numbers_come_last():
    def softmax(x, gamma):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True) * gamma

    def careless(x, gamma):
        e = np.exp(x)
        return e / e.sum(axis=-1, keepdims=True) * gamma

    def extreme(rng):
        return [("up to 1e4", (np.float32([[[0, 1e4]]]), np.ones(2, np.float32)))]
    checked = but(solution=softmax, oracle=softmax, extreme=extreme, wrong=())
    assert said(softmax, checked)
    verdict = said(careless, checked)
    assert (verdict.level, verdict.message) == (EXTREME, "not-finite")
    named = dataclasses.replace(checked, wrong=(Wrong("no-shift", careless, "subtract the largest."),))
    assert said(careless, named).message == "no-shift"


def test_a_network_is_trained_with_it():
    def kernels(scale):
        return lambda function: {"gelu": (GELU.forward, lambda ctx, dy: scale * GELU.backward(ctx, dy))}
    assert said(norm, but(kernels=kernels(1)))
    verdict = said(norm, but(kernels=kernels(1.01)))
    assert (verdict.level, verdict.message) == (TRAINING, "training")
    assert_says(verdict, "a network trained with it goes another way: its loss at step")
    assert_says(said(norm, but(kernels=lambda function: {"dropout": (None, None)})), "no network .* uses dropout")


# Diagnoses

def test_known_mistakes_go_by_their_names():
    verdict = said(lambda x, gamma: gamma * (x - x.mean(-1, keepdims=True)) / x.var(-1, keepdims=True))
    assert (verdict.status, verdict.message) == ("fail", "no-root")
    assert_says(verdict, "It looks like this mistake: take the root.")


def test_a_mistake_that_raises_is_known_by_the_cases_that_run():
    def only_squares(x, gamma):
        return norm(x, gamma) if x.shape[1] == x.shape[2] else x.reshape(7, 7)

    def with_a_square(rng):
        return cases(rng) + [("2x3x3", (rng.standard_normal((2, 3, 3)), np.ones(3)))]
    known = (Wrong("squares", only_squares, "it runs on squares alone."),)
    assert said(only_squares, but(wrong=known, cases=with_a_square)).message == "squares"
    assert said(lambda x, gamma: x.reshape(8, 8), but(wrong=known, cases=with_a_square)).message == "raises:shapes"
    assert said(only_squares, but(wrong=known)).message == "raises:shapes"         # that says nothing of squares


def test_a_mistake_that_shows_in_one_place_only_is_known_by_that_place():
    checked = but(wrong=(Wrong("changes-x", in_place, "x is not yours to change."),
                         Wrong("widens", by_vectors, "float32 in, float32 out.")))
    assert said(in_place, checked).message == "changes-x"
    assert said(lambda x, gamma: norm(x, gamma).astype(np.float64), checked).message == "widens"


def wrong(change):
    """An answer that changes what is right: change(y, x, gamma)."""
    return lambda x, gamma: change(norm(x, gamma), x, gamma)


def first_row_0(y, x, gamma):
    y[:, 0] = 0
    return y


FINDINGS = {
    "zero": (lambda y, x, g: 0 * y, "y is 0 everywhere"),
    "sign": (lambda y, x, g: -y, "The sign of y is wrong"),
    "factor": (lambda y, x, g: 2 * y, "yours is 2 times the right one"),
    "factor root": (lambda y, x, g: y / y.shape[-1] ** 0.5, r"yours is 1 / sqrt\(D\) \(D = x.shape\[-1\]\) times"),
    "factor batch": (lambda y, x, g: y * len(y), r"yours is B \(B = x.shape\[-3\]\) times"),
    "factor n-1": (lambda y, x, g: y * y.shape[1] / (y.shape[1] - 1), r"is \(N / \(N - 1\)\) \(N = x.shape\[-2\]\)"),
    "factor any": (lambda y, x, g: y * x.mean(), "up to a factor, yours / right = .* in case 2x3x4"),
    "offset": (lambda y, x, g: y + 0.3, "yours is the right one plus 0.3"),
    "moved flip": (lambda y, x, g: y[..., ::-1], "y is turned round along the last axis"),
    "moved roll": (lambda y, x, g: np.roll(y, 1, 1), "one place too far on along the last axis but one; it begins"),
    "moved shift": (lambda y, x, g: np.concatenate([y[..., 1:], 0 * y[..., :1]], -1), "too early .*, and ends with 0"),
    "reshaped": (lambda y, x, g: y.transpose(0, 2, 1).reshape(y.shape), "A reshape does not exchange axes"),
    "returned": (lambda y, x, g: x.copy(), "y is `x`, and nothing else"),
    "returned product": (lambda y, x, g: g * x, r"y is `gamma \* x`, and nothing else"),
    "term": (lambda y, x, g: y - x, "A term is missing: yours is the right y less `x`"),
    "term too many": (lambda y, x, g: y + g, "There is a term too many: .* plus `gamma`"),
    "term sign": (lambda y, x, g: y - 2 * x, "A term has the wrong sign: .* less 2 times `x`"),
    "term product": (lambda y, x, g: y + 5 * x * g, r"plus 5 times `x \* gamma`"),
    "factor-term": (lambda y, x, g: y / g, "A factor is missing: .* divided by `gamma`"),
    "factor-term twice": (lambda y, x, g: y * g ** 2, "two factors too many"),
    "inside": (lambda y, x, g: norm(x, g + 1), "It comes out as if `gamma` were larger by 1"),
    "pattern": (lambda y, x, g: y + x * x.max(axis=-1, keepdims=True), "wrong by `x` times .* along the last axis"),
    "places row": (first_row_0, "y is wrong only in the first place along the last axis but one"),
    "places sign": (lambda y, x, g: np.where(x < 0, 0.1 * y * y, y), "y is wrong only where `x` is negative"),
    "flat": (lambda y, x, g: 0 * y + np.exp(y).sum(-1, keepdims=True), "y is the same number all along the last axis"),
    "axis-factor": (lambda y, x, g: y * (2 + np.arange(y.shape[1], dtype=y.dtype))[:, None], "a factor that depends"),
    "axis-offset": (lambda y, x, g: y + np.sin(x).sum(-1, keepdims=True), "something added that is the same all along"),
    "elsewhere": (lambda y, x, g: np.sort(y, axis=-1), "y holds the right numbers in the wrong places"),
    "nearly": (lambda y, x, g: y + 1e-3 * g * np.sin(5 * y), "y is nearly right: nowhere off by more than 0"),
    "some-cases": (lambda y, x, g: y * np.exp(x) if len(x) == 3 else y, "right in case .*, and wrong in case 3x2x3"),
    "independent": (lambda y, x, g: np.sin(3 * norm(x, 1 + 0 * g)), "y does not depend on gamma at all, and must"),
    "growth": (lambda y, x, g: y + np.sin(3 * y) * g, "If gamma is doubled, y must double"),
    "shift": (lambda y, x, g: y + g * np.sin(x / x.std(-1, keepdims=True)), "If a constant is added to all of x, y m"),
    "reach": (lambda y, x, g: y + np.roll(y, 1, 1) * y[::-1] / g, "One number of x must reach 4 of the 24 numbers"),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_what_is_true_of_an_unknown_mistake_is_found(name):
    change, sentence = FINDINGS[name]
    verdict = said(wrong(change))
    assert (verdict.status, verdict.message) == ("fail", name.partition(" ")[0]), verdict.sentences
    assert_says(verdict, sentence)


def test_axes_in_the_wrong_order_are_found():
    def squares(rng):
        return [(f"{B}", (rng.standard_normal((B, D, D)), np.ones(D))) for B, D in ((2, 3), (3, 4))]
    verdict = said(lambda x, gamma: norm(x, gamma).transpose(0, 2, 1), but(cases=squares))
    assert verdict.message == "transposed"
    assert_says(verdict, r"yours is the right one with .transpose\(0, 2, 1\)")


@pytest.mark.parametrize("function, message, sentence", [
    (lambda x, gamma: norm(x, gamma)[None], "shape:axes of size 1", "an axis of size 1 too many or too few"),
    (lambda x, gamma: norm(x, gamma).sum(axis=1), "shape:sum too many", "a sum over the last axis but one too many"),
    (lambda x, gamma: norm(x, gamma).mean(axis=(0, 1)), "shape:mean too many", "a mean over the .* axis"),
    (lambda x, gamma: np.stack([norm(x, gamma) / 2] * 2), "shape:sum missing", "lacks the sum over the first axis"),
    (lambda x, gamma: norm(x, gamma).transpose(1, 2, 0), "shape:transposed", "axes in another order"),
    (lambda x, gamma: norm(x, gamma).reshape(-1, 2 * x.shape[-1]) if x.shape[1] != 5 else norm(x, gamma).ravel(),
     "shape:reshaped", "in the right order, in another shape"),
    (lambda x, gamma: np.sort(norm(x, gamma).ravel()), "shape:elsewhere", "in another order and another shape"),
    (lambda x, gamma: np.cos(norm(x, gamma))[:, 1:], "shape:shorter", "too few numbers along an axis"),
    (lambda x, gamma: np.cos(np.repeat(x, 2, axis=1)), "shape:longer", "too many numbers along an axis"),
    (lambda x, gamma: np.cos(np.stack([x, x])), "shape:more axes", "is a sum missing"),
    (lambda x, gamma: np.cos(x).max(axis=1), "shape:fewer axes", "is there a sum too many"),
    (lambda x, gamma: x.sum(axis=1 if len(x) > 1 else -1), "shape:fewer axes", "is there a sum too many"),
])
def test_what_is_true_of_a_wrong_shape_is_found(function, message, sentence):
    verdict = said(function)
    assert (verdict.level, verdict.message) == (FORM, message), verdict.sentences
    assert_says(verdict, sentence)


def test_outputs_are_told_apart():
    def two(x, gamma):
        return x * gamma, x / gamma
    checked = but(solution=two, oracle=two, outputs=("a", "b"), wrong=())
    verdict = said(lambda x, gamma: two(x, gamma)[::-1], checked)
    assert verdict.message == "exchanged"
    assert_says(verdict, "^a and b are wrong")
    assert_says(verdict, "^a is what b should be")
    tenth = but(solution=two, oracle=two, outputs=("a", "b"), wrong=(), cases=lambda rng: [
        (str(k), (rng.standard_normal(1), rng.uniform(1, 2, 1))) for k in range(4)])
    verdict = said(lambda x, gamma: (x * gamma, np.sin(9 * x) * np.cos(x) / gamma), tenth)
    assert_says(verdict, "^b is wrong")
    assert_says(verdict, "^a is right: look at b")


def test_single_numbers_are_not_explained_by_chance():
    """With three numbers and hundreds of formulas some fits: it has to fit those of another seed, too."""
    def size(x, gamma):
        return 10 * x.size
    checked = but(solution=size, oracle=size, float32=False, wrong=())
    assert said(lambda x, gamma: 20 * x.size, checked).message == "factor"
    for seed in range(20):
        sentences = " ".join(said(lambda x, gamma: 10 * x.size + int(100 * x.max()), checked, seed).sentences)
        assert "plus" not in sentences and "times" not in sentences


# What is said

def test_a_verdict_survives_json():
    inf = Verdict("norm", "fail", VALUES, "sign", ("a", "b"), Place("1x2", "y", (), float("inf"), -1.0), printed="a\nb")
    for verdict in (said(norm), said(lambda x, gamma: x), inf):
        assert Verdict.from_json(verdict.to_json()) == verdict
        assert "\n" not in verdict.to_json()
    nan = said(lambda x, gamma: x * np.nan)
    assert str(Verdict.from_json(nan.to_json())) == str(nan)


def test_a_verdict_is_printed_for_a_person(capsys):
    verdict = learn.check("softmax_backward", lambda dy, y: y * dy)
    printed = capsys.readouterr().out
    assert printed == f"{verdict}\n" and verdict.message == "no-row-sum"
    assert re.match(r"\N{BALLOT X} softmax_backward  L3 values +\(\d\.\d s, seed 0\)\n  dx is wrong \(case 4x7\)\.\n"
                    r"  It looks like this mistake: the row-sum term is missing", printed)
    right = learn.check("softmax_backward", exercise("softmax_backward").solution)
    assert re.fullmatch(r"\N{CHECK MARK} softmax_backward +\(\d\.\d s, seed 0\)", str(right))
    with pytest.raises(ValueError, match="unknown exercise 'softmax_backwards': did you mean 'softmax_backward'?"):
        learn.check("softmax_backwards", norm)


def test_a_large_error_is_thinned_out_to_a_small_picture():
    error = np.zeros((2, 100, 300))
    error[1, 99, 0], error[1, 0, 299] = np.inf, 0.4
    rows = heat(error, (1, 99, 0)).splitlines()
    assert [len(row) for row in rows] == [50] * 8
    assert rows[-1][1] == rows[0][-2] == BLOCKS[-1] and set(rows[3]) == {"|", " "}
    assert heat(np.array(3.0), ()) == ""


# Files

GOOD = solution_file("softmax_backward").read_text(encoding="utf-8")


def body(code):
    return f"import os, sys, time\nimport numpy as np\n\n\ndef softmax_backward(dy, y):\n    {code}\n"


TRICKS = {
    "solution": (GOOD, "pass", "", ""),
    "stub": (stub(GOOD), "todo", "todo", "TODO: write softmax_backward"),
    "syntax": ("def softmax_backward(dy, y):\n    return y *\n", "error", "syntax",
               r"^softmax_backward.py, line 2, `return y \*`: invalid syntax"),
    "null bytes": ("\0", "error", "syntax", "null bytes"),
    "empty": ("", "error", "name", "has no softmax_backward, nor any other function"),
    "misspelt": ("def softmax_backwards(dy, y):\n    return y\n", "error", "name", "mean 'softmax_backwards'"),
    "import": ("import numpi\n", "error", "import", "line 1, `import numpi`: ModuleNotFoundError"),
    "exit at once": ("import sys\nsys.exit()\n", "error", "import", r"line 2, `sys.exit\(\)`: SystemExit"),
    "sys.exit": (body("sys.exit(3)"), "error", "exit", r"line 6, `sys.exit\(3\)`: SystemExit: 3"),
    "os._exit": (body("os._exit(0)"), "error", "exit", r"it ended the whole process \(exit code 0\)"),
    "interrupt": (body("raise KeyboardInterrupt"), "error", "raises", "line 6, .*: KeyboardInterrupt"),
    "exception": (body("return dy / 0 @ y"), "fail", "raises:shapes", "line 6, `dy / 0 @ y`: ValueError"),
    "recursion": (body("return softmax_backward(dy, y)"), "error", "recursion", "line 6, .*RecursionError"),
    "endless": (body("while True: pass"), "error", "timeout", "after 1.5 seconds: .* It was at line 6 of softmax_back"),
    "endless import": ("while True:\n    pass\n", "error", "timeout", "It was at line [12] of softmax_backward.py"),
    "too long": (body("time.sleep(60)"), "error", "timeout", "It was at line 6"),
    "crash": (body("os.abort()"), "error", "crash", "ended by SIGABRT. It was at line 6"),
    "huge": (body("return np.ones((1 << 14, 1 << 16))"), "error", "memory", "line 6, .* Unable to allocate 8"),
    "much output": ("while True:\n    print('x' * 100000)\n", "error", "import", "prints, or writes .*, more than"),
    "input": (body("return input()"), "error", "raises", "EOFError"),
    "json": ("print('{\"status\": \"pass\"}')\n" + body("print('{}')\n    return dy"), "fail", "returned", "is `dy`"),
    "closed": ("import sys\nsys.stdout.close()\n" + GOOD, "pass", "", ""),
    "thread": (f"import threading as t, time\nt.Thread(target=time.sleep, args=[9]).start()\n{GOOD}", "pass", "", ""),
    "warnings": (body("return 0 * np.log(1 + y) * dy"), "fail", "zero", "dx is 0 everywhere"),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """{name: (Verdict, seconds)} of the files, two at a time."""
    folder = tmp_path_factory.mktemp("labs")                        # here: two threads would make pytest's own at once

    def judge(name):
        (folder / name.replace(" ", "-")).mkdir()
        file = folder / name.replace(" ", "-") / "softmax_backward.py"
        file.write_text(TRICKS[name][0], encoding="utf-8")
        start = time.perf_counter()
        return sandbox.check_file("softmax_backward", file, seed=3, timeout=1.5), time.perf_counter() - start
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(TRICKS, pool.map(judge, TRICKS)))


@pytest.mark.parametrize("name", TRICKS)
def test_every_file_ends_in_a_verdict(verdicts, name):
    _, status, message, sentence = TRICKS[name]
    verdict, seconds = verdicts[name]
    assert (verdict.slug, verdict.status, verdict.message, verdict.seed) == ("softmax_backward", status, message, 3)
    assert 0 < verdict.seconds <= seconds < 12
    if sentence:
        assert_says(verdict, sentence)


def test_what_a_file_prints_is_kept_apart(verdicts):
    printed = {name: verdict.printed for name, (verdict, _) in verdicts.items()}
    assert printed["json"].startswith('{"status": "pass"}\n{}\n{}')
    assert '  it printed:\n  | {"status": "pass"}\n' in str(verdicts["json"][0])
    assert re.fullmatch(r"x{1000}\n\.\.\. and [\d,]+ characters more", printed["much output"])
    assert printed["solution"] == printed["warnings"] == ""


def test_a_file_that_turns_off_the_alarm_is_stopped_from_outside(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "GRACE", 1)
    file = tmp_path / "softmax_backward.py"
    file.write_text("import faulthandler\nfaulthandler.cancel_dump_traceback_later()\nwhile True:\n    pass\n")
    verdict = sandbox.check_file("softmax_backward", file, timeout=1)
    assert (verdict.status, verdict.message) == ("error", "timeout")


def test_a_system_without_limits_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sandboxed, "resource", None)
    file = tmp_path / "softmax_backward.py"
    file.write_text(body("return dy"))
    assert_says(sandboxed.judged("softmax_backward", file, 0, 1 << 31), "This system does not limit the memory")


def test_a_mistake_of_the_checker_is_not_laid_at_the_learner_s_door(tmp_path, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("in the oracle")
    monkeypatch.setattr(sandboxed, "check", broken)
    monkeypatch.setattr(sandboxed, "limit", lambda memory: True)
    file = tmp_path / "softmax_backward.py"
    file.write_text(GOOD)
    verdict = sandboxed.judged("softmax_backward", file, 0, 1 << 31)
    assert (verdict.status, verdict.message) == ("error", "checker")
    assert_says(verdict, "no fault of yours: ZeroDivisionError: in the oracle")


def test_a_missing_file_is_said_and_an_unknown_exercise_refused(tmp_path):
    assert_says(sandbox.check_file("softmax_backward", tmp_path / "none.py"), "there is no file .*none.py")
    with pytest.raises(ValueError, match="did you mean 'softmax_backward'"):
        sandbox.check_file("softmax_backwart", tmp_path / "none.py")


# Stubs and the catalogue

SOLVED = '''"""The task."""
import numpy as np      # a comment

WIDTH = 3               # given


def given(x):
    return x + 1


def one(x):
    """What it returns.

    On several lines.
    """
    # a comment that gives it away
    def inner(y):
        """Not to be seen."""
        return y
    return inner(x)


class Value:
    """A number."""

    def __init__(self, data):
        self.data = data

    def backward(self):
        """Walk back."""
        self.data = 0

    count = 0
'''


def test_a_stub_keeps_all_but_the_bodies():
    start, one = SOLVED.index("    # a comment that"), SOLVED.index("\n\nclass Value")
    expected = SOLVED[:start] + '    raise NotImplementedError("TODO: write one")\n' + SOLVED[one:]
    expected = expected.replace("self.data = 0", 'raise NotImplementedError("TODO: write Value.backward")')
    assert stub(SOLVED) == expected


def test_the_catalogue_is_in_the_order_of_the_lessons():
    lessons = [exercise(slug).lesson for slug in slugs()]
    assert lessons == sorted(lessons) and len(set(slugs())) == len(slugs()) >= 25
    assert all(exercise(slug).slug == slug for slug in slugs())
