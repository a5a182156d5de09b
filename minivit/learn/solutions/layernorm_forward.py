"""Layer normalisation, forward.

    y = (x - mean) / sqrt(var + eps) * gamma + beta

Every token, a row of D numbers along the last axis, is normalised by itself: mean is the mean of its numbers, var the
mean of their squared distances from it. Then each of the D places gets its own learned scale gamma and offset beta.
The small eps keeps a token of equal numbers from dividing 0 by 0.
"""
import numpy as np


def layernorm_forward(x, gamma, beta, eps=1e-6):
    """y like x (..., D), given gamma and beta (D,)."""
    centred = x - np.mean(x, axis=-1, keepdims=True)
    var = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(var + eps) * gamma + beta
