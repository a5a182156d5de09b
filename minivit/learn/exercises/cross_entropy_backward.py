"""Checks of cross_entropy_backward."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.cross_entropy_backward import cross_entropy_backward
from minivit.modes import using
from minivit.ops.cross_entropy import CrossEntropy
from minivit.tensor import Tensor


def oracle(dloss, x, rows):
    """Autograd's, through the definition."""
    logits = Tensor(x, requires_grad=True)
    with using("composed"):
        ops.cross_entropy(logits, rows).backward(np.array(dloss, x.dtype))
    return logits.grad


def cases(rng):
    def arguments(B, Y, scale=1.0):
        rows = rng.dirichlet(np.ones(Y), B)
        rows[0] = np.eye(Y)[rng.integers(Y)]
        return float(rng.uniform(0.5, 2.0)), scale * rng.standard_normal((B, Y)), rows

    return [("4x7", arguments(4, 7)), ("1x5", arguments(1, 5)), ("3x2", arguments(3, 2)),
            ("6x3, large logits", arguments(6, 3, scale=2000.0))]


def extreme(rng):
    x = (1e4 * rng.standard_normal((3, 4))).astype(np.float32)
    return [("3x4, logits around 10,000", (1.0, x, np.eye(4, dtype=np.float32)[[0, 3, 1]]))]


def rows_add_up_to_zero(function, rng):
    worst = np.abs(function(*cases(rng)[0][1]).sum(axis=1)).max()
    if worst > 1e-9:
        return (f"a row of dx must add up to 0: adding a constant to all logits changes no probability; yours adds up "
                f"to {worst:.3g}")


def numeric(dloss, x, rows):
    def loss(x):
        return -np.sum(rows * (x - np.logaddexp.reduce(x, axis=1, keepdims=True))) / len(x)

    return numeric_gradient(loss, x, dloss)


def kernels(function):
    """Cross-entropy with the learner's gradient. It saves log p, which are logits too: softmax of log p is p."""
    def backward(ctx, dloss):
        logp, rows = ctx.saved
        return function(float(dloss) * len(rows) / ctx.images, logp, rows), None

    return {"cross_entropy": (CrossEntropy.forward, backward)}


def softmax(x, axis=1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def without_shift(dloss, x, rows):
    with np.errstate(all="ignore"):
        e = np.exp(x)
        return dloss * (e / e.sum(axis=1, keepdims=True) - rows) / len(x)


def by_probabilities(dloss, x, rows):
    with np.errstate(all="ignore"):
        return -dloss * rows / np.maximum(softmax(x), 1e-300) / len(x)


def softmax_twice(dloss, x, rows):
    p = softmax(x)
    dp = (p - rows) / len(x)
    return dloss * p * (dp - np.sum(dp * p, axis=1, keepdims=True))


def through_log_softmax(dloss, x, rows):
    """The backward of log-softmax, applied to what arrives at it."""
    dlogp = -dloss * rows / len(x)
    return dlogp - softmax(x) * dlogp.sum(axis=1, keepdims=True)


def image_by_image(dloss, x, rows):
    dx = np.empty_like(x)
    for b in range(len(x)):
        logp = x[b] - np.logaddexp.reduce(x[b])
        dx[b] = (np.exp(logp) - rows[b]) * (dloss / len(x))
    return dx


EXERCISE = Exercise(
    slug="cross_entropy_backward", lesson=3, minutes=15, difficulty=2,
    task="Write the gradient of the mean cross-entropy by the logits.",
    solution=cross_entropy_backward, oracle=oracle, cases=cases, outputs=("dx",), extreme=extreme, numeric=numeric,
    properties=(Property("rows add up to 0", rows_add_up_to_zero),), kernels=kernels,
    wrong=(
        Wrong("no-mean", lambda dloss, x, rows: dloss * (softmax(x) - rows), "the factor 1/B is missing: the loss is a "
              "mean over images, so divide by B: / len(x). (Without it the learning rate that works depends on B.)",
              specific=True),
        Wrong("mean-over-all", lambda dloss, x, rows: dloss * (softmax(x) - rows) / x.size, "you divide by B * Y: the "
              "loss is a mean over images, and a *sum* over classes. Divide by B alone, / len(x).", specific=True),
        Wrong("mean-over-classes", lambda dloss, x, rows: dloss * (softmax(x) - rows) / x.shape[1],
              "you divide by the number of classes, Y; the mean is over the B images: / len(x).", specific=True),
        Wrong("sign", lambda dloss, x, rows: dloss * (rows - softmax(x)) / len(x), "the sign is wrong: this points to "
              "where the loss falls. The gradient points to where it grows, p - rows."),
        Wrong("dloss-ignored", lambda dloss, x, rows: (softmax(x) - rows) / len(x), "dloss plays no part: multiply by "
              "it. It is 1 only where nothing comes after the loss."),
        Wrong("softmax-twice", softmax_twice, "softmax's backward is applied to p - rows, which contains it already: "
              "the gradient by the logits is dloss * (p - rows) / B, with no sum over the row any more.",
              specific=True),
        Wrong("by-probabilities", by_probabilities, "-rows / p is the gradient by the probabilities p. Carry it on "
              "through softmax, to the logits.", specific=True),
        Wrong("target-only", lambda dloss, x, rows: dloss * rows * (softmax(x) - 1) / len(x),
              "only the target's logit gets a gradient. The others share in the sum under the softmax, and each must "
              "be pushed down in proportion to its p: p - rows, not rows * (p - 1).", specific=True),
        Wrong("logits-for-probabilities", lambda dloss, x, rows: dloss * (x - rows) / len(x), "the logits themselves "
              "stand where their softmax belongs: p - rows, not x - rows.", specific=True),
        Wrong("wrong-axis", lambda dloss, x, rows: dloss * (softmax(x, axis=0) - rows) / len(x), "softmax runs over "
              "the images. It runs over the classes, axis=1."),
        Wrong("no-max-shift", without_shift, "exp of a large logit overflows: take x - x.max(axis=1, keepdims=True), "
              "of which the largest number in a row is 0.")),
    correct=(through_log_softmax, image_by_image),
    hints=(
        "Take one image, and let its label be certain. The loss is -x_label + log sum_j e^x_j. What is its slope by "
        "x_label, and by another logit?",
        "d/dx_j of log sum_i e^x_i is e^x_j / sum_i e^x_i, the softmax p_j. With soft targets, and because each row "
        "of them adds up to 1: p_j - rows_j for one image.",
        "Softmax of each row (subtract its maximum first), minus rows, divided by the number of images, times dloss."),
    why="The derivative of the logarithm, 1/p, meets the p of the softmax, and they cancel: what is left is the "
        "distance from the targets, which lies between -1 and 1 and never vanishes while the answer is wrong. Taken "
        "apart, -rows/p overflows where p underflows. That is why frameworks offer cross-entropy on logits as one "
        "operation, and why a model ends in logits, not in probabilities.")
