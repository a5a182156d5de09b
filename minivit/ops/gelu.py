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
        value_and_slope = _tanh if approximate == "tanh" else _exact if x.dtype == np.float64 else _exact_float32
        y, slope = value_and_slope(x.reshape(-1), ctx.recording)        # dy/dx shares most of its work with y
        ctx.save(slope)
        return y.reshape(x.shape)

    @staticmethod
    def backward(ctx, dy):
        slope, = ctx.saved
        return dy * slope.reshape(dy.shape)


def _exact(x, recording):
    """x Phi(x), and if recording its derivative Phi(x) + x phi(x), else None."""
    cdf = 0.5 * (1 + erf(x * math.sqrt(0.5)))
    return x * cdf, cdf + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi) if recording else None


def _exact_float32(x, recording):
    """The same to 5e-7, in as few passes over the array as we found: with a = |x| and the tail q = 1 - Phi(a),

        Phi(x) = 1/2 + sign(x) (1/2 - q)
    """
    t = np.abs(x)
    t += 1 / SCALE
    np.reciprocal(t, out=t)                     # SCALE * t of the formula
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
    if not recording:
        q *= x
        return q, None
    y = x * q
    e *= x
    e *= 1 / math.sqrt(2 * math.pi)
    q += e
    return y, q


def _tanh(x, recording):
    square = x * x
    tanh = np.tanh(SLOPE * x * (1 + CUBIC * square))
    half = 0.5 * (1 + tanh)
    slope = half + 0.5 * x * (1 - tanh * tanh) * SLOPE * (1 + 3 * CUBIC * square) if recording else None
    return x * half, slope


def gelu(x, approximate="none"):
    """GELU of a Tensor, element by element: approximate is "none" (exact, by erf) or "tanh"."""
    if approximate not in APPROXIMATIONS:
        raise ValueError(f"approximate must be one of {APPROXIMATIONS}, not {approximate!r}")
    return apply(GELU, x, approximate=approximate)
