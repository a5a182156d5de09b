"""Operations that pick: parts of an array by index, or one of two arrays at each place."""
from minivit.backend import beside, xp_of
from minivit.function import Primitive, shape_of, unbroadcast


def is_basic(index):
    """Whether `index` holds integers, slices, ... and None alone, so that it names no element twice."""
    return all(part is None or part is Ellipsis or isinstance(part, (int, slice)) and not isinstance(part, bool)
               for part in _parts(index))


def _parts(index):
    return index if isinstance(index, tuple) else (index,)


class GetItem(Primitive):
    """x[index] with NumPy's basic, integer-array and boolean indexing. An element taken twice gets both gradients.

    Index arrays are moved to the device of x. (A boolean one makes the host wait: it must know how many elements hold.)
    """

    @staticmethod
    def forward(ctx, x, index):
        ctx.basic = is_basic(index)
        if not ctx.basic:
            index = tuple(beside(part, x) if hasattr(part, "dtype") else part for part in _parts(index))
        ctx.shape, ctx.dtype, ctx.index = x.shape, x.dtype, index
        return x[index]

    @staticmethod
    def backward(ctx, dy):
        xp = xp_of(dy)
        dx = xp.zeros(ctx.shape, ctx.dtype)
        if ctx.basic:
            dx[ctx.index] = dy
        else:
            xp.add.at(dx, ctx.index, dy)
        return dx


class Where(Primitive):
    """a where `condition` (a boolean array) holds, else b."""

    @staticmethod
    def forward(ctx, a, b, condition):
        ctx.save(condition)
        ctx.shapes = shape_of(a), shape_of(b)
        return xp_of(condition, a, b).where(condition, a, b)

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
    return (unbroadcast(where(equal, half, where(a_wins, dy, 0)), shape_of(a)) if ctx.needs[0] else None,
            unbroadcast(where(equal, half, where(a_wins, 0, dy)), shape_of(b)) if ctx.needs[1] else None)
