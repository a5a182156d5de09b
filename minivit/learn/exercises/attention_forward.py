"""Checks of attention_forward."""
import math

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.attention_forward import attention_forward
from minivit.ops.attention import Attention, composed
from minivit.tensor import Tensor


def case(rng, q, M, size=1.0):
    k, v = (rng.standard_normal(q[:-2] + (M, q[-1])) for _ in range(2))
    label = f"q {'x'.join(map(str, q))}, {M} keys" + (", large scores" if size > 1 else "")
    return label, (size * rng.standard_normal(q), k, v)


def cases(rng):
    return [case(rng, (2, 3, 4, 5), 6), case(rng, (2, 2, 3, 4), 3), case(rng, (1, 2, 1, 6), 4), case(rng, (5, 3), 5),
            case(rng, (2, 1, 4, 2), 5, size=2000)]


def extreme(rng):
    made = []
    for label, shift in (("all scores near 1,000", 1000.0), ("all scores near -1,000", -1000.0)):
        q, k, v = (rng.standard_normal((2, 2, 4, 5)) for _ in range(3))
        q[..., 0], k[..., 0] = math.sqrt(5) * shift, 1                  # adds `shift` to every score
        made.append((label, tuple(array.astype(np.float32) for array in (q, k, v))))
    return made


def oracle(q, k, v):
    """minivit's definition."""
    return composed(*map(Tensor, (q, k, v))).data


