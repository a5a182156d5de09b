"""Checks of matmul_backward."""
import math

import numpy as np

from minivit.function import sum_of_rows
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.matmul_backward import matmul_backward
from minivit.ops.linear import Linear
from minivit.tensor import Tensor


def oracle(dy, a, b):
    left, right = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    (left @ right).backward(dy)
    return left.grad, right.grad


def cases(rng):
    return [("x".join(map(str, shape)), (rng.standard_normal((*shape[:-2], shape[-1])),
                                         rng.standard_normal(shape[:-1]), rng.standard_normal(shape[-2:])))
            for shape in ((3, 4, 2), (2, 3, 4, 5), (2, 3, 1, 5, 2), (2, 4, 3, 1))]       # ..., n, k, m


def adjoint(function, rng):
    """The product is linear in each side, so <da, u> = <dy, u b> and <db, v> = <dy, a v> for any u and v."""
    dy, a, b = cases(rng)[1][1]
    u, v = rng.standard_normal(a.shape), rng.standard_normal(b.shape)
    da, db = function(dy, a, b)
    if abs(np.vdot(da, u) - np.vdot(dy, u @ b)) > 1e-9:
        return "sum(da * u) must equal sum(dy * (u @ b)) for every u like a, and does not"
    if abs(np.vdot(db, v) - np.vdot(dy, a @ v)) > 1e-9:
        return "sum(db * v) must equal sum(dy * (a @ v)) for every v like b, and does not"


def kernels(function):
    """The linear layer x W^T + bias with the learner's gradient: its right side is W^T."""
    def backward(ctx, dy):
        rows, weight = ctx.saved
        dy = dy.reshape(len(rows), len(weight))
        drows, dtransposed = function(dy, rows, weight.T)
        return drows.reshape(ctx.shape), dtransposed.T, sum_of_rows(dy) if ctx.needs[2] else None

    return {"linear": (Linear.forward, backward)}


def but(da=None, db=None):
    """The solution with one gradient replaced: a wrong answer."""
    def wrong(dy, a, b):
        right = matmul_backward(dy, a, b)
        return (da or (lambda *arguments: right[0]))(dy, a, b), (db or (lambda *arguments: right[1]))(dy, a, b)
    return wrong


def leading(x):
    return tuple(range(x.ndim - 2))


def by_loops(dy, a, b):
    da, db = np.zeros_like(a), np.zeros_like(b)
    for *place, j in np.ndindex(dy.shape):
        for k in range(len(b)):
            da[(*place, k)] += dy[(*place, j)] * b[k, j]
            db[k, j] += dy[(*place, j)] * a[(*place, k)]
    return da, db


EXERCISE = Exercise(
    slug="matmul_backward", lesson=2, minutes=20, difficulty=2,
    task="Write the gradients of a matrix product by both of its sides.",
    solution=matmul_backward, oracle=oracle, cases=cases, outputs=("da", "db"),
    properties=(Property("adjoint of the product", adjoint),), kernels=kernels,
    numeric=lambda dy, a, b: (numeric_gradient(lambda x: x @ b, a, dy), numeric_gradient(lambda x: a @ x, b, dy)),
    wrong=(
        Wrong("db-not-summed", but(db=lambda dy, a, b: a.swapaxes(-1, -2) @ dy), "db still has the leading axes. All "
              "of them share the one b, which was broadcast to them, so its gradients add up.", specific=True),
        Wrong("db-transposed", but(db=lambda dy, a, b: matmul_backward(dy, a, b)[1].T), "db is transposed: dy^T a is "
              "(m, k), and b is (k, m), so it is a^T dy. (Where weights are stored (out, in) it is the other way.)",
              specific=True),
        Wrong("db-reshaped", but(db=lambda dy, a, b: matmul_backward(dy, a, b)[1].T.reshape(b.shape)), "db has the "
              "right shape and the wrong order: reshape does not transpose. Use .T or swapaxes.", specific=True),
        Wrong("da-reshaped", but(da=lambda dy, a, b: dy @ b.reshape(b.shape[::-1])), "da uses b reshaped to (m, k), "
              "which mixes rows with columns: transpose it, b.T.", specific=True),
        Wrong("db-mean", but(db=lambda dy, a, b: matmul_backward(dy, a, b)[1] / math.prod(a.shape[:-2])),
              "db is the mean over the leading axes: it is the sum. (The loss decides whether to divide by B, not "
              "the product.)",
              specific=True),
        Wrong("db-product-of-sums", but(db=lambda dy, a, b: a.sum(axis=leading(a)).T @ dy.sum(axis=leading(dy))),
              "db multiplies the sums over the leading axes. Multiply first, then add up: a sum of products is not the "
              "product of sums.", specific=True),
        Wrong("dy-ignored", but(lambda dy, a, b: np.ones_like(dy) @ b.T,
                                lambda dy, a, b: matmul_backward(np.ones_like(dy), a, b)[1]),
              "dy plays no part, as if dy = 1 everywhere: this is the gradient of y.sum(). The loss need not weigh all "
              "of y alike: da is dy @ b^T, and db has dy as it arrived.",
              specific=True),
        Wrong("swapped", lambda dy, a, b: matmul_backward(dy, a, b)[::-1], "da and db are returned in the wrong order: "
              "return da, db."),
        Wrong("sign", lambda dy, a, b: tuple(-x for x in matmul_backward(dy, a, b)), "both have the wrong sign: da and "
              "db, not -da and -db. What arrives is not turned round.")),
    correct=(
        lambda dy, a, b: (np.einsum("...m,km->...k", dy, b), np.tensordot(a, dy, [range(a.ndim - 1)] * 2)),
        lambda dy, a, b: (dy @ b.T, (a.swapaxes(-1, -2) @ dy).sum(axis=leading(a))),
        by_loops),
    hints=(
        "In which elements of y does a[i, k] appear, and with what factor? Then the same question for b[k, j]. The "
        "shapes leave hardly any other way to multiply.",
        "da[i, k] = sum_j dy[i, j] b[k, j], and db[k, j] = sum_i a[i, k] dy[i, j]: in each, which of the two must be "
        "transposed? db is also summed over the leading axes.",
        "For db, flatten the leading axes and n to rows: a.reshape(-1, k) and dy.reshape(-1, m). Then the product of "
        "the one's transpose with the other sums over all of them at once."),
    why="No Jacobian is ever built: that of this product has (n m) (n k) numbers, nearly all 0. Both gradients are "
        "matrix products as large as the forward one, so a training step costs about three times a forward pass. "
        "Flattening the leading axes turns many small products and a sum into one large product, which is much faster: "
        "minivit's linear layer does the same.")
