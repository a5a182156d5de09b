"""GELU: x times the probability that a standard normal number is smaller than x.

    y = x Phi(x)        Phi(x) = (1 + erf(x / sqrt(2))) / 2                                        "none"
    y = x (1 + tanh(u)) / 2        u = sqrt(2 / pi) (x + 0.044715 x^3)                             "tanh"

Shapes: any x, y like x. The two differ by up to 4.73e-4 (at |x| = 2.70).

Backward, with phi(x) = exp(-x^2 / 2) / sqrt(2 pi), the derivative of Phi:

    dx = dy (Phi(x) + x phi(x))                                                                    "none"
    dx = dy ((1 + tanh u) / 2 + x (1 - tanh(u)^2) / 2 * sqrt(2 / pi) (1 + 3 * 0.044715 x^2))       "tanh"

Source: Hendrycks and Gimpel 2016, "Gaussian error linear units", arXiv 1606.08415, section 2. Lesson 8 derives both.
"""
import math

import numpy as np

from minivit.function import Function
from minivit.primitives.erf import erf
from minivit.tensor import apply

CUBIC = 0.044715
SLOPE = math.sqrt(2 / math.pi)
APPROXIMATIONS = ("none", "tanh")

# erfc(z) = (A1 t + ... + A5 t^5) exp(-z^2) with t = 1 / (1 + T z), for z >= 0, to 1.5e-7: Abramowitz and Stegun 1964,
# equation 7.1.26.
T = 0.3275911
A = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)     # A5 ... A1
SCALE = T * math.sqrt(0.5)                      # t = 1 / (1 + SCALE |x|)
SCALED = [-0.5 * a / SCALE ** (5 - k) for k, a in enumerate(A)]      # coefficients of -q in powers of SCALE * t
SIGN = np.uint32(1 << 31)
BLOCK = 1 << 17         # elements at a time: few enough that temporaries stay near, enough that calls cost nothing


def composed(x, approximate="none"):
    """The definition; autograd finds its gradient."""
    if approximate == "tanh":
        return 0.5 * x * (1 + (SLOPE * (x + CUBIC * x ** 3)).tanh())
    return 0.5 * x * (1 + (x * math.sqrt(0.5)).erf())


class GELU(Function):
    """GELU by hand: it saves its slope."""

    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, approximate="none"):
        flat = x.reshape(-1)
        y = np.empty_like(flat)
        slope = np.empty_like(flat) if ctx.recording else None      # dy/dx: it shares most of its work with y
        value_and_slope = _tanh if approximate == "tanh" else _exact if x.dtype == np.float64 else _exact_float32
        for start in range(0, flat.size, BLOCK):
            block = slice(start, start + BLOCK)
            value_and_slope(flat[block], y[block], None if slope is None else slope[block])
        if ctx.recording:
            ctx.save(slope)
        return y.reshape(x.shape)

    @staticmethod
    def backward(ctx, dy):
        slope, = ctx.saved
        return dy * slope.reshape(dy.shape)


def _exact(x, y, slope):
    """y = x Phi(x) and slope = Phi(x) + x phi(x), into arrays that are there."""
    cdf = 0.5 * (1 + erf(x * math.sqrt(0.5)))
    np.multiply(x, cdf, out=y)
    if slope is not None:
        np.add(cdf, x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi), out=slope)


def _exact_float32(x, y, slope):
    """The same to 5e-7, in as few passes over the block as we found: with a = |x| and the tail q = 1 - Phi(a),

        Phi(x) = 1/2 + sign(x) (1/2 - q)
    """
    t = np.abs(x)
    t += 1 / SCALE
    np.reciprocal(t, out=t)                     # t * SCALE
    q = t * SCALED[0]
    for coefficient in SCALED[1:]:
        q += coefficient
        q *= t
    e = np.square(x, out=t)
    e *= -0.5
    np.exp(e, out=e)                            # exp(-z^2) of the formula, z = a / sqrt(2)
    q *= e                                      # -q from here on
    q += 0.5
    bits = q.view(np.uint32)
    bits ^= x.view(np.uint32) & SIGN            # times sign(x): much faster than copysign
    q += 0.5                                    # Phi(x)
    np.multiply(x, q, out=y)
    if slope is not None:
        np.multiply(x, e, out=slope)
        slope *= 1 / math.sqrt(2 * math.pi)
        slope += q


def _tanh(x, y, slope):
    square = x * x
    tanh = np.tanh(SLOPE * x * (1 + CUBIC * square))
    half = 0.5 * (1 + tanh)
    np.multiply(x, half, out=y)
    if slope is not None:
        np.add(half, 0.5 * x * (1 - tanh * tanh) * SLOPE * (1 + 3 * CUBIC * square), out=slope)


def gelu(x, approximate="none"):
    """GELU of a Tensor, element by element: approximate is "none" (exact, by erf) or "tanh"."""
    if approximate not in APPROXIMATIONS:
        raise ValueError(f"approximate must be one of {APPROXIMATIONS}, not {approximate!r}")
    return apply(GELU, x, approximate=approximate)
