"""Softmax: exponentials of a row, scaled to add up to 1.

    y_i = exp(x_i - m) / sum_j exp(x_j - m)        m = max_j x_j: it cancels, and keeps exp from overflowing
    log y_i = x_i - m - log sum_j exp(x_j - m)     log-softmax, without taking the log of a rounded y

Shapes: x (..., n) along `axis`, y like x.

Backward, from dy_i/dx_j = y_i (delta_ij - y_j):

    dx = y * (dy - sum_j dy_j y_j)                 softmax
    dx = dy - y * sum_j dy_j                       log-softmax

Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs". Lesson 3 derives
log-softmax, lesson 7 the backward of softmax; lesson 12 reads the three forms and writes a kernel.
"""
import math
from pathlib import Path

import numpy as np

from minivit.backend import xp_of
from minivit.cuda.kernels import Kernels
from minivit.function import Function
from minivit.ops.rows import VARIANTS, launch_rows
from minivit.tensor import Tensor, apply

KERNELS = Kernels(Path(__file__).with_suffix(".cu"), VARIANTS)


def composed(x, axis=-1):
    """The definition; autograd finds its gradient."""
    e = (x - x.max(axis, keepdims=True).detach()).exp()
    return e / e.sum(axis, keepdims=True)


def composed_log(x, axis=-1):
    """The definition of log-softmax."""
    shifted = x - x.max(axis, keepdims=True).detach()
    return shifted - shifted.exp().sum(axis, keepdims=True).log()


class Softmax(Function):
    """Softmax by hand: it saves its result."""

    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, axis=-1):
        y = x - x.max(axis=axis, keepdims=True)
        np.exp(y, out=y)
        y /= y.sum(axis=axis, keepdims=True)
        ctx.save(y)
        ctx.axis = axis
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved
        dx = dy * y
        row_sum = dx.sum(axis=ctx.axis, keepdims=True)
        dx -= y * row_sum
        return dx

    @staticmethod
    def forward_cuda(ctx, x, axis=-1):
        return _forward_cuda("softmax_forward", ctx, x, axis)

    @staticmethod
    def backward_cuda(ctx, dy):
        return _backward_cuda("softmax_backward", ctx, dy)


class LogSoftmax(Function):
    """Log-softmax by hand: it saves its result."""

    name = "log_softmax"
    composed = staticmethod(composed_log)

    @staticmethod
    def forward(ctx, x, axis=-1):
        y = x - x.max(axis=axis, keepdims=True)
        y -= np.log(np.exp(y).sum(axis=axis, keepdims=True))
        ctx.save(y)
        ctx.axis = axis
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved
        return dy - np.exp(y) * dy.sum(axis=ctx.axis, keepdims=True)

    @staticmethod
    def forward_cuda(ctx, x, axis=-1):
        return _forward_cuda("log_softmax_forward", ctx, x, axis)

    @staticmethod
    def backward_cuda(ctx, dy):
        return _backward_cuda("log_softmax_backward", ctx, dy)


def _forward_cuda(kernel, ctx, x, axis):
    xp = xp_of(x)
    x = xp.ascontiguousarray(x.swapaxes(axis, -1))                  # the kernels know rows only
    y = xp.empty_like(x)
    launch_rows(KERNELS, kernel, *_rows_of(x), (x, y, *_rows_of(x)))
    ctx.save(y)
    ctx.axis = axis
    return y.swapaxes(axis, -1)


def _backward_cuda(kernel, ctx, dy):
    y, = ctx.saved
    xp = xp_of(y)
    dy = xp.ascontiguousarray(dy.swapaxes(ctx.axis, -1))
    dx = xp.empty_like(y)
    launch_rows(KERNELS, kernel, *_rows_of(y), (dy, y, dx, *_rows_of(y)))
    return dx.swapaxes(ctx.axis, -1)


def _rows_of(x):
    return math.prod(x.shape[:-1]), x.shape[-1]


def softmax(x, axis=-1):
    """Softmax of a Tensor along `axis`: non-negative, adds up to 1. Shape and dtype of x."""
    return apply(Softmax, _with_axis(x, axis, "softmax"), axis=axis)


def log_softmax(x, axis=-1):
    """The logarithm of softmax along `axis`. Shape and dtype of x."""
    return apply(LogSoftmax, _with_axis(x, axis, "log_softmax"), axis=axis)


def _with_axis(x, axis, name):
    if not isinstance(x, Tensor) or x.dtype.kind != "f":
        raise TypeError(f"{name} needs a floating-point Tensor, not {getattr(x, 'dtype', type(x).__name__)}")
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{name} along axis {axis} of a tensor of shape {x.shape}, which has {x.ndim} axes")
    return x
