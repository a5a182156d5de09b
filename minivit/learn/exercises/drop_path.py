"""Checks of drop_path."""
from dataclasses import dataclass

import numpy as np

from minivit import nn, ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.drop_path import drop_path
from minivit.modes import using
from minivit.tensor import Tensor


@dataclass(frozen=True)
class Given:
    """Random numbers that are known."""

    numbers: np.ndarray

    def uniform(self, shape):
        """The numbers, one for each image."""
        return self.numbers.reshape(shape)


def oracle(x, uniform, p, training):
    """minivit's op, and in evaluation its layer."""
    if not training:
        return nn.DropPath(p).eval()(Tensor(x)).data
    with using("composed"):
        return ops.drop_path(Tensor(x), p, draw=Given(uniform)).data


def cases(rng):
    def arguments(*shape, training=True):
        """With numbers spread so that some images are kept and some are dropped."""
        B = shape[0]
        uniform = (rng.permutation(B) + rng.random(B)) / B
        return rng.standard_normal(shape), uniform, float(rng.uniform(0.3, 0.45)), training

    return [("5x2x3", arguments(5, 2, 3)), ("4x1x3", arguments(4, 1, 3)), ("7x4", arguments(7, 4)),
            ("6x2x1x3", arguments(6, 2, 1, 3)), ("4x2x3, evaluation", arguments(4, 2, 3, training=False)),
            ("3x2, evaluation", arguments(3, 2, training=False))]


def mean_stays(function, rng):
    x = np.ones((4000, 1, 2))
    mean = function(x, rng.random(4000), 0.3, True).mean()
    if abs(mean - 1) > 0.1:
        return f"over many images the mean of y must be that of x, 1 here, and yours is {mean:.2f}"


def nothing_to_drop(function, rng):
    x = rng.standard_normal((3, 2, 4))
    if not np.array_equal(function(x, np.array([0.0, 0.5, 0.9]), 0.0, True), x):
        return "with p = 0 nothing is dropped, y is x, even where the random number is 0"


def rule(*, keep=lambda uniform, p: uniform >= p, kept=lambda x, mask, p: x * mask / (1 - p),
         evaluation=lambda x, mask, p: x):
    """The layer with one of its parts replaced: a wrong answer."""
    def layer(x, uniform, p, training):
        mask = np.array(keep(uniform, p)).reshape((-1,) + (1,) * (x.ndim - 1))
        return kept(x, mask, p) if training else evaluation(x, mask, p)
    return layer


def right(x, mask, p):
    return x * mask / (1 - p)


def in_place(x, uniform, p, training):
    """A correct answer that works on a copy."""
    y = x.copy()
    if training:
        y /= 1 - p
        y[uniform < p] = 0
    return y


def image_by_image(x, uniform, p, training):
    """A correct answer with a loop."""
    y = np.zeros_like(x)
    for b in range(len(x)):
        if not training:
            y[b] = x[b]
        elif uniform[b] >= p:
            y[b] = x[b] * (1 / (1 - p))
    return y


def by_einsum(x, uniform, p, training):
    """A correct answer: a factor for each image."""
    factors = (uniform >= p).astype(x.dtype) / (1 - p) if training else np.ones(len(x), x.dtype)
    return np.einsum("b...,b->b...", x, factors)


EXERCISE = Exercise(
    slug="drop_path", lesson=10, minutes=10, difficulty=1,
    task="Drop a residual branch for some images at random, in training only.",
    solution=drop_path, oracle=oracle, cases=cases, outputs=("y",),
    properties=(Property("the mean stays", mean_stays), Property("nothing to drop", nothing_to_drop)),
    wrong=(
        Wrong("not-scaled", rule(kept=lambda x, mask, p: x * mask), "kept images are not divided by 1 - p. In "
              "training the branch would then give less, on average, than in evaluation, where all of it is there.",
              specific=True),
        Wrong("on-in-evaluation", rule(evaluation=right), "images are dropped in evaluation, too: predictions would "
              "be random. Where training is False, y is x.", specific=True),
        Wrong("scaled-in-evaluation", rule(kept=lambda x, mask, p: x * mask, evaluation=lambda x, mask, p: x * (1 -
                                           p)), "this is the original paper's form: nothing is scaled in training, and "
              "evaluation multiplies by 1 - p. Here the factor is in training, so that evaluation is untouched.",
              specific=True),
        Wrong("scaled-in-both", rule(evaluation=lambda x, mask, p: x / (1 - p)), "evaluation divides by 1 - p, too. "
              "Nothing was dropped there, so nothing has to be made up for.", specific=True),
        Wrong("divided-by-p", rule(kept=lambda x, mask, p: x * mask / p), "kept images are divided by p, the share "
              "that is dropped. Divide by the share that is kept, 1 - p."),
        Wrong("multiplied", rule(kept=lambda x, mask, p: x * mask * (1 - p)), "kept images are multiplied by 1 - p. "
              "Divide, x / (1 - p): the few that are left must stand in for all."),
        Wrong("dropped-for-kept", rule(keep=lambda uniform, p: uniform < p), "the wrong images are kept: those with "
              "uniform < p are dropped."),
        Wrong("other-end", rule(keep=lambda uniform, p: uniform < 1 - p), "the share is right, and the images are "
              "others: dropped are those with uniform < p, kept those with uniform >= p."),
        Wrong("whole-batch", rule(keep=lambda uniform, p: np.broadcast_to(uniform[0] >= p, len(uniform))), "the first "
              "random number, uniform[0], decides for the whole batch. Each image has one of its own.", specific=True),
        Wrong("identity-for-dropped", rule(kept=lambda x, mask, p: np.where(mask, x / (1 - p), x)), "dropped images "
              "keep x. But x is what the branch adds: of the two values (x / (1 - p), 0) a dropped image gets the 0, "
              "and the image passes by on the residual.", specific=True),
        Wrong("share-in-this-batch", rule(kept=lambda x, mask, p: x * mask / mask.mean()), "you divide by the share "
              "that happened to be kept in this batch. Then what one image gives depends on the luck of the others, "
              "and a batch of which all were dropped divides by 0. Divide by 1 - p.", specific=True)),
    correct=(in_place, image_by_image, by_einsum),
    hints=(
        "There is one random number for each image, and it decides over all numbers of that image.",
        "In training, y_b is x_b / (1 - p) or 0. A mask (B,) must be given the shape (B, 1, 1, ...), with as many axes "
        "as x, before it can be multiplied with x.",
        "If not training, return x. Else a mask uniform >= p, reshaped to one number for each image and axes of "
        "length 1; x times the mask, divided by what share is kept."),
    why="Divided by 1 - p, the branch gives in training on average what it gives in evaluation: p * 0 + (1 - p) * x / "
        "(1 - p) = x. In a ViT of 12 blocks p grows from 0 in the first to 0.1 in the last, say; the other 11 have two "
        "branches each, and an image trains one of 2^22 networks that share their weights. Dropping per image, not per "
        "number, lets a program skip the computing; with masks, as here, it is computed and thrown away.")
