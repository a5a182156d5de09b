"""Checks of mixup_loss."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.mixup_loss import mixup_loss
from minivit.modes import using
from minivit.tensor import Tensor


def oracle(x, labels, others, lam):
    """Autograd's, of two losses added up."""
    logits = Tensor(x, requires_grad=True)
    with using("composed"):
        loss = ops.cross_entropy(logits, labels) * lam + ops.cross_entropy(logits, others) * (1 - lam)
        loss.backward()
    return loss.item(), logits.grad


def cases(rng):
    def arguments(B, Y, scale=1.0):
        labels = rng.integers(0, Y, B)
        others = (labels + rng.integers(1, Y, B)) % Y
        others[0] = labels[0]                                   # two images of one class
        return scale * rng.standard_normal((B, Y)), labels, others, float(rng.uniform(0.55, 0.9))

    return [("4x7", arguments(4, 7)), ("1x5", arguments(1, 5)), ("3x2", arguments(3, 2)), ("6x3", arguments(6, 3)),
            ("5x4, large logits", arguments(5, 4, scale=2000.0))]


def extreme(rng):
    x = (1e4 * rng.standard_normal((3, 4))).astype(np.float32)
    return [("3x4, logits around 10,000", (x, np.array([0, 3, 1]), np.array([2, 3, 0]), 0.75))]


def numeric(x, labels, others, lam):
    def loss(x):
        logp = x - np.logaddexp.reduce(x, axis=1, keepdims=True)
        rows = np.arange(len(x))
        return -np.mean(lam * logp[rows, labels] + (1 - lam) * logp[rows, others])

    return float(loss(x)), numeric_gradient(loss, x, 1.0)


def other_way_round(function, rng):
    x, labels, others, lam = cases(rng)[0][1]
    (one, _), (other, _) = function(x, labels, others, lam), function(x, others, labels, 1 - lam)
    if abs(one - other) > 1e-9:
        return (f"lam of A and 1 - lam of B is the same as 1 - lam of B and lam of A, and your loss is {one:.6f} one "
                f"way and {other:.6f} the other")


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def rows_of(x, labels, others, lam):
    """The targets (B, Y)."""
    Y = np.eye(x.shape[1], dtype=x.dtype)
    return lam * Y[labels] + (1 - lam) * Y[others]


def rule(*, targets=rows_of, loss=lambda x, rows: -np.sum(rows * log_softmax(x)) / len(x),
         gradient=lambda x, rows: (softmax(x) - rows) / len(x)):
    """Loss and gradient with one of their parts replaced: a wrong answer."""
    def mixed(x, labels, others, lam):
        rows = targets(x, labels, others, lam)
        return loss(x, rows), gradient(x, rows)
    return mixed


def overwritten(x, labels, others, lam):
    rows = np.zeros_like(x)
    rows[np.arange(len(x)), labels] = lam
    rows[np.arange(len(x)), others] = 1 - lam
    return rows


def first_alone(x, labels, others, lam):
    loss, dx = mixup_loss(x, labels, labels, lam)
    return lam * loss, lam * dx


def of_mixed_probability(x, labels, others, lam):
    p, rows = softmax(x), rows_of(x, labels, others, lam)
    with np.errstate(all="ignore"):
        mixed = (p * rows).sum(axis=1, keepdims=True)
        return -np.log(mixed).mean(), (p - p * rows / mixed) / len(x)


def unshifted(x, labels, others, lam):
    with np.errstate(all="ignore"):
        rows, logp = rows_of(x, labels, others, lam), x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        return -np.sum(rows * logp) / len(x), (np.exp(logp) - rows) / len(x)


def two_losses(x, labels, others, lam):
    """A correct answer: two cross-entropies with their gradients, mixed."""
    rows, p, logp = np.arange(len(x)), softmax(x), log_softmax(x)
    loss, dx = 0.0, np.zeros_like(x)
    for share, y in ((lam, labels), (1 - lam, others)):
        gradient = p.copy()
        gradient[rows, y] -= 1
        loss -= share * logp[rows, y].mean()
        dx += share / len(x) * gradient
    return loss, dx


