"""Checks of attention_backward."""
import math

import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.attention_backward import attention_backward
from minivit.modes import using
from minivit.ops.attention import Attention
from minivit.tensor import Tensor


def weights(q, k):
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def oracle(dy, q, k, v, P):
    """Autograd's, through the definition."""
    tensors = [Tensor(array, requires_grad=True) for array in (q, k, v)]
    with using("composed"):
        ops.attention(*tensors).backward(dy)
    return tuple(tensor.grad for tensor in tensors)


def numeric(dy, q, k, v, P):
    return (numeric_gradient(lambda q: weights(q, k) @ v, q, dy), numeric_gradient(lambda k: weights(q, k) @ v, k, dy),
            numeric_gradient(lambda v: P @ v, v, dy))


def case(rng, B, H, N, M, K):
    dy, q, k, v = (rng.standard_normal((B, H, rows, K)) for rows in (N, N, M, M))
    return f"B, H, N, M, K = {B}, {H}, {N}, {M}, {K}", (dy, q, k, v, weights(q, k))


def cases(rng):
    return [case(rng, *shape) for shape in ((2, 3, 4, 4, 5), (2, 2, 3, 5, 4), (1, 2, 6, 6, 3), (2, 3, 1, 4, 2))]


def keys_add_up_to_zero(function, rng):
    _, arguments = case(rng, 2, 2, 3, 5, 4)
    worst = np.abs(function(*arguments)[1].sum(axis=2)).max()
    if worst > 1e-9:
        return ("dk must add up to 0 over the keys: the same vector added to every key moves all scores of a query "
                f"alike, and softmax does not see that; yours adds up to {worst:.3g}")


