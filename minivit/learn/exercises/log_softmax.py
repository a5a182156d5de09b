"""Checks of log_softmax."""
import math

import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.log_softmax import log_softmax
from minivit.ops.cross_entropy import CrossEntropy
from minivit.tensor import Tensor


def oracle(x):
    return ops.log_softmax(Tensor(x)).data


def cases(rng):
    small = [("x".join(map(str, shape)), (rng.standard_normal(shape),)) for shape in ((4, 7), (1, 5), (2, 3, 6))]
    steep = 300 * rng.permuted(np.tile(np.arange(5.0), (3, 1)), axis=1) + rng.standard_normal((3, 5))
    offset = np.array([[-2000.0], [0.0], [3000.0]])
    return small + [("3x5, from 0 to 1,200 in a row", (steep,)),
                    ("3x4, rows near -2,000, 0 and 3,000", (offset + rng.standard_normal((3, 4)),))]


def extreme(rng):
    x = rng.standard_normal((3, 4)) * 1e4
    return [("3x4, numbers around 10,000", (x.astype(np.float32),)),
            ("2x5, all alike but for 1e4", ((1e4 + rng.standard_normal((2, 5))).astype(np.float32),))]


def adds_up(function, rng):
    total = np.exp(function(rng.standard_normal((3, 5)))).sum(axis=-1)
    if np.abs(total - 1).max() > 1e-9:
        return f"exp of each row must add up to 1; yours adds up to {total.flat[np.abs(total - 1).argmax()]:.6g}"


def shift(function, rng):
    x = rng.standard_normal((3, 5))
    if np.abs(function(x + 1) - function(x)).max() > 1e-9:
        return "adding 1 to a whole row must change nothing: the factor e cancels"


def kernels(function):
    """Log-softmax, and the forward of cross-entropy, which contains it."""
    def cross_entropy(ctx, x, rows, images):
        logp = function(x)
        ctx.save(logp, rows)
        ctx.images = images
        return -np.vdot(logp, rows) / images

    return {"cross_entropy": (cross_entropy, CrossEntropy.backward)}


def quietly(function):
    """`function` without NumPy's warnings of overflow: wrong answers overflow on purpose."""
    def quiet(x):
        with np.errstate(all="ignore"):
            return function(x)
    return quiet


def shifted(x):
    return x - x.max(axis=-1, keepdims=True)


def total(x, axis=-1):
    return np.exp(x).sum(axis=axis, keepdims=True)


def by_rows(x):
    """Row by row, with sums that are rounded once."""
    rows = x.reshape(-1, x.shape[-1]).astype(np.float64)
    return np.array([row - row.max() - math.log(math.fsum(np.exp(row - row.max()))) for row in rows]
                    ).reshape(x.shape).astype(x.dtype)


EXERCISE = Exercise(
    slug="log_softmax", lesson=3, minutes=15, difficulty=1,
    task="Write log-softmax along the last axis so that no number is too large for it.",
    solution=log_softmax, oracle=oracle, cases=cases, outputs=("y",), extreme=extreme, kernels=kernels,
    properties=(Property("probabilities add up to 1", adds_up), Property("a constant changes nothing", shift)),
    wrong=(
        Wrong("no-max-shift", quietly(lambda x: x - np.log(total(x))), "exp overflows to inf (or all of it underflows "
              "to 0): take x - x.max(axis=-1, keepdims=True) first. The maximum cancels, and the largest exponential "
              "is then 1.",
              specific=True),
        Wrong("log-of-rounded-softmax", quietly(lambda x: np.log(np.exp(shifted(x)) / total(shifted(x)))), "you take "
              "the log of the finished softmax, in which small probabilities were rounded to 0, and log 0 = -inf. Take "
              "the log by hand: log(e^x_i / s) = x_i - log s.", specific=True),
        Wrong("max-of-everything", quietly(lambda x: x - x.max() - np.log(total(x - x.max()))), "you subtract the "
              "largest number of the whole array. A row far below it underflows to log 0: each row needs its own, "
              "axis=-1, keepdims=True.", specific=True),
        Wrong("max-not-put-back", quietly(lambda x: x - np.log(total(shifted(x)))), "the largest number was taken out "
              "under the log, and not in front of it, where x stands as it came: put shifted - np.log(...), with the "
              "same x - maximum in both, or it does not cancel.", specific=True),
        Wrong("softmax", quietly(lambda x: np.exp(shifted(x)) / total(shifted(x))), "this is softmax; its logarithm is "
              "missing: log(e^x_i / s) is x_i - np.log(s), with s the sum of np.exp(...)."),
        Wrong("wrong-axis", quietly(lambda x: x - x.max(axis=0, keepdims=True)
                                    - np.log(total(x - x.max(axis=0, keepdims=True), axis=0))),
              "the sum runs along the first axis; rows are along the last, axis=-1."),
        Wrong("one-sum-for-all", quietly(lambda x: shifted(x) - np.log(np.exp(shifted(x)).sum())), "one sum is taken "
              "over the whole array; each row has its own: axis=-1, keepdims=True."),
        Wrong("mean-for-sum", quietly(lambda x: shifted(x) - np.log(total(shifted(x)) / x.shape[-1])), "you take the "
              "mean of the exponentials; probabilities add up to 1 if it is their sum.", specific=True),
        Wrong("bits", quietly(lambda x: (shifted(x) - np.log(total(shifted(x)))) / math.log(2)), "this is the "
              "logarithm to base 2. Cross-entropy is in nats here: the natural logarithm, np.log.", specific=True),
        Wrong("sign", quietly(lambda x: np.log(total(shifted(x))) - shifted(x)), "the sign is wrong: logarithms of "
              "probabilities are never above 0. It is x less the log of the sum, - np.log(...).")),
    correct=(
        lambda x: shifted(x) - np.logaddexp.reduce(shifted(x), axis=-1, keepdims=True),
        by_rows),
    hints=(
        "Adding the same number to a whole row changes nothing. Which number would make overflow impossible?",
        "log(e^(x_i - c) / sum_j e^(x_j - c)) = (x_i - c) - log sum_j e^(x_j - c), for any c. With c the row's largest "
        "number, the sum lies between 1 and n.",
        "Three steps: the maximum of each row, kept as a column (keepdims=True); x minus it; that, minus the log of "
        "the sum of its exponentials."),
    why="The sum under the log lies between 1 and n, so neither the exponentials nor the log can go wrong: what "
        "underflows is a term that is too small to matter beside 1. The log of a small probability is never formed "
        "from the probability, so a logit of -10,000 is still told from one of -20,000, and its gradient is not lost. "
        "The same trick, with a maximum that is corrected as numbers arrive, makes attention in tiles possible.")
