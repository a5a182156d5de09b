"""Clipping: gradients scaled down together, where their joint norm is too large.

- `clip_grad_norm(parameters, max_norm)`: at once, in place
- `clip_factor(parameters, max_norm)`: only by how much, for an optimizer that multiplies on the way

On a GPU the norm stays there, as an array of one number, so that the host need not wait for it. A norm that is not
finite then raises no error: it makes the factor nan, with which an optimizer changes nothing.

Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", arXiv 1211.5063, algorithm 1.
"""
import math

import numpy as np

from minivit.backend import on, xp_of


def clip_grad_norm(parameters, max_norm):
    """Scale all gradients down so that their joint norm is at most max_norm; returns the norm before that.

    Raises FloatingPointError, and changes nothing, where a gradient is not finite; on a GPU all become nan instead.
    """
    parameters = list(parameters)
    norm, factor = clip_factor(parameters, max_norm)
    if not isinstance(factor, float) or factor != 1.0:
        with on(factor):
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad *= factor
    return norm


def clip_factor(parameters, max_norm):
    """(norm, factor): the joint norm of all gradients, and the factor that makes it at most max_norm.

    parameters: Parameters, or anything with a `grad`. Norm and factor are numbers, or on a GPU arrays of one number.
    Raises FloatingPointError where a gradient is not finite; on a GPU the factor is nan instead.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be > 0, not {max_norm}")
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if xp_of(*gradients) is not np:
        with on(*gradients):
            return _on_device(gradients, max_norm)
    squares = [float(np.vdot(gradient, gradient)) for gradient in gradients]
    if not math.isfinite(sum(squares)):             # perhaps only float32's squares overflowed
        squares = [float(np.square(gradient, dtype=np.float64).sum()) for gradient in gradients]
    norm = math.sqrt(sum(squares))
    check_norm(norm)
    return norm, max_norm / (norm + 1e-6) if norm > max_norm else 1.0


def _on_device(gradients, max_norm):
    xp, dtype = xp_of(*gradients), gradients[0].dtype
    norm = xp.sqrt(sum(xp.square(gradient, dtype=np.float64).sum() for gradient in gradients))
    factor = xp.where(norm > max_norm, max_norm / (norm + 1e-6), 1.0)
    return norm, xp.where(xp.isfinite(norm), factor, math.nan).astype(dtype)


def check_norm(norm):
    """Raise FloatingPointError where the norm of a gradient, a number, is not finite."""
    if not math.isfinite(norm):
        raise FloatingPointError(f"the norm of the gradient is {norm}: lower the learning rate, or look for the "
                                 f"operation whose gradient overflows")
