"""Gradients by finite differences, for exercises about gradients: slow, and sure. The formula is `gradcheck`'s."""
import numpy as np

from minivit.gradcheck.check import slope_along


def numeric_gradient(f, x, dy):
    """The gradient, like x, of sum(f(x) * dy) by x. f: array -> array like dy; it must be smooth around x."""
    x = np.array(x, np.float64)
    dx = np.empty_like(x)
    for index in np.ndindex(x.shape):
        direction = np.zeros_like(x)
        direction[index] = 1
        # a copy: f may return x itself, which changes
        dx[index] = np.sum(slope_along(x, direction, lambda: np.array(f(x), np.float64)) * dy)
    return dx
