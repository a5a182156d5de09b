"""Checks of clip_grad_norm."""
import math

import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.clip_grad_norm import clip_grad_norm


def probe(function, a, b, c, max_norm):
    """The norm, and what has become of three gradients."""
    gradients = [a.copy(), b.copy(), c.copy()]
    norm = function(gradients, max_norm)
    return (norm, *gradients)


def oracle(a, b, c, max_norm):
    """One long vector, shortened."""
    vector = np.concatenate([a.ravel(), b.ravel(), c.ravel()])
    norm = float(np.linalg.norm(vector))
    clipped = vector * min(1.0, max_norm / norm if norm else 1.0)
    first, second, third = np.split(clipped, [a.size, a.size + b.size])
    return norm, first.reshape(a.shape), second.reshape(b.shape), third.reshape(c.shape)


def cases(rng):
    def arguments(*shapes, share):
        gradients = [rng.uniform(20, 60) * rng.standard_normal(shape) for shape in shapes]
        return *gradients, share * float(np.linalg.norm(np.concatenate([g.ravel() for g in gradients])))

    return [("too long, 4x3 2 1x5", arguments((4, 3), (2,), (1, 5), share=0.3)),
            ("too long, 2x3x4 6 3x1", arguments((2, 3, 4), (6,), (3, 1), share=0.7)),
            ("short enough, 3 2x5 4", arguments((3,), (2, 5), (4,), share=1.4)),
            ("much too long, 5x2 1 7", arguments((5, 2), (1,), (7,), share=0.01))]


def extreme(rng):
    a, b, c = (np.zeros(shape, np.float32) for shape in ((2, 3), (4,), (1, 2)))
    return [("all gradients 0", (a, b, c, 1.0))]


def keeps_direction(function, rng):
    before = [40 * rng.standard_normal(shape) for shape in ((3, 4), (5,), (2, 2))]
    _, *after = probe(function, *before, 2.0)
    one, other = (np.concatenate([g.ravel() for g in gradients]) for gradients in (before, after))
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    if abs(cosine - 1) > 1e-9:
        return f"all gradients together must keep their direction, and the cosine of old and new is {cosine:.4f}"


def rule(*, norm_of=lambda gradients: math.sqrt(sum(float(np.vdot(g, g)) for g in gradients)),
         clip=lambda norm, max_norm: max_norm / norm if norm > max_norm else 1.0):
    """Clipping with one of its parts replaced: a wrong answer."""
    def clipping(gradients, max_norm):
        norm = norm_of(gradients)
        for g in gradients:
            g *= clip(norm, max_norm)
        return norm
    return clipping


def each_by_itself(gradients, max_norm):
    norm = rule()([g.copy() for g in gradients], max_norm)
    for g in gradients:
        rule()([g], max_norm)
    return norm


def by_value(gradients, max_norm):
    norm = rule()([g.copy() for g in gradients], max_norm)
    for g in gradients:
        np.clip(g, -max_norm, max_norm, out=g)
    return norm


def norm_afterwards(gradients, max_norm):
    rule()(gradients, max_norm)
    return math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))


def names_only(gradients, max_norm):
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    for g in gradients:
        g = g * min(1.0, max_norm / norm if norm else 1.0)
    return norm


def with_a_small_number(gradients, max_norm):
    """A correct answer, as PyTorch writes it: what is added to the norm spares the case of 0."""
    norm = np.linalg.norm([np.linalg.norm(g) for g in gradients])
    for g in gradients:
        np.multiply(g, min(1.0, float(max_norm / (norm + 1e-6))), out=g)
    return norm


def number_by_number(gradients, max_norm):
    """A correct answer that goes over all numbers one by one, and puts new arrays into the list."""
    total = 0.0
    for g in gradients:
        for number in g.flat:
            total += float(number) ** 2
    if total > max_norm ** 2:
        for k, g in enumerate(gradients):
            gradients[k] = g * (max_norm / total ** 0.5)
    return total ** 0.5


