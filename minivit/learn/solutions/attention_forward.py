"""Scaled dot-product attention: each query takes a weighted mean of the values, by how well it matches their keys.

    S = q k^T / sqrt(K)        P = softmax(S) over the keys        y = P v

Shapes: q (..., N, K), k and v (..., M, K), S and P (..., N, M), y (..., N, K): N queries look at M keys. In front there
may be nothing, or axes of images and heads, (B, H); each of these is an attention of its own.

The numbers in S can be large. exp(1000) is infinite, but softmax does not change when a constant is subtracted from a
row.
"""
import math

import numpy as np


def attention_forward(q, k, v):
    """y, of the shape of q."""
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v