def variant(dy, q, k, v, P, softmax=lambda dP, P: P * (dP - np.sum(dP * P, axis=-1, keepdims=True)), scale=None,
            scale_k=None):
    """The steps one by one, each of which may be done otherwise."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    dS = softmax(np.einsum("bhnk,bhmk->bhnm", dy, v), P)
    dq, dk = np.einsum("bhnm,bhmk->bhnk", dS, k), np.einsum("bhnm,bhnk->bhmk", dS, q)
    return dq * scale, dk * (scale if scale_k is None else scale_k), np.einsum("bhnm,bhnk->bhmk", P, dy)


def by_jacobian(dy, q, k, v, P):
    """A correct answer that builds the matrix dP/dS of every query."""
    jacobian = P[..., :, None] * (np.eye(P.shape[-1], dtype=P.dtype) - P[..., None, :])
    return variant(dy, q, k, v, P, lambda dP, P: np.einsum("bhnm,bhnmj->bhnj", dP, jacobian))


def by_the_result(dy, q, k, v, P):
    """A correct answer that takes the row sums from y, as minivit does."""
    row_sum = np.sum(dy * (P @ v), axis=-1, keepdims=True)
    return variant(dy, q, k, v, P, lambda dP, P: P * (dP - row_sum))


def weights_not_transposed(dy, q, k, v, P):
    dq, dk, _ = attention_backward(dy, q, k, v, P)
    return dq, dk, P @ dy


def scores_not_transposed(dy, q, k, v, P):
    dq, _, dv = attention_backward(dy, q, k, v, P)
    dS = P * (dy @ v.swapaxes(-1, -2) - np.sum(dy * (P @ v), axis=-1, keepdims=True))
    return dq, dS @ q / math.sqrt(q.shape[-1]), dv


def operands_exchanged(dy, q, k, v, P):
    dS = P * (dy @ v.swapaxes(-1, -2) - np.sum(dy * (P @ v), axis=-1, keepdims=True))
    scale = 1 / math.sqrt(q.shape[-1])
    return dS @ q * scale, dS.swapaxes(-1, -2) @ k * scale, P.swapaxes(-1, -2) @ dy


def kernels(function):
    """Attention with the learner's backward; dropout of weights, which the exercise leaves out, is minivit's."""
    def backward(ctx, dy):
        q, k, v, P, kept, _ = ctx.saved
        return function(dy, q, k, v, P) if kept is None else Attention.backward(ctx, dy)
    return {"attention": (Attention.forward, backward)}


EXERCISE = Exercise(
    slug="attention_backward", lesson=7, minutes=25, difficulty=3,
    task="Write the gradient of attention by its queries, keys and values.",
    solution=attention_backward, oracle=oracle, cases=cases, outputs=("dq", "dk", "dv"), numeric=numeric,
    properties=(Property("dk adds up to 0", keys_add_up_to_zero),), kernels=kernels,
    wrong=(
        Wrong("no-scale", lambda *a: variant(*a, scale=1.0), "the factor 1 / sqrt(K) is missing in dq and dk: the "
              "scores were divided by sqrt(K), so their gradient is too.", specific=True),
        Wrong("scale-in-dq-alone", lambda *a: variant(*a, scale_k=1.0), "dk lacks the factor scale = 1 / sqrt(K): it "
              "stands in the scores, so both q and k get it, dS^T @ q * scale.", specific=True),
        Wrong("scale-twice", lambda *a: variant(*a, scale=1 / a[1].shape[-1]), "dq and dk were divided by K: sqrt(K) "
              "divides once, in the step from S to q k^T.", specific=True),
        Wrong("scale-of-the-width", lambda *a: variant(*a, scale=1 / math.sqrt(a[1].shape[1] * a[1].shape[-1])),
              "dq and dk were divided by sqrt(D): the scale is that of one head, sqrt(K) with K = D / H: 1 / "
              "sqrt(q.shape[-1]).",
              specific=True),
        Wrong("scale-turned-over", lambda *a: variant(*a, scale=math.sqrt(a[1].shape[-1])), "dq and dk were multiplied "
              "by sqrt(K): the scores were divided by it, and a gradient passes through the same factor, 1 / sqrt(K).",
              specific=True),
        Wrong("weights-not-transposed", weights_not_transposed, "dv uses P where it needs P^T: the gradient of value m "
              "gathers from all queries n, by how much each looked at it. (Where N and M differ this cannot even run.)",
              specific=True),
        Wrong("scores-not-transposed", scores_not_transposed, "dk uses dS where it needs dS^T: key m gathers from all "
              "queries n.", specific=True),
        Wrong("no-row-sum", lambda *a: variant(*a, softmax=lambda dP, P: P * dP), "the row-sum term of softmax is "
              "missing: dS = P * (dP - sum(dP * P)).", specific=True),
        Wrong("no-softmax", lambda *a: variant(*a, softmax=lambda dP, P: dP), "dP was handed on as dS: between scores "
              "and weights lies softmax, and its gradient is an exercise of its own.", specific=True),
        Wrong("sum-over-queries", lambda *a: variant(*a, softmax=lambda dP, P: P * (dP - np.sum(
              dP * P, axis=-2, keepdims=True))), "the sum in softmax's gradient runs over the queries: softmax went "
              "over the keys, the last axis, so the sum does too, axis=-1.", specific=True),
        Wrong("operands-exchanged", operands_exchanged, "dq uses q, and dk uses k: S is a product of q and k, so the "
              "gradient of each contains the other one.", specific=True),
        Wrong("dq-and-dk-exchanged", lambda *a: tuple(variant(*a)[i] for i in (1, 0, 2)), "dq and dk are returned in "
              "the wrong order: return dq, dk, dv.")),
    correct=(variant, by_jacobian, by_the_result),
    hints=(
        "There are three steps, and you know them: a matrix product (lesson 2), softmax, and a matrix product with a "
        "factor. What arrives at P, if dy arrives at y = P v?",
        "dv = P^T dy and dP = dy v^T; dS is softmax's gradient, row by row; S = q k^T / sqrt(K) gives dq = dS k / "
        "sqrt(K), and dk likewise with the transpose of dS.",
        "dP = dy @ v.swapaxes(-1, -2); dS = P * (dP - one sum for each row); dq is dS @ k, dk is dS.swapaxes(-1, -2) "
        "@ q, both divided by the root of K; dv is P.swapaxes(-1, -2) @ dy."),
    why="The row sum of dP * P equals dy . y, since dP = dy v^T and y = P v. minivit keeps y and takes the sum from "
        "there: N * K products in place of N * M. FlashAttention rests on the same line, for the row sum is the only "
        "thing that ties one block of keys to the others.")
