"""The logarithm of softmax, along the last axis.

    y_i = log( exp(x_i) / sum_j exp(x_j) )

Shapes: x (..., n), y like x. The numbers of x may be large: exp overflows beyond 88 in float32 (beyond 709 in
float64), and a probability below 1e-45 (1e-324) is rounded to 0, whose logarithm is -inf. y must be exact all the same:
y of (0, 1000) is (-1000, 0).
"""
import numpy as np


def log_softmax(x):
    """log softmax of each row x (..., n): an array like x, finite wherever x is."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