EXERCISE = Exercise(
    slug="clip_grad_norm", lesson=10, minutes=15, difficulty=2,
    task="Clip a list of gradients by their joint norm, in place.",
    solution=clip_grad_norm, oracle=oracle, cases=cases, outputs=("norm", "a", "b", "c"), probe=probe, extreme=extreme,
    properties=(Property("the direction stays", keeps_direction),),
    wrong=(
        Wrong("each-by-itself", each_by_itself, "each gradient is clipped by its own norm. That changes the direction "
              "of the step: large layers are held back, small ones are not. There is one norm, and one factor for "
              "all.", specific=True),
        Wrong("by-value", by_value, "single numbers are clipped, to -max_norm ... max_norm. That changes the direction "
              "too, and bounds no norm. Multiply all by one factor.", specific=True),
        Wrong("sum-of-norms", rule(norm_of=lambda gradients: sum(float(np.linalg.norm(g)) for g in gradients)), "the "
              "norms of the gradients are added up. Lengths at right angles add as in Pythagoras' theorem: add all "
              "squares first, then take one root, sqrt(sum of squares).", specific=True),
        Wrong("scales-up", rule(clip=lambda norm, max_norm: max_norm / norm if norm else 1.0), "short gradients are "
              "made longer, up to max_norm. Near a minimum that throws the model out again: the factor is 1 at most.",
              specific=True),
        Wrong("to-length-one", rule(clip=lambda norm, max_norm: 1 / norm if norm > max_norm else 1.0), "gradients that "
              "are too long get the norm 1. They must get max_norm."),
        Wrong("no-root", rule(norm_of=lambda gradients: sum(float(np.vdot(g, g)) for g in gradients)), "this is the "
              "square of the norm: take its root, math.sqrt."),
        Wrong("largest-number", rule(norm_of=lambda gradients: max(float(np.abs(g).max()) for g in gradients)), "this "
              "is the largest number, max(...). The norm is the root of the sum of all squares, math.sqrt(sum(...))."),
        Wrong("largest-norm", rule(norm_of=lambda gradients: max(float(np.linalg.norm(g)) for g in gradients)), "this "
              "is the norm of the longest gradient alone, max(...). All of them together are one vector: add up their "
              "squares, then take one root.", specific=True),
        Wrong("mean-square", rule(norm_of=lambda gradients: math.sqrt(
              sum(float(np.vdot(g, g)) for g in gradients) / sum(g.size for g in gradients))), "this is the root of "
              "the *mean* square; the norm has the sum of all squares."),
        Wrong("sum-of-magnitudes", rule(norm_of=lambda gradients: float(sum(np.abs(g).sum() for g in gradients))),
              "this adds up magnitudes, np.abs; the norm is the root of the sum of squares, math.sqrt(sum(...))."),
        Wrong("norm-afterwards", norm_afterwards, "the norm that is returned is that of the clipped gradients, as by a "
              "second math.sqrt(...): it says nothing new. What one wants to see in a log is the norm before.",
              specific=True),
        Wrong("not-in-place", names_only, "the gradients are as long as before. `g = g * factor` makes a new array and "
              "gives it the name g; the list still holds the old one. Write `g *= factor`.", specific=True)),
    correct=(with_a_small_number, number_by_number),
    hints=(
        "How long would one vector be that holds the numbers of all gradients, one after the other? It need not be "
        "made.",
        "Add the squares of all numbers of all gradients, and take one root at the end. The factor is the same for "
        "all, max_norm / norm, and is used only where norm is larger than max_norm.",
        "First the norm. If it is larger than max_norm: for g in gradients, multiply g in place (`*=`). Return the "
        "norm in any case."),
    why="One factor for all leaves the direction of the step as it was, so clipping says only: not so far. It costs "
        "one pass over the gradients, and mostly does nothing, which is why the norm itself is worth keeping in a log: "
        "it rises before a loss breaks. minivit and PyTorch divide by norm + 1e-6. And with Adam? The size of a "
        "gradient is divided out there; what clipping changes is how much one wild batch counts among the others.")
