"""One step of AdamW.

    m = beta1 m + (1 - beta1) g            a running mean of the gradient g
    v = beta2 v + (1 - beta2) g^2          a running mean of its square, element by element

Both begin at 0, so after t steps they are too small by the factors 1 - beta1^t and 1 - beta2^t; divided by these they
are called mhat and vhat. Then, with all of it taken from the parameter p as it was before the step,

    p = p - lr mhat / (sqrt(vhat) + eps) - lr weight_decay p

Source: Kingma and Ba 2014, arXiv 1412.6980, algorithm 1; Loshchilov and Hutter 2017, arXiv 1711.05101, algorithm 2.
"""
import numpy as np


def adamw_step(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    """(p, m, v) after step number t = 1, 2, ..., as new arrays; p, g, m and v have one shape. The m and v that are
    returned are those that the next step is given."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g ** 2
    mhat = m / (1 - beta1 ** t)
    vhat = v / (1 - beta2 ** t)
    p = p - lr * mhat / (np.sqrt(vhat) + eps) - lr * weight_decay * p
    return p, m, v
