"""The gradient of layer normalisation.

    xhat = (x - mean) * rstd        rstd = 1 / sqrt(var + eps)        y = xhat * gamma + beta

The mean and the variance of a token depend on each of its D numbers. So besides the direct way, dy * gamma * rstd,
there are two more from each x to y: by the mean, and by the variance. Each adds a mean over the token to dx.

gamma and beta are shared by all tokens, so their gradients gather from all of them.
"""
import numpy as np


def layernorm_backward(dy, xhat, rstd, gamma):
    """dx (..., D), dgamma (D,) and dbeta (D,), given dy and xhat (..., D), rstd (..., 1) and gamma (D,)."""
    dxhat = dy * gamma
    along_one = np.mean(dxhat, axis=-1, keepdims=True)
    along_xhat = np.mean(dxhat * xhat, axis=-1, keepdims=True)
    dx = rstd * (dxhat - along_one - xhat * along_xhat)
    tokens = tuple(range(dy.ndim - 1))
    dgamma = np.sum(dy * xhat, axis=tokens)
    dbeta = np.sum(dy, axis=tokens)
    return dx, dgamma, dbeta
