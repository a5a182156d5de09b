"""ReLU: positive numbers as they are, all others set to 0.

    y = max(x, 0)        dx = dy where x > 0, else 0

Shapes: any x, y like x. At 0, where ReLU has no derivative, it is taken as 0, as PyTorch does.

Source: Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines", ICML.
"""
from minivit.backend import xp_of
from minivit.function import Function
from minivit.ops.combine import where
from minivit.tensor import apply


def composed(x):
    """The definition; autograd finds its gradient."""
    return where(x <= 0, 0.0, x)


class ReLU(Function):
    """ReLU by hand: it saves its result, whose signs say what x was."""

    portable = True
    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x):
        y = xp_of(x).maximum(x, 0)
        ctx.save(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved
        return dy * (y > 0)


def relu(x):
    """ReLU of a Tensor, element by element."""
    return apply(ReLU, x)
