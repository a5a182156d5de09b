"""The gradient of max pooling.

    y[b, c, gy, gx] = max over py, px < size of x[b, c, gy * stride + py, gx * stride + px]

Shapes: x and dx (B, C, Sy, Sx), dy (B, C, Gy, Gx); windows lie inside the image.

Only the largest pixel of a window moves its maximum, so it gets the gradient, and the others get 0. Where several
pixels are equally large, they share it in equal parts: none of them is better than the others, and together they get
what arrived. A pixel may be the largest of several windows, if windows overlap.
"""
import numpy as np


def maxpool_backward(dy, x, size, stride):
    """dx, given the gradient dy of y. size: rows and columns of a window; stride: pixels from window to window."""
    dx = np.zeros_like(x)
    for gy in range(dy.shape[2]):
        for gx in range(dy.shape[3]):
            top, left = gy * stride, gx * stride
            window = np.s_[:, :, top:top + size, left:left + size]
            largest = x[window] == x[window].max(axis=(2, 3), keepdims=True)
            share = dy[:, :, gy, gx] / largest.sum(axis=(2, 3))             # (B, C): for each of those that tie
            dx[window] += largest * share[:, :, None, None]
    return dx
