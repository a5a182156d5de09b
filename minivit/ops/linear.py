"""The linear layer: every row multiplied by a matrix, plus an offset.

    y = x W^T + b

Shapes: x (..., I), W (O, I) as PyTorch stores it, b (O,) or None, y (..., O).

Backward, with the leading axes flattened to rows:  dx = dy W        dW = dy^T x        db = sum of dy over rows

Lesson 2 derives it.
"""
from minivit.function import Function, matmul, sum_of_rows
from minivit.tensor import apply


def composed(x, weight, bias):
    """The definition; autograd finds its gradient."""
    y = x @ weight.T
    return y if bias is None else y + bias


class Linear(Function):
    """The linear layer by hand: it saves the rows and the weight."""

    portable = True
    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, weight, bias):
        rows = x.reshape(-1, x.shape[-1])           # one matrix product: one on more axes would loop over images
        ctx.save(rows, weight)
        ctx.shape = x.shape
        y = matmul(rows, weight.T)
        if bias is not None:
            y += bias
        return y.reshape(x.shape[:-1] + weight.shape[:1])

    @staticmethod
    def backward(ctx, dy):
        rows, weight = ctx.saved
        dy = dy.reshape(len(rows), len(weight))
        dx = matmul(dy, weight).reshape(ctx.shape) if ctx.needs[0] else None
        dweight = matmul(dy.T, rows) if ctx.needs[1] else None
        dbias = sum_of_rows(dy) if ctx.needs[2] else None
        return dx, dweight, dbias


def linear(x, weight, bias=None):
    """x W^T + b of x (..., I) with weight W (O, I) and bias (O,): (..., O)."""
    if x.ndim == 0 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear of x {x.shape} needs a weight (outputs, {x.shape[-1] if x.ndim else 'inputs'}), not "
                         f"{weight.shape}: weights are stored (out, in), as in PyTorch")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear with weight {weight.shape} needs a bias {weight.shape[:1]}, not {bias.shape}")
    return apply(Linear, x, weight, bias)
