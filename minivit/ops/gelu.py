"""GELU: x times the probability that a standard normal number is smaller than x.

    y = x Phi(x)        Phi(x) = (1 + erf(x / sqrt(2))) / 2                                        "none"
    y = x (1 + tanh(u)) / 2        u = sqrt(2 / pi) (x + 0.044715 x^3)                             "tanh"

Shapes: any x, y like x. The two differ by up to 4.73e-4 (at |x| = 2.70).

Backward, with phi(x) = exp(-x^2 / 2) / sqrt(2 pi), the derivative of Phi:

    dx = dy (Phi(x) + x phi(x))                                                                    "none"
    dx = dy ((1 + tanh u) / 2 + x (1 - tanh(u)^2) / 2 * sqrt(2 / pi) (1 + 3 * 0.044715 x^2))       "tanh"

`bias_gelu` is GELU of x + b, x (..., n) and b (n,): dx as above at x + b, db the sum of dx over all rows.

Source: Hendrycks and Gimpel 2016, "Gaussian error linear units", arXiv 1606.08415, section 2. Lesson 8 derives
the exact one.
"""
import math
from pathlib import Path

import numpy as np

from minivit.backend import xp_of
from minivit.cuda.kernels import Kernels, ceil_div
from minivit.function import Function, sum_of_rows
from minivit.ops.rows import BLOCK, LONG, SLICES, column_sums
from minivit.primitives.erf import erf
from minivit.tensor import apply

KERNELS = Kernels(Path(__file__).with_suffix(".cu"), [LONG])
CUBIC = 0.044715
SLOPE = math.sqrt(2 / math.pi)
APPROXIMATIONS = ("none", "tanh")

# u(x) = artanh(erf(x / sqrt(2))) = x (ODD[0] + ODD[1] x^2 + ...): the exact GELU as the tanh form with more terms.
# Found by examples/fit_gelu.py; the error of x Phi(x) is at most 6.6e-8.
ODD = (7.97884268e-01, 3.63341492e-02, -3.30267430e-05, -5.52733742e-05, 3.97406903e-06, -1.33783092e-07,
       1.81392486e-09)


def composed(x, approximate="none"):
    """The definition; autograd finds its gradient."""
    if approximate == "tanh":
        return 0.5 * x * (1 + (SLOPE * (x + CUBIC * x ** 3)).tanh())
    return 0.5 * x * (1 + (x * math.sqrt(0.5)).erf())


def composed_with_bias(x, bias, approximate="none"):
    """The definition of GELU after a bias; autograd finds its gradients."""
    return composed(x + bias, approximate)


class GELU(Function):
    """GELU by hand: it saves its slope."""

    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, approximate="none"):
        y, slope = _value_and_slope(x, approximate, ctx.recording)
        ctx.save(slope)
        return y

    @staticmethod
    def backward(ctx, dy):
        slope, = ctx.saved
        return dy * slope.reshape(dy.shape)

    @staticmethod
    def forward_cuda(ctx, x, approximate="none"):
        xp = xp_of(x)
        x = xp.ascontiguousarray(x)
        y, ctx.exact = xp.empty_like(x), approximate == "none"
        KERNELS.launch("gelu_forward", ceil_div(x.size, 4 * BLOCK), BLOCK, (x, y, x.size, ctx.exact), constants=LONG)
        ctx.save(x)
        return y

    @staticmethod
    def backward_cuda(ctx, dy):
        x, = ctx.saved
        xp = xp_of(x)
        dy, dx = xp.ascontiguousarray(dy), xp.empty_like(x)
        KERNELS.launch("gelu_backward", ceil_div(x.size, 4 * BLOCK), BLOCK, (dy, x, dx, x.size, ctx.exact),
                       constants=LONG)
        return dx


