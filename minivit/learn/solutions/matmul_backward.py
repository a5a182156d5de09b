"""The gradient of a matrix product whose right side is shared.

    y = a b        y[..., i, j] = sum_k a[..., i, k] b[k, j]

Shapes: a (..., n, k), b (k, m), y (..., n, m), where ... stands for any number of axes, or none: B images of n tokens,
say, all multiplied by one matrix of weights.
"""


def matmul_backward(dy, a, b):
    """(da, db), like a (..., n, k) and b (k, m), given the gradient dy (..., n, m) that arrives at y."""
    da = dy @ b.T
    db = a.reshape(-1, a.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])
    return da, db
