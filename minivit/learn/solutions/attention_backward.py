"""The gradient of scaled dot-product attention.

    S = q k^T / sqrt(K)        P = softmax(S) over the keys        y = P v

Shapes: q (B, H, N, K), k and v (B, H, M, K), S and P (B, H, N, M), y (B, H, N, K). N queries look at M keys, and the
last two axes are those of the matrices; B and H only say how many there are.

Walk back from y, one step at a time: first through the product P v, then through softmax, then through q k^T / sqrt(K).
"""
import math

import numpy as np


def attention_backward(dy, q, k, v, P):
    """dq, dk and dv, given the gradient dy (B, H, N, K) of y; P (B, H, N, M) are the weights of the forward pass."""
    scale = 1 / math.sqrt(q.shape[-1])
    dv = P.swapaxes(-1, -2) @ dy
    dP = dy @ v.swapaxes(-1, -2)
    dS = P * (dP - np.sum(dP * P, axis=-1, keepdims=True))
    dq = dS @ k * scale
    dk = dS.swapaxes(-1, -2) @ q * scale
    return dq, dk, dv
