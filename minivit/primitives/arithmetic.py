"""Element-wise arithmetic: each operation with its derivative under it.

Operands may be arrays that broadcast against each other, or Python numbers. A derivative that needs the result saves
the result, one that needs the operands saves them.
"""
import math

from minivit.backend import xp_of
from minivit.function import Primitive, shape_of, unbroadcast
from minivit.primitives.erf import erf


class Add(Primitive):
    """a + b."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.shapes = shape_of(a), shape_of(b)
        return a + b

    @staticmethod
    def backward(ctx, dy):
        return (unbroadcast(dy, ctx.shapes[0]) if ctx.needs[0] else None,
                unbroadcast(dy, ctx.shapes[1]) if ctx.needs[1] else None)


class Sub(Primitive):
    """a - b."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.shapes = shape_of(a), shape_of(b)
        return a - b

    @staticmethod
    def backward(ctx, dy):
        return (unbroadcast(dy, ctx.shapes[0]) if ctx.needs[0] else None,
                unbroadcast(-dy, ctx.shapes[1]) if ctx.needs[1] else None)


class Mul(Primitive):
    """a * b, element by element."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save(a, b)
        return a * b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved
        return (unbroadcast(dy * b, shape_of(a)) if ctx.needs[0] else None,
                unbroadcast(dy * a, shape_of(b)) if ctx.needs[1] else None)


class Div(Primitive):
    """a / b."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save(a, b)
        return a / b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved
        return (unbroadcast(dy / b, shape_of(a)) if ctx.needs[0] else None,
                unbroadcast(-dy * a / (b * b), shape_of(b)) if ctx.needs[1] else None)


class Neg(Primitive):
    """-x."""

    @staticmethod
    def forward(ctx, x):
        return -x

    @staticmethod
    def backward(ctx, dy):
        return -dy


class Pow(Primitive):
    """x ** p for a number p."""

    @staticmethod
    def forward(ctx, x, p):
        ctx.save(x)
        ctx.p = p
        return x ** p

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved
        return dy * (ctx.p * x ** (ctx.p - 1) if ctx.p else 0 * x)


class Exp(Primitive):
    """e to the power x."""

    @staticmethod
    def forward(ctx, x):
        y = xp_of(x).exp(x)
        ctx.save(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved
        return dy * y


class Log(Primitive):
    """The natural logarithm."""

    @staticmethod
    def forward(ctx, x):
        ctx.save(x)
        return xp_of(x).log(x)

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved
        return dy / x


class Sqrt(Primitive):
    """The square root."""

    @staticmethod
    def forward(ctx, x):
        y = xp_of(x).sqrt(x)
        ctx.save(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved
        return dy / (2 * y)


class Tanh(Primitive):
    """The hyperbolic tangent."""

    @staticmethod
    def forward(ctx, x):
        y = xp_of(x).tanh(x)
        ctx.save(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved
        return dy * (1 - y * y)


class Erf(Primitive):
    """The error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save(x)
        return erf(x)

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved
        return dy * (2 / math.sqrt(math.pi) * xp_of(x).exp(-x * x))


class Abs(Primitive):
    """|x|, whose derivative at 0 is taken as 0."""

    @staticmethod
    def forward(ctx, x):
        ctx.save(x)
        return abs(x)

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved
        return dy * xp_of(x).sign(x)


class Cast(Primitive):
    """The same numbers as another floating-point type."""

    keeps_dtype = False

    @staticmethod
    def forward(ctx, x, dtype):
        ctx.dtype = x.dtype
        return x.astype(dtype)

    @staticmethod
    def backward(ctx, dy):
        return dy.astype(ctx.dtype)
