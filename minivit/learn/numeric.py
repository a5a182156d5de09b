"""Gradients by finite differences, for exercises about gradients: slow, and sure.

    sum(dy * (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h)))) / 12h        one element of x at a time, float64

The four points, and the step h, are those of `gradcheck`.
"""
import numpy as np

from minivit.gradcheck.check import STEP


def numeric_gradient(f, x, dy):
    """The gradient, like x, of sum(f(x) * dy) by x. f: array -> array like dy; it must be smooth around x."""
    x = np.array(x, np.float64)
    dx = np.empty_like(x)
    for index in np.ndindex(x.shape):
        centre, values = x[index], []
        for steps in (1, -1, 2, -2):
            x[index] = centre + steps * STEP
            values.append(np.array(f(x), np.float64))       # a copy: f may return x itself, which changes
        x[index] = centre
        slope = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * STEP)
        dx[index] = np.sum(slope * dy)
    return dx
