"""Clipping gradients by their joint norm.

    norm = sqrt(sum of the squares of all numbers of all gradients)
    g <- g max_norm / norm    for every gradient g, where norm is larger than max_norm

All gradients of a model are one long vector, cut into arrays. If that is too long it is made shorter; its direction
stays. One that is short enough stays as it is, bit for bit. All gradients may be 0.

Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", arXiv 1211.5063, algorithm 1.
"""
import math

import numpy as np


def clip_grad_norm(gradients, max_norm):
    """Change the arrays of the list `gradients` in place; return their joint norm before that, a number."""
    norm = math.sqrt(sum(np.sum(g * g) for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return norm