def softmax(scores, axis=-1):
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def variant(q, k, v, scale=None, softmax=softmax, after=1.0):
    """The steps one by one, each of which may be done otherwise."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    P = softmax(np.einsum("...nk,...mk->...nm", q, k) * scale) * after
    return np.einsum("...nm,...mk->...nk", P, v)


def one_query_after_the_other(q, k, v):
    """A correct answer with loops, and a running sum: exp of each score is added up as it comes."""
    y = np.empty_like(q)
    for place in np.ndindex(q.shape[:-1]):
        keys, values = k[place[:-1]], v[place[:-1]]
        scores = [sum(a * b for a, b in zip(q[place], key)) / math.sqrt(len(key)) for key in keys]
        top, total, mean = max(scores), 0, 0 * q[place]
        for score, value in zip(scores, values):
            total, mean = total + math.exp(score - top), mean + math.exp(score - top) * value
        y[place] = mean / total
    return y


def scale_first(q, k, v):
    """A correct answer in which the scale is put into q, and the sum is divided by last."""
    q = q / math.sqrt(q.shape[-1])
    scores = np.matmul(q, np.moveaxis(k, -1, -2))
    e = np.exp(scores - scores.max(axis=-1)[..., None])
    return np.matmul(e, v) / e.sum(axis=-1)[..., None]


def row_maximum_missing(scores):
    e = np.exp(scores)
    return e / e.sum(axis=-1, keepdims=True)


def rows_are_means(function, rng):
    q, k = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 6, 5))
    y = function(q, k, np.ones_like(k))
    if y.shape != q.shape or np.abs(y - 1).max() > 1e-9:
        return ("a mean of values that are all 1 is 1, whatever the weights: those of a query add up to 1. Yours gives "
                f"numbers from {y.min():.3g} to {y.max():.3g}")


def order_of_keys(function, rng):
    _, (q, k, v) = case(rng, (2, 2, 3, 4), 6)
    order = rng.permutation(6)
    if np.abs(function(q, k, v) - function(q, k[:, :, order], v[:, :, order])).max() > 1e-9:
        return "keys and values in another order (both in the same) must give the same y; yours changes"


def heads_of(q):
    return q.shape[-3] if q.ndim > 2 else 1


def kernels(function):
    """Attention with the learner's forward; backward needs the weights P, and those are minivit's."""
    def forward(ctx, q, k, v, mask=None, dropout=0.0, draw=None):
        y = Attention.forward(ctx, q, k, v, mask, dropout, draw)
        if mask is not None or dropout:
            return y
        y[...] = function(q, k, v)                                      # in place: it is saved for backward
        return y
    return {"attention": (forward, Attention.backward)}


EXERCISE = Exercise(
    slug="attention_forward", lesson=5, minutes=15, difficulty=1,
    task="Write scaled dot-product attention for one head, or for many images and heads at once.",
    solution=attention_forward, oracle=oracle, cases=cases, outputs=("y",), extreme=extreme, kernels=kernels,
    properties=(Property("weighted means", rows_are_means), Property("order of the keys", order_of_keys)),
    wrong=(
        Wrong("no-scale", lambda *a: variant(*a, scale=1.0), "the scores are not divided by sqrt(K). A sum of K "
              "products grows like sqrt(K), and softmax of large numbers looks at one key alone.", specific=True),
        Wrong("scale-by-K", lambda *a: variant(*a, scale=1 / a[0].shape[-1]), "the scores are divided by K; it is "
              "sqrt(K): the spread of a sum of K products grows like its root.", specific=True),
        Wrong("scale-of-the-width", lambda *a: variant(*a, scale=1 / math.sqrt(heads_of(a[0]) * a[0].shape[-1])),
              "the scores are divided by sqrt(D): an inner product is over the K = D / H numbers of one head, so it is "
              "sqrt(K), sqrt(q.shape[-1]).",
              specific=True),
        Wrong("scale-of-the-keys", lambda *a: variant(*a, scale=1 / math.sqrt(a[1].shape[-2])),
              "the scores are divided by the root of the number of keys; it is sqrt(K), the numbers in a key: "
              "sqrt(q.shape[-1]).", specific=True),
        Wrong("scale-turned-over", lambda *a: variant(*a, scale=math.sqrt(a[0].shape[-1])), "the scores are multiplied "
              "by sqrt(K), and must be divided: / math.sqrt(...)."),
        Wrong("scale-after-softmax", lambda *a: variant(*a, scale=1.0, after=1 / math.sqrt(a[0].shape[-1])), "sqrt(K) "
              "divides the weights: it divides the scores, before softmax, or the weights do not add up to 1.",
              specific=True),
        Wrong("softmax-over-queries", lambda *a: variant(*a, softmax=lambda s: softmax(s, -2)), "softmax runs over the "
              "queries: each query divides its attention among the keys, axis=-1.", specific=True),
        Wrong("softmax-over-everything", lambda *a: variant(*a, softmax=lambda s: softmax(s, (-1, -2))), "the weights "
              "of all queries together add up to 1: each row does so by itself, axis=-1, keepdims=True."),
        Wrong("no-softmax", lambda *a: variant(*a, softmax=lambda s: s), "there is no softmax between scores and "
              "weights: scores are of any sign and size, weights are positive and add up to 1.", specific=True),
        Wrong("not-normalised", lambda *a: variant(*a, softmax=lambda s: np.exp(s - s.max(axis=-1, keepdims=True))),
              "the weights do not add up to 1: divide by their sum over the keys."),
        Wrong("no-row-maximum", lambda *a: variant(*a, softmax=row_maximum_missing), "exp overflows: subtract from "
              "each row of scores its maximum first. Softmax does not change by it.", specific=True),
        Wrong("keys-for-values", lambda q, k, v: variant(q, k, k), "the weighted mean is of the keys: keys are what is "
              "searched, values are what is found. It is weights @ v.", specific=True)),
    correct=(variant, one_query_after_the_other, scale_first),
    hints=(
        "Write down the shapes: q (N, K) and k (M, K) shall become scores (N, M). Which of the two has to be "
        "transposed? And with axes in front, which two axes does .T exchange?",
        "k.swapaxes(-1, -2) exchanges the last two axes; @ works on those and leaves the others alone. Softmax runs "
        "over the keys, axis=-1: subtract the maximum, exp, divide by the sum, all with keepdims=True.",
        "Four lines: scores = q @ (k with its last axes exchanged) / (root of K); weights = np.exp(scores minus the "
        "maximum of the row); weights divided by their sum over the row; weights @ v."),
    why="Nothing in these lines knows how many keys there are, or in what order: attention reads a set. Each query "
        "looks at every key, so the scores are a table of N x M numbers in each head, and that table is what attention "
        "costs. The root of K comes from the variance: for independent numbers of variance 1, q . k is a sum of K "
        "products of variance 1, so its own variance is K.")