def image_by_image(x, labels, others, lam):
    """A correct answer with a loop."""
    loss, dx = 0.0, np.empty_like(x)
    for b, (one, other) in enumerate(zip(labels, others)):
        logp = x[b] - np.logaddexp.reduce(x[b])
        loss -= (lam * logp[one] + (1 - lam) * logp[other]) / len(x)
        dx[b] = np.exp(logp) / len(x)
        dx[b, one] -= lam / len(x)
        dx[b, other] -= (1 - lam) / len(x)
    return loss, dx


EXERCISE = Exercise(
    slug="mixup_loss", lesson=10, minutes=15, difficulty=2,
    task="Write the loss of mixed images and its gradient by the logits.",
    solution=mixup_loss, oracle=oracle, cases=cases, outputs=("loss", "dx"), numeric=numeric, extreme=extreme,
    properties=(Property("the same the other way round", other_way_round),),
    wrong=(
        Wrong("same-class-overwritten", rule(targets=overwritten), "where both images are of one class, the second "
              "assignment overwrites the first: the target is then 1 - lam, and must be 1. Add with +=.",
              specific=True),
        Wrong("lam-swapped", rule(targets=lambda x, labels, others, lam: rows_of(x, others, labels, lam)), "lam and 1 "
              "- lam are exchanged: lam is the share of `labels`.", specific=True),
        Wrong("labels-only", rule(targets=lambda x, labels, others, lam: rows_of(x, labels, labels, lam)), "`others` "
              "plays no part: the network is asked to be certain of one image where it sees two.", specific=True),
        Wrong("second-loss-missing", first_alone, "only lam CE(x, labels) is there: (1 - lam) CE(x, others) is "
              "missing, in the loss and in dx.", specific=True),
        Wrong("not-weighted", rule(targets=lambda x, labels, others, lam: 2 * rows_of(x, labels, others, 0.5),
                                   gradient=lambda x, rows: (2 * softmax(x) - rows) / len(x)), "both losses count in "
              "full: lam plays no part.", specific=True),
        Wrong("softmax-for-each", rule(gradient=lambda x, rows: (2 * softmax(x) - rows) / len(x)), "dx has 2 * p in "
              "it, one p for each label. Their weights are lam and 1 - lam, which add up to 1: p - targets.",
              specific=True),
        Wrong("of-mixed-probability", of_mixed_probability, "this is the logarithm of mixed probabilities, -log(lam p "
              "+ (1 - lam) p'). Mixed are the losses, that is, the logarithms: the network must predict both shares, "
              "not be content with one.", specific=True),
        Wrong("no-mean", rule(loss=lambda x, rows: -np.sum(rows * log_softmax(x)),
                              gradient=lambda x, rows: softmax(x) - rows), "the factor 1/B is missing: the loss is a "
              "mean over images."),
        Wrong("no-mean-in-dx", rule(gradient=lambda x, rows: softmax(x) - rows), "the loss is right, a mean over "
              "images; then dx has the factor 1/B too."),
        Wrong("sign", rule(gradient=lambda x, rows: (rows - softmax(x)) / len(x)), "the sign of dx is wrong: the "
              "gradient points to where the loss grows, p - targets."),
        Wrong("no-max-shift", unshifted, "exp of a large logit overflows: subtract the row's largest first, x - "
              "x.max(axis=1, keepdims=True).")),
    correct=(two_losses, image_by_image),
    hints=(
        "Cross-entropy is a sum over classes of target times -log p, and so linear in the target. What single row of "
        "targets gives the mixture of both losses?",
        "A row of targets: lam at the one label, plus 1 - lam at the other (at the same place, where both are one "
        "class). From there it is lesson 3: the gradient by the logits is (p - targets) / B.",
        "Log-softmax of each row, with its maximum subtracted; targets from zeros by two additions at [arange(B), "
        "...]; the loss is minus the mean over images of the row sums of targets * logp."),
    why="Because cross-entropy is linear in its targets, mixing losses and mixing targets are the same, and a soft "
        "row of targets is all that mixup, cutmix, label smoothing and a teacher's probabilities (lesson 15) need: one "
        "op, whose gradient is p - targets each time. The least loss is no longer 0. It is the entropy of the targets, "
        "and so a training loss under mixup cannot be read like one without it.")
