"""The gradient of softmax.

    y_i = exp(x_i) / sum_j exp(x_j)        along the last axis

Every y_i depends on every x_j of its row: dy_i/dx_j = y_i (delta_ij - y_j), where delta_ij is 1 for i = j, else 0. So a
gradient that arrives at one place of a row must leave at all of them.
"""
import numpy as np


def softmax_backward(dy, y):
    """dx, given the softmax y (..., n) of x and the gradient dy (..., n) that arrives at y."""
    return y * (dy - np.sum(dy * y, axis=-1, keepdims=True))
