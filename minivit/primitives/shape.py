"""Operations that move numbers without changing them: their backward moves the gradients back."""
from minivit.backend import device_of, to_device, xp_of
from minivit.function import Primitive, unbroadcast


class To(Primitive):
    """The same numbers on another device."""

    @staticmethod
    def forward(ctx, x, device):
        ctx.device = device_of(x)
        return to_device(x, device)

    @staticmethod
    def backward(ctx, dy):
        return to_device(dy, ctx.device)


class Reshape(Primitive):
    """The same elements in the same order in another shape."""

    @staticmethod
    def forward(ctx, x, shape):
        ctx.shape = x.shape
        return x.reshape(shape)

    @staticmethod
    def backward(ctx, dy):
        return dy.reshape(ctx.shape)


class Transpose(Primitive):
    """The axes in another order: axis i of the result is axis axes[i] of x."""

    @staticmethod
    def forward(ctx, x, axes):
        ctx.axes = tuple(axis % x.ndim for axis in axes)
        return x.transpose(axes)

    @staticmethod
    def backward(ctx, dy):
        inverse = sorted(range(len(ctx.axes)), key=ctx.axes.__getitem__)
        return dy.transpose(inverse)


class Expand(Primitive):
    """x repeated along new axes and axes of size 1, without a copy."""

    @staticmethod
    def forward(ctx, x, shape):
        ctx.shape = x.shape
        return xp_of(x).broadcast_to(x, shape)

    @staticmethod
    def backward(ctx, dy):
        return unbroadcast(dy, ctx.shape)


class Concat(Primitive):
    """Arrays one after the other along an axis."""

    @staticmethod
    def forward(ctx, *parts, axis):
        ctx.axis = axis
        ctx.sizes = [part.shape[axis] for part in parts]
        return xp_of(*parts).concatenate(parts, axis=axis)

    @staticmethod
    def backward(ctx, dy):
        ends = [sum(ctx.sizes[:k + 1]) for k in range(len(ctx.sizes) - 1)]
        return tuple(xp_of(dy).split(dy, ends, axis=ctx.axis))


class Unbind(Primitive):
    """The slices of x along an axis, as separate outputs: q, k, v out of one array, and one packed gradient back."""

    @staticmethod
    def forward(ctx, x, axis):
        ctx.save(x)
        ctx.before = (slice(None),) * (axis % x.ndim)
        return tuple(x[ctx.before + (k,)] for k in range(x.shape[axis]))

    @staticmethod
    def backward(ctx, *dy):
        x, = ctx.saved
        dx = xp_of(x).empty_like(x)         # in the order of x in memory: undoing a transpose of it is then free
        for k, gradient in enumerate(dy):
            dx[ctx.before + (k,)] = 0 if gradient is None else gradient
        return dx


class Split(Primitive):
    """x cut along an axis into parts of the given sizes."""

    @staticmethod
    def forward(ctx, x, sizes, axis):
        if sum(sizes) != x.shape[axis]:
            raise ValueError(f"sizes {tuple(sizes)} add up to {sum(sizes)}, but axis {axis} of {x.shape} "
                             f"has {x.shape[axis]}")
        ctx.axis, ctx.shape, ctx.dtype = axis, x.shape, x.dtype
        ctx.ends = [sum(sizes[:k + 1]) for k in range(len(sizes) - 1)]
        return tuple(xp_of(x).split(x, ctx.ends, axis=axis))

    @staticmethod
    def backward(ctx, *dy):
        xp = xp_of(*dy)
        dx = xp.empty(ctx.shape, ctx.dtype)
        for part, gradient in zip(xp.split(dx, ctx.ends, axis=ctx.axis), dy):
            part[...] = 0 if gradient is None else gradient
        return dx


class Pad(Primitive):
    """x with a border of `value`: widths is ((before, after), ...), one pair per axis."""

    @staticmethod
    def forward(ctx, x, widths, value=0.0):
        if len(widths) != x.ndim or any(width < 0 for pair in widths for width in pair):
            raise ValueError(f"widths {widths} for shape {x.shape}: give a pair (before, after) >= 0 per axis")
        ctx.inside = tuple(slice(before, before + size) for (before, _), size in zip(widths, x.shape))
        return xp_of(x).pad(x, widths, constant_values=value)

    @staticmethod
    def backward(ctx, dy):
        return dy[ctx.inside]
