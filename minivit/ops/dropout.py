"""Dropout and stochastic depth: parts of the signal set to 0 at random while training, the rest scaled up.

    y = x * keep / (1 - p)        keep is 1 with probability 1 - p, else 0; the mean of y is x

Dropout draws `keep` for every element, drop path (stochastic depth) once for each image, so that it drops a whole
residual branch. Shapes: x (B, ...), y like x.

Backward: dx = dy * keep / (1 - p).

Sources: Srivastava et al. 2014, "Dropout", JMLR 15; Huang et al. 2016, "Deep networks with stochastic depth",
arXiv 1603.09382. Lesson 10.
"""
import math
from pathlib import Path

import numpy as np

from minivit.backend import beside, xp_of
from minivit.cuda.kernels import Kernels, ceil_div
from minivit.function import Function
from minivit.streams import next_draw
from minivit.tensor import apply

KERNELS = Kernels(Path(__file__).with_suffix(".cu"))


def keep_mask(draw, shape, p, dtype):
    """The random factors keep / (1 - p), of `shape` (B, ...): the same for the same draw, in every form."""
    return (draw.uniform(shape) >= p).astype(dtype) * (1 / (1 - p))


def composed(x, p, draw, shape):
    """The definition; autograd finds its gradient."""
    return x * beside(keep_mask(draw, shape, p, x.dtype), x.data)


class Dropout(Function):
    """Dropout by hand: it saves its mask."""

    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, p, draw, shape):
        mask = keep_mask(draw, shape, p, x.dtype)
        ctx.save(mask)
        return x * mask

    @staticmethod
    def backward(ctx, dy):
        mask, = ctx.saved
        return dy * mask

    @staticmethod
    def forward_cuda(ctx, x, p, draw, shape):
        ctx.p, ctx.draw, ctx.shape = p, draw, shape
        return _dropped(x, p, draw, shape)

    @staticmethod
    def backward_cuda(ctx, dy):
        return _dropped(dy, ctx.p, ctx.draw, ctx.shape)                 # the same mask, drawn again


def _dropped(x, p, draw, shape):
    xp = xp_of(x)
    x = xp.ascontiguousarray(x)
    y, per_image = xp.empty_like(x), math.prod(x.shape[1:])
    KERNELS.launch("dropout" if shape == x.shape else "drop_path", len(x) * ceil_div(per_image, 1024), 128,
                   (x, y, per_image, p, 1 / (1 - p), *address(draw, math.prod(shape[1:]), x)))
    return y


def address(draw, per_image, x):
    """What a kernel draws the numbers of a mask from: seed, place, first block, and the step as an array beside x."""
    *first, step = draw.address(per_image)
    return *first, beside(np.array([step], np.uint64), x) if draw.counter is None else draw.counter


def check_probability(p, name):
    """Raise ValueError unless 0 <= p < 1."""
    if not 0 <= p < 1:
        raise ValueError(f"{name} needs a probability 0 <= p < 1, not {p}: p is the share that is dropped")


def dropout(x, p, draw=None):
    """x (B, ...) with a share p of its elements set to 0 and the rest divided by 1 - p.

    draw: the address of the random numbers; by default the next one of the enclosing `randomness` block.
    """
    check_probability(p, "dropout")
    if p == 0:
        return x
    return apply(Dropout, x, p=p, draw=draw or next_draw("dropout"), shape=x.shape)


def drop_path(x, p, draw=None):
    """x (B, ...) with a share p of the images set to 0 and the rest divided by 1 - p."""
    check_probability(p, "drop_path")
    if p == 0:
        return x
    shape = x.shape[:1] + (1,) * (x.ndim - 1)
    return apply(Dropout, x, p=p, draw=draw or next_draw("drop_path"), shape=shape)
