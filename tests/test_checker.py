"""The gradient checker itself: it must fail on every wrong backward, or its passes mean nothing.

Each wrong backward is laid over the true one by `using("array", {name: (forward, backward)})`. Each is a mistake that
people make, and most keep every shape and dtype right, so nothing but the numbers can tell.
"""
from dataclasses import dataclass

import numpy as np
import pytest

from minivit import Tensor, ops, using
from minivit.function import FUNCTIONS
from minivit.gradcheck import CASES, gradcheck
from minivit.streams import stream


@dataclass(frozen=True)
class Wrong:
    """backward(ctx, *dy), to be laid over `name` in the case `row` at `shape`. Square shapes hide transposed results
    from the check of shapes. `row` may also be (function, inputs)."""

    name: str
    row: object
    shape: tuple
    backward: object

    def function_and_inputs(self):
        return CASES[self.row].make(stream(0), self.shape) if isinstance(self.row, str) else self.row

    def overlay(self):
        return {self.name: (FUNCTIONS[self.name].forward, self.backward)}


WRONG = {}


def wrong(mistake, row, shape, name=None):
    """Enter the decorated backward into the table as `mistake`."""
    def enter(backward):
        WRONG[mistake] = Wrong(name or row.partition(":")[0], row, shape, backward)
        return backward
    return enter


def true(name, ctx, *dy):
    """What the true backward of `name` returns."""
    return FUNCTIONS[name].backward(ctx, *dy)


TOKENS, SQUARE_TOKENS, SQUARE_HEADS = (2, 3, 5), (2, 2, 4), (2, 2, 4, 4)

wrong("softmax zeroed", "softmax", TOKENS)(lambda ctx, dy: 0 * dy)
wrong("softmax with the other sign", "softmax", TOKENS)(lambda ctx, dy: -true("softmax", ctx, dy))
wrong("softmax times 2", "softmax", TOKENS)(lambda ctx, dy: 2 * true("softmax", ctx, dy))
wrong("softmax times 1.00001", "softmax", TOKENS)(lambda ctx, dy: 1.00001 * true("softmax", ctx, dy))
wrong("softmax without the row sum", "softmax", TOKENS)(lambda ctx, dy: dy * ctx.saved[0])
wrong("log_softmax without the row sum", "log_softmax", TOKENS)(lambda ctx, dy: dy)


@wrong("softmax with the sum over the wrong axis", "softmax", TOKENS)
def softmax_sum_over_wrong_axis(ctx, dy):
    y, = ctx.saved
    return y * (dy - (dy * y).sum(axis=0, keepdims=True))


def layernorm_wrong(first_mean=1, second_mean=1, rstd_power=1, dgamma=lambda dy, xhat: (dy * xhat).sum(axis=0)):
    """Layer norm's backward in the open, with a factor to break each term."""
    def backward(ctx, dy):
        xhat, rstd, gamma = ctx.saved
        shape, dy = dy.shape, dy.reshape(xhat.shape)
        dxhat = dy * gamma
        along_xhat = (dxhat * xhat).mean(axis=1, keepdims=True)
        dx = dxhat - first_mean * dxhat.mean(axis=1, keepdims=True) - second_mean * xhat * along_xhat
        return (dx * rstd ** rstd_power).reshape(shape), dgamma(dy, xhat), dy.sum(axis=0)
    return backward


wrong("layernorm without the first mean", "layernorm", TOKENS)(layernorm_wrong(first_mean=0))
wrong("layernorm without the second mean", "layernorm", TOKENS)(layernorm_wrong(second_mean=0))
wrong("layernorm without rstd", "layernorm", TOKENS)(layernorm_wrong(rstd_power=0))
wrong("layernorm: dgamma without xhat", "layernorm", TOKENS)(layernorm_wrong(dgamma=lambda dy, xhat: dy.sum(axis=0)))
wrong("layernorm: dgamma summed over the wrong axis", "layernorm", SQUARE_TOKENS)(
    layernorm_wrong(dgamma=lambda dy, xhat: (dy * xhat).sum(axis=1)))


def attention_wrong(dq=1, dk=1, row_sum=1, transpose=True, dropped=True):
    """Attention's backward in the open, with a switch to break each term."""
    def backward(ctx, dy):
        q, k, v, weights, kept, y = ctx.saved
        kept = 1 if kept is None or not dropped else kept
        dropped_weights = weights * kept
        dv = (dropped_weights.swapaxes(-1, -2) if transpose else dropped_weights) @ dy
        dP = dy @ v.swapaxes(-1, -2) * kept
        dS = weights * (dP - row_sum * (dy * y).sum(axis=-1, keepdims=True)) * ctx.scale
        return dS @ k * dq, dS.swapaxes(-1, -2) @ q * dk, dv
    return backward


