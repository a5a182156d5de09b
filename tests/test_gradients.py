"""Every operation, in every form, at every shape of `minivit.gradcheck.CASES`: values, gradients, types, memory.

A new operation is one new row of that table. To see the numbers behind a pass:

    pytest tests/test_gradients.py -k layernorm --show-gradients
"""
import numpy as np
import pytest

from minivit import Tensor, randomness, using
from minivit.cuda import why_no_emulator
from minivit.function import FUNCTIONS
from minivit.gradcheck import CASES, compare, gradcheck
from minivit.gradcheck.compare import forms_of
from minivit.streams import stream
from minivit.tape import walk

FLOAT64 = 1e-12         # how far two forms may lie apart, relative to the largest value
FLOAT32 = 1e-5
FLOAT32_OFFSET = {      # forms of rows that lose digits in float32, with what remains
    ("layernorm:offset", "composed"): 5e-5,     # x - mean(x) at 1000 +- 10: the mean is rounded to a multiple of 6e-5
}


def _id(*parts):
    return "-".join("x".join(map(str, part)) if isinstance(part, tuple) else part for part in parts)


def _marks(form):
    return pytest.mark.skipif(form == "cuda" and why_no_emulator() is not None, reason=str(why_no_emulator()))


FLOAT64_FORMS = [pytest.param(case, form, shape, id=_id(case.name, form, shape))
                 for case in CASES.values() for form in forms_of(case, np.float64) for shape in case.shapes]
EVERY_FORM = [pytest.param(case, form, id=_id(case.name, form), marks=_marks(form))
              for case in CASES.values() for form in FUNCTIONS[case.covers[0]].forms]
EVERY_ROW = [pytest.param(case, id=case.name) for case in CASES.values()]
TWO_FORMS = [pytest.param(case, id=case.name) for case in CASES.values() if "composed" in forms_of(case)]


def make(case, shape):
    """The row's function, and inputs which float32 holds exactly, so that both precisions see the same numbers."""
    function, inputs = case.make(stream(0, place=case.name), shape)
    return function, {name: x.astype(np.float32).astype(np.float64) for name, x in inputs.items()}


def run(case, shape, form, dtype=np.float64, change=lambda array: array):
    """(names, arrays) of all outputs and gradients; `change` is applied to every input and output gradient."""
    function, inputs = make(case, shape)
    tensors = [Tensor(change(x.astype(dtype)), requires_grad=True) for x in inputs.values()]
    with using(form), randomness(seed=0):
        outputs = function(*tensors)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    rng = stream(0, place="output gradients")
    loss = 0
    for output in outputs:
        dy = rng.standard_normal(output.shape).astype(dtype)
        output.register_hook(lambda _, dy=dy: change(dy))       # so that backward starts from exactly this array
        loss = loss + output.sum()
    loss.backward()
    found = {f"output {k}": output.data for k, output in enumerate(outputs)}
    return found | {f"d{name}": tensor.grad for name, tensor in zip(inputs, tensors)}


def assert_close(found, expected, tolerance):
    """The same arrays, to `tolerance` times the largest expected number of each."""
    for name, truth in expected.items():
        error = np.abs(found[name] - truth).max(initial=0.0) / max(np.abs(truth).max(initial=0.0), 1e-6)
        assert error <= tolerance, f"{name} is off by {error:.1e} of its largest value, {tolerance:.0e} allowed"


def describe(title, report, case, shape):
    lines = [f"{title}\n{report}"]
    for form in compare(case, shape, repeats=1):
        gradients = ", ".join(f"d{name} {error:.1e}" for name, error in form.gradients.items())
        lines.append(f"{form.form + ' in float32':<28} error of the output {form.forward:.1e}, of {gradients}")
    return "\n".join(lines)


@pytest.mark.parametrize("case, form, shape", FLOAT64_FORMS)
def test_backward_is_the_derivative_of_forward(case, form, shape, show_gradients):
    function, inputs = case.make(stream(0, place=case.name), shape)
    with using(form):
        report = gradcheck(function, inputs, tolerance=1e-6)
    show_gradients(lambda: describe(_id(case.name, form, shape), report, case, shape))
    report.check()


@pytest.mark.parametrize("case", TWO_FORMS)
def test_array_equals_composed(case):
    for shape in case.shapes:
        assert_close(run(case, shape, "array"), run(case, shape, "composed"), FLOAT64)


@pytest.mark.parametrize("case, form", EVERY_FORM)
def test_float32_is_close_to_float64(case, form):
    exact = "composed" if form == "cuda" else form              # cuda is float32 only
    for shape in case.shapes:
        found, truth = run(case, shape, form, np.float32), run(case, shape, exact, np.float64)
        assert_close(found, truth, FLOAT32_OFFSET.get((case.name, form), FLOAT32))


@pytest.mark.parametrize("case, form", EVERY_FORM)
def test_values_and_gradients_keep_their_type(case, form):
    for dtype in (np.float32,) if form == "cuda" else (np.float32, np.float64):
        for name, array in run(case, case.shapes[0], form, dtype).items():
            assert array.dtype == dtype, name


def strided(x):
    """The same numbers, none of them beside the next in memory."""
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def column_major(x):
    """The same numbers, in the order of the transposed array."""
    return np.asfortranarray(x) if x.ndim else x


@pytest.mark.parametrize("layout", [strided, column_major], ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("case, form", EVERY_FORM)
def test_the_layout_in_memory_does_not_matter(case, form, layout):
    shape, dtype, tolerance = case.shapes[0], *((np.float32, FLOAT32) if form == "cuda" else (np.float64, FLOAT64))
    assert_close(run(case, shape, form, dtype, layout), run(case, shape, form, dtype), tolerance)


def read_only(x):
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("case, form", EVERY_FORM)
def test_nothing_is_written_into_what_was_given(case, form):
    dtype = np.float32 if form == "cuda" else np.float64
    run(case, case.shapes[0], form, dtype, read_only)           # NumPy raises on a write, the emulator too


@pytest.mark.parametrize("case", EVERY_ROW)
def test_the_row_runs_what_it_covers(case):
    function, inputs = make(case, case.shapes[0])
    with using("array"), randomness(seed=0):
        outputs = function(*(Tensor(x, requires_grad=True) for x in inputs.values()))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    assert set(case.covers) <= {node.name for output in outputs for node in walk(output.edge)}


def test_every_function_has_a_row():
    ours = {name for name, function in FUNCTIONS.items() if function.__module__.startswith("minivit.")}
    covered = {name for case in CASES.values() for name in case.covers}
    assert ours - covered == set(), "write a row for these in minivit/gradcheck/cases.py"


@pytest.mark.parametrize("case", EVERY_ROW)
def test_the_row_has_three_shapes_with_axes_of_size_1(case):
    assert len(case.shapes) >= 3
    assert any(1 in shape for shape in case.shapes)


def test_the_option_prints_both_values_and_the_error_of_each_form(run_pytest):
    text = run_pytest("tests/test_gradients.py", "-k", "derivative and layernorm-array-2x3x5", "--show-gradients")
    for expected in ("gamma", "analytic", "numeric", "composed in float32", "array in float32", "dbeta"):
        assert expected in text
