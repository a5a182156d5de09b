"""Checks of gelu_backward."""
import math

import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.gelu_backward import gelu_backward
from minivit.modes import using
from minivit.ops.gelu import GELU
from minivit.primitives.erf import erf
from minivit.tensor import Tensor


def oracle(dy, x):
    """Autograd's, through the definition."""
    x = Tensor(x, requires_grad=True)
    with using("composed"):
        ops.gelu(x).backward(dy)
    return x.grad


def numeric(dy, x):
    """With the erf of Python's own library."""
    def gelu(x):
        return x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2
    return numeric_gradient(gelu, x, dy)


def cases(rng):
    return [("x".join(map(str, shape)), (rng.standard_normal(shape), 1.5 * rng.standard_normal(shape)))
            for shape in ((3, 5), (2, 1, 7), (4,))]


def extreme(rng):
    return [("x up to 1e4", (np.ones(8, np.float32), np.float32([-1e4, -100, -10, -0.0, 1e-30, 10, 100, 1e4])))]


def far_out(function, rng):
    slope = function(np.ones(2), np.array([-30.0, 30.0]))
    if np.abs(slope - [0, 1]).max() > 1e-9:
        return (f"far to the left GELU is 0, far to the right it is x, so its slope is 0 at -30 and 1 at 30; yours is "
                f"{slope[0]:.3g} and {slope[1]:.3g}")


def cdf(x, inner=math.sqrt(0.5)):
    return 0.5 * (1.0 + erf(x * inner))


def density(x):
    return np.exp(-0.5 * x ** 2) * (1 / math.sqrt(2 * math.pi))


def number_by_number(dy, x):
    """A correct answer with Python's own numbers."""
    dx = np.empty_like(x)
    for i, value in enumerate(x.ravel().tolist()):
        slope = 0.5 * math.erfc(-value / 2 ** 0.5) + value * math.exp(-value * value / 2) / (2 * math.pi) ** 0.5
        dx.ravel()[i] = dy.ravel()[i] * slope
    return dx


def tanh_form(dy, x):
    slope, cubic = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(slope * (x + cubic * x ** 3))
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope * (1 + 3 * cubic * x * x))


def sigmoid_form(dy, x):
    s = 1 / (1 + np.exp(-1.702 * x))
    return dy * (s + 1.702 * x * s * (1 - s))


def kernels(function):
    """GELU with the learner's backward; the tanh form, which the exercise leaves out, is minivit's."""
    def forward(ctx, x, approximate="none"):
        y = GELU.forward(ctx, x, approximate)
        ctx.exact = approximate == "none"
        if ctx.exact:
            ctx.save(x)
        return y

    def backward(ctx, dy):
        return function(dy, *ctx.saved) if ctx.exact else GELU.backward(ctx, dy)
    return {"gelu": (forward, backward)}


EXERCISE = Exercise(
    slug="gelu_backward", lesson=8, minutes=10, difficulty=1,
    task="Write the gradient of the exact GELU.",
    solution=gelu_backward, oracle=oracle, cases=cases, outputs=("dx",), numeric=numeric, extreme=extreme,
    properties=(Property("slope far from 0", far_out),), kernels=kernels,
    wrong=(
        Wrong("no-density-term", lambda dy, x: dy * cdf(x), "the term x * phi(x) is missing: x stands in x * Phi(x) "
              "twice, so the product rule gives two terms.", specific=True),
        Wrong("density-alone", lambda dy, x: dy * x * density(x), "the term Phi(x) is missing: x stands in x * Phi(x) "
              "twice, so the product rule gives two terms.", specific=True),
        Wrong("density-without-x", lambda dy, x: dy * (cdf(x) + density(x)), "the density lacks its factor x: the "
              "derivative of x * Phi(x) is Phi(x) + x * phi(x).", specific=True),
        Wrong("density-not-scaled", lambda dy, x: dy * (cdf(x) + x * np.exp(-0.5 * x * x)), "phi lacks its factor "
              "1 / sqrt(2 pi).", specific=True),
        Wrong("no-half-in-the-exponent", lambda dy, x: dy * (cdf(x) + x * np.exp(-x * x) / math.sqrt(2 * math.pi)),
              "the exponent of phi is -x^2 / 2, not -x^2.", specific=True),
        Wrong("erf-of-x", lambda dy, x: dy * (cdf(x, 1.0) + x * density(x)), "erf was taken of x: in Phi it is of "
              "x / sqrt(2).", specific=True),
        Wrong("sign", lambda dy, x: dy * (cdf(x) - x * density(x)), "the second term has the wrong sign: Phi grows, so "
              "its derivative phi is positive, and is added: Phi + x * phi."),
        Wrong("tanh-form", tanh_form, "this is the gradient of the tanh approximation. It is close, and right for "
              "models trained with it (Google's); the exact GELU has erf.", specific=True),
        Wrong("sigmoid-form", sigmoid_form, "this is the gradient of x * sigmoid(1.702 x), a coarser approximation "
              "than tanh; the exact GELU has erf.", specific=True),
        Wrong("forward", lambda dy, x: dy * x * cdf(x), "this is dy times y itself, x * Phi: what is wanted is dy "
              "times the derivative of y by x, by the product rule Phi + x * phi.")),
    correct=(
        number_by_number,
        lambda dy, x: dy * cdf(x) + dy * x * density(x)),
    hints=(
        "y is a product of two functions of x. What is the derivative of a product?",
        "dy/dx = Phi(x) + x phi(x), and Phi and phi are given above.",
        "Phi = (1 + erf(...)) / 2 with x over the root of 2 inside; phi = np.exp(...) / math.sqrt(2 * math.pi); "
        "dx = dy times their combination."),
    why="The slope is 1/2 at 0, grows a little beyond 1 (1.129 at x = 1.41) and falls back to 1; to the left it is "
        "slightly negative below x = -0.75. minivit's kernel computes it in the forward pass, where Phi is at hand, "
        "and keeps only this slope: backward is then a single product.")