wrong("attention: dq without 1 / sqrt(K)", "attention", SQUARE_HEADS)(attention_wrong(dq=2))          # sqrt(K) = 2
wrong("attention: dk without 1 / sqrt(K)", "attention", SQUARE_HEADS)(attention_wrong(dk=2))
wrong("attention without the row sum", "attention", SQUARE_HEADS)(attention_wrong(row_sum=0))
wrong("attention: dv with weights not transposed", "attention", SQUARE_HEADS)(attention_wrong(transpose=False))
wrong("attention without its dropout mask", "attention:dropout", SQUARE_HEADS)(attention_wrong(dropped=False))


@wrong("attention: dq and dk exchanged", "attention", SQUARE_HEADS)
def attention_exchanged(ctx, dy):
    dq, dk, dv = true("attention", ctx, dy)
    return dk, dq, dv


wrong("cross_entropy without 1 / B", "cross_entropy", (3, 5))(
    lambda ctx, dy: (3 * true("cross_entropy", ctx, dy)[0], None))
wrong("cross_entropy without the targets", "cross_entropy", (3, 5))(
    lambda ctx, dy: (dy * np.exp(ctx.saved[0]) / ctx.images, None))
wrong("dropout without its mask", "dropout", TOKENS)(lambda ctx, dy: dy)
wrong("dropout without 1 / (1 - p)", "dropout", TOKENS)(lambda ctx, dy: dy * (ctx.saved[0] > 0))
wrong("erf without 2 / sqrt(pi)", "erf", (2, 3))(lambda ctx, dy: dy * np.exp(-ctx.saved[0] ** 2))
wrong("pow without its factor", "pow", (2, 3))(lambda ctx, dy: dy * ctx.saved[0] ** (ctx.p - 1))
wrong("add takes the first row where it should add up all", "add", (2, 3))(
    lambda ctx, dy: (dy, dy if ctx.shapes[1] == dy.shape else dy[:1]))
wrong("no gradient for one input", "mul", (2, 3))(lambda ctx, dy: (dy * ctx.saved[1], None))
wrong("matmul: da transposed", "matmul", (3, 3, 3))(lambda ctx, dy: (ctx.saved[1] @ dy.T, ctx.saved[0].T @ dy))
wrong("matmul: db with a not transposed", "matmul", (3, 3, 3))(lambda ctx, dy: (dy @ ctx.saved[1].T, ctx.saved[0] @ dy))
wrong("linear: mean instead of sum in dbias", "linear", TOKENS)(
    lambda ctx, dy: true("linear", ctx, dy)[:2] + (dy.mean(axis=(0, 1)),))
wrong("getitem overwrites where it should add", "getitem:repeated", (2, 3))(
    lambda ctx, dy: _assigned(np.zeros(ctx.shape), ctx.index, dy))
wrong("unbind with two slices exchanged", "unbind", (2, 3))(lambda ctx, a, b, c: true("unbind", ctx, b, a, c))
wrong("patches scattered one pixel too far", "extract_patches", (2, 2, 6, 5))(
    lambda ctx, dy: np.roll(true("extract_patches", ctx, dy), 1, axis=-1))

CUBE = {"x": np.random.default_rng(0).standard_normal((3, 3, 3))}
TIE = {"x": np.array([[1.0, 1.0, 0.0], [0.5, 2.0, 2.0]])}
wrong("transpose by the permutation, not its inverse", (lambda x: x.transpose(1, 2, 0), CUBE), None, "transpose")(
    lambda ctx, dy: dy.transpose(ctx.axes))
wrong("max: every tie gets the whole gradient", (lambda x: x.max(axis=1, keepdims=True), TIE), None, "max")(
    lambda ctx, dy: (ctx.saved[0] == ctx.saved[1]) * dy)


@wrong("gelu: the derivative of the tanh approximation", "gelu", TOKENS)
def gelu_tanh_derivative(ctx, dy):
    x = CASES["gelu"].make(stream(0), TOKENS)[1]["x"]
    t = Tensor(x, requires_grad=True)
    with using("composed"):
        ops.gelu(t, approximate="tanh").backward(dy)
    return t.grad


def _assigned(dx, index, dy):
    dx[index] = dy
    return dx


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_backward_is_caught(mistake):
    planted = WRONG[mistake]
    function, inputs = planted.function_and_inputs()
    with using("array"):
        assert gradcheck(function, inputs), "the true backward passes"
    with using("array", planted.overlay()):
        assert not gradcheck(function, inputs)


def test_the_backwards_written_out_here_are_right_when_nothing_is_broken():
    for name, backward in (("layernorm", layernorm_wrong()), ("attention", attention_wrong())):
        for row in (row for row in CASES.values() if row.name.partition(":")[0] == name):
            with using("array", {name: (FUNCTIONS[name].forward, backward)}):
                gradcheck(*row.make(stream(0), row.shapes[0])).check()