class BiasGELU(Function):
    """GELU of x + bias by hand, bias (n,) added to every row of x (..., n): it saves its slope."""

    name = "bias_gelu"
    composed = staticmethod(composed_with_bias)

    @staticmethod
    def forward(ctx, x, bias, approximate="none"):
        y, slope = _value_and_slope(x + bias, approximate, ctx.recording)
        ctx.save(slope)
        return y

    @staticmethod
    def backward(ctx, dy):
        slope, = ctx.saved
        dx = dy * slope.reshape(dy.shape)
        return dx, sum_of_rows(dx.reshape(-1, dx.shape[-1]))

    @staticmethod
    def forward_cuda(ctx, x, bias, approximate="none"):
        xp, n = xp_of(x), len(bias)
        x, bias = xp.ascontiguousarray(x), xp.ascontiguousarray(bias)
        y, rows, ctx.exact = xp.empty_like(x), x.size // n, approximate == "none"
        KERNELS.launch("bias_gelu_forward", (ceil_div(n, 4 * BLOCK), min(rows, SLICES)), BLOCK,
                       (x, bias, y, rows, n, ctx.exact), constants=LONG)
        ctx.save(x, bias)
        return y

    @staticmethod
    def backward_cuda(ctx, dy):
        x, bias = ctx.saved
        xp, n = xp_of(x), len(bias)
        dy, dx, rows = xp.ascontiguousarray(dy), xp.empty_like(x), x.size // n
        partial = xp.empty((min(rows, SLICES), n), x.dtype)
        KERNELS.launch("bias_gelu_backward", (ceil_div(n, 4 * BLOCK), len(partial)), BLOCK,
                       (dy, x, bias, dx, partial, rows, n, ctx.exact), constants=LONG)
        return dx, column_sums(KERNELS, partial, LONG)


def _value_and_slope(x, approximate, recording):
    """GELU of x, and if recording its derivative as a flat array, else None: the two share most of their work."""
    function = _tanh if approximate == "tanh" else _exact if x.dtype == np.float64 else _exact_float32
    y, slope = function(x.reshape(-1), recording)
    return y.reshape(x.shape), slope


def _exact(x, recording):
    """x Phi(x), and if recording its derivative Phi(x) + x phi(x), else None."""
    cdf = 0.5 * (1 + erf(x * math.sqrt(0.5)))
    return x * cdf, cdf + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi) if recording else None


def _exact_float32(x, recording):
    """The same to 6e-7, in few passes over the array: Phi(x) = (1 + tanh(u(x))) / 2."""
    square = x * x
    cdf = square * ODD[-1]                      # becomes Phi(x), in place
    for coefficient in ODD[-2:0:-1]:
        cdf += coefficient
        cdf *= square
    cdf += ODD[0]
    cdf *= x
    np.tanh(cdf, out=cdf)
    cdf *= 0.5
    cdf += 0.5
    if not recording:
        cdf *= x
        return cdf, None
    y = x * cdf
    density = square                            # becomes x phi(x), in place
    density *= -0.5
    np.exp(density, out=density)
    density *= x
    density *= 1 / math.sqrt(2 * math.pi)
    cdf += density
    return y, cdf


def _tanh(x, recording):
    square = x * x
    tanh = np.tanh(SLOPE * x * (1 + CUBIC * square))
    half = 0.5 * (1 + tanh)
    slope = half + 0.5 * x * (1 - tanh * tanh) * SLOPE * (1 + 3 * CUBIC * square) if recording else None
    return x * half, slope


def gelu(x, approximate="none"):
    """GELU of a Tensor, element by element: approximate is "none" (exact, by erf) or "tanh"."""
    return apply(GELU, x, approximate=_known(approximate))


def bias_gelu(x, bias, approximate="none"):
    """gelu(x + bias) of x (..., n) and bias (n,), as one operation: on a GPU it reads and writes x once, not twice."""
    if x.ndim == 0 or bias.shape != x.shape[-1:]:
        raise ValueError(f"bias_gelu of x {x.shape} needs a bias as long as the last axis of x, not {bias.shape}")
    return apply(BiasGELU, x, bias, approximate=_known(approximate))


def _known(approximate):
    if approximate not in APPROXIMATIONS:
        raise ValueError(f"approximate must be one of {APPROXIMATIONS}, not {approximate!r}")
    return approximate
