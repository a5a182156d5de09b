"""Checks of softmax_backward."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.softmax_backward import softmax_backward
from minivit.modes import using
from minivit.ops.attention import Attention
from minivit.tensor import Tensor


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def oracle(dy, y):
    """Autograd's, through the definition: softmax of log y is y."""
    x = Tensor(np.log(y), requires_grad=True)
    with using("composed"):
        ops.softmax(x).backward(dy)
    return x.grad


def cases(rng):
    return [(f"{'x'.join(map(str, shape))}", (rng.standard_normal(shape), softmax(rng.standard_normal(shape))))
            for shape in ((4, 7), (1, 5), (2, 3, 6))]


def rows_add_up_to_zero(function, rng):
    dx = function(rng.standard_normal((3, 5)), softmax(rng.standard_normal((3, 5))))
    worst = np.abs(dx.sum(axis=-1)).max()
    if worst > 1e-9:
        return ("a row of dx must add up to 0, since adding a constant to x changes nothing; yours adds up to "
                f"{worst:.3g}")


def by_jacobian(dy, y):
    """A correct answer that builds dy/dx of every row."""
    jacobian = y[..., :, None] * (np.eye(y.shape[-1], dtype=y.dtype) - y[..., None, :])
    return np.einsum("...i,...ij->...j", dy, jacobian)


def kernels(function):
    """Attention, where a Vision Transformer has its softmax, with the learner's gradient from weights to scores."""
    def backward(ctx, dy):
        q, k, v, P, kept, _ = ctx.saved
        factor = 1 if kept is None else kept                            # of dropout
        dS = function(dy @ v.swapaxes(-1, -2) * factor, P) * ctx.scale
        return dS @ k, dS.swapaxes(-1, -2) @ q, (P * factor).swapaxes(-1, -2) @ dy
    return {"attention": (Attention.forward, backward)}


EXERCISE = Exercise(
    slug="softmax_backward", lesson=7, minutes=15, difficulty=2,
    task="Write the gradient of softmax along the last axis.",
    solution=softmax_backward, oracle=oracle, cases=cases, outputs=("dx",),
    properties=(Property("rows add up to 0", rows_add_up_to_zero),), kernels=kernels,
    numeric=lambda dy, y: numeric_gradient(softmax, np.log(y), dy),
    wrong=(
        Wrong("no-row-sum", lambda dy, y: y * dy, "the row-sum term is missing: dx = y * (dy - sum(dy * y)). Every "
              "probability in a row depends on every logit in it.", specific=True),
        Wrong("diagonal-only", lambda dy, y: y * (1 - y) * dy, "y * (1 - y) is the derivative of y_i by x_i alone, "
              "that of the sigmoid; the other x_j of the row change y_i too, by -y_i * y_j.", specific=True),
        Wrong("sum-over-axis-0", lambda dy, y: y * (dy - np.sum(dy * y, axis=0, keepdims=True)),
              "the sum runs over the wrong axis: softmax was taken along the last one, so the sum is along the last "
              "one too, axis=-1.",
              specific=True),
        Wrong("sum-over-everything", lambda dy, y: y * (dy - np.sum(dy * y)), "the sum runs over the whole array: "
              "each row is a softmax of its own, so it needs axis=-1, keepdims=True."),
        Wrong("mean-for-sum", lambda dy, y: y * (dy - np.mean(dy * y, axis=-1, keepdims=True)), "the mean was taken "
              "where the sum belongs: dx = y * (dy - sum(dy * y)).", specific=True),
        Wrong("no-leading-y", lambda dy, y: dy - np.sum(dy * y, axis=-1, keepdims=True), "the factor y in front is "
              "missing: dx = y * (dy - ...). (Without it this is the gradient by log y.)", specific=True),
        Wrong("sign", lambda dy, y: -y * (dy - np.sum(dy * y, axis=-1, keepdims=True)), "the sign is wrong: dx = y * "
              "(dy - sum(dy * y)), not -y * (dy - sum(dy * y))."),
        Wrong("sum-of-dy", lambda dy, y: y * (dy - np.sum(dy, axis=-1, keepdims=True)), "the sum is of dy * y, not of "
              "dy alone: each dy_j arrives through its own y_j. (The sum of dy belongs to log-softmax.)",
              specific=True)),
    correct=(
        by_jacobian,
        lambda dy, y: dy * y - y * np.einsum("...i,...i->...", dy, y)[..., None]),
    hints=(
        "Change one logit of a row: all its probabilities change, since they must add up to 1. Which terms does your "
        "dx have for the others?",
        "dy_i/dx_j = y_i (1 if i == j else 0) - y_i y_j. Multiply by dy_i, and add up over i.",
        "dx = y * (dy - S) with one number S for each row, a sum over the row of dy * y; keepdims=True keeps it a "
        "column."),
    why="The sum is the same for all places of a row, so the gradient costs one product and one sum, where the whole "
        "matrix dy_i/dx_j would cost n times as much. The row of dx adds up to 0: softmax does not see a constant that "
        "is added to all logits, so no gradient may point there.")
