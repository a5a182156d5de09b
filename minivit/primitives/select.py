"""Operations that pick: parts of an array by index, or one of two arrays at each place."""
import numpy as np

from minivit.backend import xp_of
from minivit.function import Primitive, unbroadcast


def is_basic(index):
    """Whether `index` holds integers, slices, ... and None alone, so that it names no element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, (int, slice)) and not isinstance(part, bool)
               for part in parts)


class GetItem(Primitive):
    """x[index] with NumPy's basic, integer-array and boolean indexing. An element taken twice gets both gradients."""

    @staticmethod
    def forward(ctx, x, index):
        ctx.shape, ctx.dtype, ctx.index = x.shape, x.dtype, index
        return x[index]

    @staticmethod
    def backward(ctx, dy):
        xp = xp_of(dy)
        dx = xp.zeros(ctx.shape, ctx.dtype)
        if is_basic(ctx.index):
            dx[ctx.index] = dy
        else:
            xp.add.at(dx, ctx.index, dy)
        return dx


class Where(Primitive):
    """a where `condition` (a boolean array) holds, else b."""

    @staticmethod
    def forward(ctx, a, b, condition):
        ctx.save(condition)
        ctx.shapes = np.shape(a), np.shape(b)
        return xp_of(condition).where(condition, a, b)

    @staticmethod
    def backward(ctx, dy):
        (condition,), where = ctx.saved, xp_of(dy).where
        return (unbroadcast(where(condition, dy, 0), ctx.shapes[0]) if ctx.needs[0] else None,
                unbroadcast(where(condition, 0, dy), ctx.shapes[1]) if ctx.needs[1] else None)


class Maximum(Primitive):
    """The larger of a and b at each place; where they are equal, each gets half of the gradient."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save(a, b)
        return xp_of(a, b).maximum(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved
        return _shared(ctx, dy, a, b, a > b)


class Minimum(Primitive):
    """The smaller of a and b at each place; where they are equal, each gets half of the gradient."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save(a, b)
        return xp_of(a, b).minimum(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved
        return _shared(ctx, dy, a, b, a < b)


def _shared(ctx, dy, a, b, a_wins):
    where, half, equal = xp_of(dy).where, dy * 0.5, a == b
    return (unbroadcast(where(equal, half, where(a_wins, dy, 0)), np.shape(a)) if ctx.needs[0] else None,
            unbroadcast(where(equal, half, where(a_wins, 0, dy)), np.shape(b)) if ctx.needs[1] else None)
