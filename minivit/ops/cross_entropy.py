"""Cross-entropy of a classifier: how surprised its softmax is by the targets, in nats per image.

    loss = -1/B sum_b sum_y t_by log softmax(x_b)_y

The rows t_b of the target add up to 1: one-hot rows of class indices, or soft targets (mixup, distillation); label
smoothing s moves them towards uniform, t <- (1 - s) t + s / Y.

Shapes: logits x (B, Y), targets (B,) integers or (B, Y) floating-point, loss ().

Backward:  dx = dloss (softmax(x) - t) / B        (softmax(x) times the sum of t_b, where that is not 1)

Source: Szegedy et al. 2016, "Rethinking the Inception architecture", arXiv 1512.00567, section 7, for the smoothing.
Lesson 3 derives it.
"""
from pathlib import Path

import numpy as np

from minivit.backend import device_of, xp_of
from minivit.cuda.kernels import Kernels
from minivit.function import Function
from minivit.ops.rows import BLOCK, LONG, VARIANTS, launch_rows
from minivit.ops.softmax import log_softmax
from minivit.tensor import Tensor, apply

KERNELS = Kernels(Path(__file__).with_suffix(".cu"), VARIANTS)


def composed(x, rows, images):
    """The definition; autograd finds its gradient. rows: the target rows (B, Y)."""
    return -(log_softmax(x) * rows).sum() * (1 / images)


class CrossEntropy(Function):
    """Cross-entropy by hand: it saves log-probabilities and targets."""

    name = "cross_entropy"
    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, rows, images):
        logp = x - x.max(axis=1, keepdims=True)
        logp -= np.log(np.exp(logp).sum(axis=1, keepdims=True))
        ctx.save(logp, rows)
        ctx.images = images
        return -np.vdot(logp, rows) / images

    @staticmethod
    def backward(ctx, dloss):
        logp, rows = ctx.saved
        dx = np.exp(logp)
        dx *= rows.sum(axis=1, keepdims=True)
        dx -= rows
        dx *= dloss / ctx.images
        return dx, None

    @staticmethod
    def forward_cuda(ctx, x, rows, images):
        xp, (B, Y) = xp_of(x), x.shape
        x, rows = xp.ascontiguousarray(x), xp.ascontiguousarray(rows)
        logp, losses, loss = xp.empty_like(x), xp.empty(B, x.dtype), xp.empty((), x.dtype)
        launch_rows(KERNELS, "cross_entropy_forward", B, Y, (x, rows, logp, losses, B, Y))
        KERNELS.launch("cross_entropy_total", 1, BLOCK, (losses, loss, B, images), constants=LONG)
        ctx.save(logp, rows)
        ctx.images = images
        return loss

    @staticmethod
    def backward_cuda(ctx, dloss):
        logp, rows = ctx.saved
        B, Y = logp.shape
        dx = xp_of(logp).empty_like(logp)
        launch_rows(KERNELS, "cross_entropy_backward", B, Y, (dloss, logp, rows, dx, B, Y, ctx.images))
        return dx, None


def target_rows(targets, classes, label_smoothing, dtype):
    """Targets as rows of probabilities (B, classes): class indices become one-hot rows; then they are smoothed."""
    if targets.ndim == 1:
        rows = (targets[:, None] == xp_of(targets).arange(classes)).astype(dtype)
        if rows.dtype.kind == "f":
            rows /= rows.sum(axis=1, keepdims=True)         # of an index outside, which is in no column: 0 / 0 = nan
    else:
        rows = targets.astype(dtype)
    if label_smoothing:
        rows = rows * (1 - label_smoothing) + label_smoothing / classes
    return rows


def cross_entropy(logits, targets, label_smoothing=0.0, images=None):
    """The mean cross-entropy of logits (B, Y) against class indices (B,) or soft targets (B, Y): a scalar Tensor.

    images: divide by this number instead of B, where the logits are a part of a larger batch, so that the parts' losses
    add up to the loss of the whole. Targets receive no gradient.
    Raises ValueError for shapes that do not fit and for a class index outside 0 ... Y - 1, TypeError for float indices.
    On a GPU, where indices cannot be looked at without making the host wait, one outside makes the loss nan.
    """
    if isinstance(logits, tuple):
        raise TypeError("cross_entropy needs the logits of one head, and was given several: a distilled model returns "
                        "a pair in training. Use minivit.train.Classification or Distillation, or model.eval()")
    targets = targets.data if isinstance(targets, Tensor) else targets
    targets = targets if hasattr(targets, "dtype") else np.asarray(targets)
    if logits.ndim != 2 or targets.shape not in ((len(logits),), logits.shape):
        raise ValueError(f"cross_entropy needs logits (B, Y) with targets (B,) or (B, Y), not logits {logits.shape} "
                         f"with targets {targets.shape}")
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must be 0 <= s < 1, not {label_smoothing}")
    B, Y = logits.shape
    if images is not None and images < B:
        raise ValueError(f"images={images} is the size of the whole batch, of which these logits are {B}")
    if targets.ndim == 1:
        if targets.dtype.kind not in "iu":
            raise TypeError(f"class indices are integers, not {targets.dtype}: soft targets have shape (B, Y) = {B, Y}")
        wrong = np.flatnonzero((targets < 0) | (targets >= Y)) if device_of(targets) == "cpu" else ()
        if len(wrong):
            raise ValueError(f"class index {targets[wrong[0]]} of image {wrong[0]} is outside 0 ... {Y - 1}: the model "
                             f"has {Y} classes. Were labels counted from 1, or does the model have too few classes?")
    elif targets.dtype.kind != "f":
        raise TypeError(f"soft targets are probabilities, not {targets.dtype}: class indices have shape (B,) = ({B},)")
    return apply(CrossEntropy, logits, target_rows(targets, Y, label_smoothing, logits.dtype), images=images or B)