def test_a_missing_unbroadcast_is_named_by_the_tape():
    function, inputs = CASES["add"].make(stream(0), (2, 3))
    forward = FUNCTIONS["add"].forward
    with using("array", {"add": (forward, lambda ctx, dy: (dy, dy))}):
        with pytest.raises(TypeError, match=r"backward of add returned float64 \(2, 3\) as the gradient of input 1, "
                                            r"which is float64 \(1, 3\)"):
            gradcheck(function, inputs)


def test_why_the_output_gradient_is_random():
    """The sum of a softmax's outputs never changes. Checked by that sum, a backward of zeros looks right."""
    x = Tensor(np.random.default_rng(0).standard_normal((3, 5)), requires_grad=True)
    with using("array", {"softmax": (FUNCTIONS["softmax"].forward, lambda ctx, dy: 0 * dy)}):
        ops.softmax(x).sum().backward()
        nudged = x.data.copy()
        nudged[1, 2] += 1e-3
        numeric = (ops.softmax(Tensor(nudged)).data.sum() - ops.softmax(x).data.sum()) / 1e-3
        assert abs(x.grad[1, 2] - numeric) < 1e-9                   # blind
        assert not gradcheck(ops.softmax, {"x": x.data})            # not blind


def layernorm_with_one_wrong_number(index):
    """(overlay, inputs) of a layer norm whose dgamma is twice too large at one index."""
    def backward(ctx, dy):
        dx, dgamma, dbeta = true("layernorm", ctx, dy)
        dgamma[index] *= 2
        return dx, dgamma, dbeta
    return {"layernorm": (FUNCTIONS["layernorm"].forward, backward)}, CASES["layernorm"].make(stream(0), (3, 2, 33))[1]


def test_the_report_names_the_input_the_place_and_the_two_values():
    overlay, inputs = layernorm_with_one_wrong_number(7)
    with using("array", overlay):
        report = gradcheck(ops.layernorm, inputs)
    worst = report.worst
    assert (worst.name, worst.index, worst.checked) == ("gamma", (7,), 33)
    assert worst.analytic == pytest.approx(2 * worst.numeric)
    assert worst.error == pytest.approx(0.5)
    assert [bool(i.error < 1e-6) for i in report.inputs] == [True, False, True]
    with pytest.raises(AssertionError, match=r"the gradient of gamma is wrong[\s\S]*gamma .* at \[7\]: analytic"):
        report.check()


def test_a_random_direction_finds_what_random_elements_miss():
    for index in range(5):
        overlay, inputs = layernorm_with_one_wrong_number(index)
        with using("array", overlay):
            report = gradcheck(ops.layernorm, inputs, elements=2)
        assert not report and report.worst.name == "gamma"
        assert {i.checked for i in report.inputs} == {3}            # 2 elements and the direction


def test_a_gradient_of_nan_is_infinitely_wrong():
    with using("array", {"exp": (FUNCTIONS["exp"].forward, lambda ctx, dy: dy * np.nan)}):
        report = gradcheck(lambda x: x.exp(), [np.ones(2)])
    assert not report and report.worst.error == np.inf


def test_outputs_of_several_tensors_are_all_checked():
    def right_and_wrong(x):
        return x * 2.0, x.exp()
    assert gradcheck(right_and_wrong, [np.ones((2, 3))])
    with using("array", {"exp": (FUNCTIONS["exp"].forward, lambda ctx, dy: dy)}):
        assert not gradcheck(right_and_wrong, [np.ones((2, 3))])


def test_inputs_are_left_as_they_were():
    x = np.arange(6.0).reshape(2, 3)
    gradcheck(lambda x: x.exp(), [x])
    assert np.array_equal(x, np.arange(6.0).reshape(2, 3))


def test_float32_inputs_are_refused():
    with pytest.raises(TypeError, match="gradcheck needs float64 inputs, and x is float32"):
        gradcheck(lambda x: x.exp(), {"x": np.ones(2, np.float32)})


@pytest.mark.parametrize("name", ["add", "mul", "sum"])
def test_a_wrong_sign_in_what_a_loss_is_made_of_is_caught(name):
    function, inputs = CASES[name].make(stream(0), (2, 3))
    flipped = (FUNCTIONS[name].forward, lambda ctx, dy: _negative(true(name, ctx, dy)))
    with using("array", {name: flipped}):
        assert not gradcheck(function, inputs)


def _negative(gradients):
    if isinstance(gradients, tuple):
        return tuple(None if gradient is None else -gradient for gradient in gradients)
    return -gradients


def test_a_gradient_that_is_0_in_truth_passes():
    """A number added to every key shifts each row of scores by a constant, which softmax ignores."""
    rng = np.random.default_rng(0)
    inputs = {name: rng.standard_normal((2, 2, 3, 4)) for name in "qkv"} | {"bias": rng.standard_normal(4)}
    gradcheck(lambda q, k, v, bias: ops.attention(q, k + bias, v), inputs).check()
