"""The gradient of splitting into heads.

One linear layer makes queries, keys and values for all heads at once: qkv (B, N, 3 * D), a row of 3 * D numbers for
each token. Of the D = H * K numbers of its query, head h has those from h * K to (h + 1) * K:

    q[b, h, n, i] = qkv[b, n,         h * K + i]
    k[b, h, n, i] = qkv[b, n,     D + h * K + i]
    v[b, h, n, i] = qkv[b, n, 2 * D + h * K + i]

Nothing is computed, numbers only change places. So a gradient goes back to the place that its number came from.
"""
import numpy as np


def split_heads_backward(dq, dk, dv):
    """dqkv (B, N, 3 * H * K), given the gradients dq, dk and dv (B, H, N, K) of queries, keys and values."""
    B, H, N, K = dq.shape
    merged = [part.transpose(0, 2, 1, 3).reshape(B, N, H * K) for part in (dq, dk, dv)]
    return np.concatenate(merged, axis=-1)
