"""Drop path, also called stochastic depth.

In training a whole branch of a residual block is left out for some images, at random, and made larger for the others:

    y_b = x_b / (1 - p)   if image b is kept, that is where uniform_b >= p        else y_b = 0

In evaluation nothing is dropped: y = x.

Shapes: x (B, ...), what the branch (attention or the MLP) returns, with any number of axes after the first; uniform
(B,), a random number for each image, 0 <= uniform < 1; p, the share that is dropped, 0 <= p < 1. y is like x.

Source: Huang et al. 2016, "Deep networks with stochastic depth", arXiv 1603.09382, with the factor in training.
"""
import numpy as np


def drop_path(x, uniform, p, training):
    """y, like x (B, ...), given uniform (B,), the share p that is dropped, and whether this is training."""
    if not training:
        return x
    keep = (uniform >= p).reshape((-1,) + (1,) * (x.ndim - 1))
    return np.where(keep, x / (1 - p), 0)
