"""Pooling: each window of an image made one number, its largest or its mean, in every channel alone.

    y[b, c, gy, gx] = max (or mean) over py, px of x[b, c, gy * stride + py, gx * stride + px]

Shapes: x (B, C, Sy, Sx), y (B, C, Gy, Gx). The border counts as minus infinity for the largest, and as zeros for the
mean.

Backward: the mean's gradient is shared equally by the pixels of its window, that of the largest goes to the largest;
where several tie, they share it. A pixel in several windows adds up what it receives.

Source: Scherer, Mueller and Behnke 2010, "Evaluation of pooling operations in convolutional architectures".
Lesson 4 derives it.
"""
import math

from minivit.backend import xp_of
from minivit.function import Function
from minivit.ops.patches import bordered, composed_windows
from minivit.ops.windows import windows
from minivit.tensor import apply


def composed_max(x, g):
    """The definition of max pooling; autograd finds its gradient."""
    return composed_windows(x, g, -math.inf).max(-1)


def composed_mean(x, g):
    """The definition of average pooling."""
    return composed_windows(x, g).mean(-1)


def places(g):
    """For every place in a window: an index that picks the pixels of all windows at that place."""
    return [(...,) + g.windows(y, x) for y in range(g.size[0]) for x in range(g.size[1])]


class MaxPool2d(Function):
    """Max pooling by hand: it saves x with its border, and its result."""

    name = "max_pool2d"
    portable = True
    composed = staticmethod(composed_max)

    @staticmethod
    def forward(ctx, x, g):
        x, (first, *others) = bordered(x, g, -math.inf), places(g)
        y = x[first].copy()
        for place in others:
            xp_of(x).maximum(y, x[place], out=y)
        ctx.save(x, y)
        ctx.g = g
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved
        largest = [x[place] == y for place in places(ctx.g)]
        share = dy / sum(largest[1:], start=largest[0].astype(dy.dtype))
        dx = xp_of(x).zeros_like(x)
        for place, here in zip(places(ctx.g), largest):
            dx[place] += share * here
        return dx[(...,) + ctx.g.inside()]


class AvgPool2d(Function):
    """Average pooling by hand: it saves nothing."""

    name = "avg_pool2d"
    portable = True
    composed = staticmethod(composed_mean)

    @staticmethod
    def forward(ctx, x, g):
        ctx.g = g
        x = bordered(x, g)
        return sum(x[place] for place in places(g)) * (1 / len(places(g)))

    @staticmethod
    def backward(ctx, dy):
        g = ctx.g
        dx = xp_of(dy).zeros(dy.shape[:2] + g.padded, dy.dtype)
        share = dy * (1 / len(places(g)))
        for place in places(g):
            dx[place] += share
        return dx[(...,) + g.inside()]


def max_pool2d(x, size, stride=None, padding=0):
    """The largest of every window of x (B, C, Sy, Sx): (B, C, Gy, Gx).

    size, stride (default: size) and padding are numbers or pairs (y, x) in pixels; padding may be "SAME" or "VALID".
    Raises ValueError where no window fits, or where a window could lie in the border.
    """
    return apply(MaxPool2d, x, g=pooled(x, size, stride, padding, "max_pool2d"))


def avg_pool2d(x, size, stride=None, padding=0):
    """The mean of every window of x (B, C, Sy, Sx): (B, C, Gy, Gx). The arguments are those of max_pool2d."""
    return apply(AvgPool2d, x, g=pooled(x, size, stride, padding, "avg_pool2d"))


def pooled(x, size, stride, padding, name):
    """The Geometry of the windows; `name` is that of the operation, for its errors."""
    if x.ndim != 4:
        raise ValueError(f"{name} needs images (B, C, Sy, Sx), not {x.shape}")
    g = windows(x.shape[2:], size, size if stride is None else stride, padding)
    if any(2 * before > side for before, side in zip(g.before, g.size)):
        raise ValueError(f"{name} with padding {padding!r} has windows of {g.size} that lie in the border: pad by half "
                         f"of a window at most")
    return g
