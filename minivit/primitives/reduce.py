"""Sums, extremes, and the matrix product: operations that bring many numbers together."""
from minivit.backend import xp_of
from minivit.function import Primitive, matmul, unbroadcast


def _axes(axis, ndim):
    """`axis` (None, an integer or a tuple) as a tuple of axes counted from 0."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _as_kept(array, axes, ndim):
    """A reduced `array` with the reduced `axes` put back as size 1, so that it broadcasts against the input."""
    if array.ndim == ndim:
        return array
    kept = iter(array.shape)
    return array.reshape([1 if axis in axes else next(kept) for axis in range(ndim)])


class Sum(Primitive):
    """The sum over `axis`; every summand receives the sum's gradient."""

    @staticmethod
    def forward(ctx, x, axis=None, keepdims=False):
        ctx.shape, ctx.axis = x.shape, axis
        return x.sum(axis=axis, keepdims=keepdims)

    @staticmethod
    def backward(ctx, dy):
        dy = _as_kept(dy, _axes(ctx.axis, len(ctx.shape)), len(ctx.shape))
        return xp_of(dy).broadcast_to(dy, ctx.shape)


class Max(Primitive):
    """The largest over `axis`; where several tie, they share its gradient equally."""

    @staticmethod
    def extreme(x, **options):
        return x.max(**options)

    @classmethod
    def forward(cls, ctx, x, axis=None, keepdims=False):
        y = cls.extreme(x, axis=axis, keepdims=True)
        ctx.save(x, y)
        ctx.axes = _axes(axis, x.ndim)
        return y if keepdims else y.squeeze(ctx.axes)

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved
        ties = (x == y).astype(x.dtype)
        return ties * (_as_kept(dy, ctx.axes, x.ndim) / ties.sum(axis=ctx.axes, keepdims=True))


class Min(Max):
    """The smallest over `axis`; where several tie, they share its gradient equally."""

    @staticmethod
    def extreme(x, **options):
        return x.min(**options)


class MatMul(Primitive):
    """a @ b, batched over leading axes, which broadcast: (..., n, k) @ (..., k, m) -> (..., n, m).

    y_ij = sum_k a_ik b_kj, so da = dy b^T and db = a^T dy. A vector on the left is a row, on the right a column.
    """

    @staticmethod
    def forward(ctx, a, b):
        if not getattr(a, "ndim", 0) or not getattr(b, "ndim", 0):
            raise ValueError("a matrix product needs arrays of at least one axis on both sides: multiply by a number "
                             "with *")
        inner = b.shape[0] if b.ndim == 1 else b.shape[-2]
        if a.shape[-1] != inner:
            message = f"{a.shape} @ {b.shape}: the last axis of the left must be as long as the "
            message += "rows of the right" if b.ndim > 1 else "right"
            if b.ndim > 1 and a.shape[-1] == b.shape[-1]:
                message += f" ({a.shape[-1]} != {inner}). Did you mean b.swapaxes(-1, -2)?"
            raise ValueError(message)
        ctx.save(a, b)
        return matmul(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved
        rows = a if a.ndim > 1 else a[None, :]
        columns = b if b.ndim > 1 else b[:, None]
        if b.ndim == 1:
            dy = dy[..., None]
        if a.ndim == 1:
            dy = dy[..., None, :]
        da = db = None
        if ctx.needs[0]:
            da = unbroadcast(matmul(dy, columns.swapaxes(-1, -2)), rows.shape).reshape(a.shape)
        if ctx.needs[1]:
            db = unbroadcast(matmul(rows.swapaxes(-1, -2), dy), columns.shape).reshape(b.shape)
        return da, db
