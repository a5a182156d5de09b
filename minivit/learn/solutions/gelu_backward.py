"""The gradient of the exact GELU.

    y = x Phi(x)        Phi(x) = (1 + erf(x / sqrt(2))) / 2

Phi is the distribution function of the standard normal distribution; its derivative is the density

    phi(x) = exp(-x^2 / 2) / sqrt(2 pi)

x stands in y twice. NumPy has no erf; minivit's works on arrays.
"""
import math

import numpy as np

from minivit.primitives.erf import erf


def gelu_backward(dy, x):
    """dx, given x and the gradient dy of y, all of one shape."""
    Phi = (1 + erf(x / math.sqrt(2))) / 2
    phi = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return dy * (Phi + x * phi)
