"""Checks of unbroadcast."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.unbroadcast import unbroadcast

BROADCASTS = (((3, 5), (2, 3, 5)), ((3, 1), (2, 3, 5)), ((1, 4, 1), (3, 4, 2)), ((1, 6), (2, 1, 6)), ((), (3, 4)),
              ((4,), (4, 3, 4)), ((2, 7), (2, 7)))


def cases(rng):
    return [(f"{shape} broadcast to {target}", (rng.standard_normal(target), shape)) for shape, target in BROADCASTS]


def oracle(gradient, shape):
    """One place at a time, added to the number that it is a copy of."""
    total = np.zeros(shape, gradient.dtype)
    source = np.broadcast_to(np.arange(total.size).reshape(shape), gradient.shape)
    np.add.at(total.reshape(-1), source, gradient)
    return total


def adjoint(function, rng):
    """<broadcast(x), dy> = <x, unbroadcast(dy)>: what a backward of something linear must fulfil."""
    for shape, target in BROADCASTS:
        x, dy = rng.standard_normal(shape), rng.standard_normal(target)
        there, back = np.vdot(np.broadcast_to(x, target), dy), np.vdot(x, function(dy, shape))
        if abs(there - back) > 1e-9:
            return (f"sum(broadcast(x) * dy) is {there:.6g}, and sum(x * unbroadcast(dy)) must be the same: it is "
                    f"{back:.6g} ({shape} to {target})")


def by_axes(gradient, shape):
    padded = (1,) * (gradient.ndim - len(shape)) + shape
    axes = tuple(axis for axis, size in enumerate(padded) if size != gradient.shape[axis])
    return gradient.sum(axis=axes, keepdims=True).reshape(shape)


def by_einsum(gradient, shape):
    letters = "abcdefgh"[:gradient.ndim]
    own = "".join(letter for letter, size in zip(letters[gradient.ndim - len(shape):], shape) if size > 1)
    return np.einsum(f"{letters}->{own}", gradient).reshape(shape)


def first_of_new_axes(gradient, shape):
    while gradient.ndim > len(shape):
        gradient = gradient[0]
    return unbroadcast(gradient, shape)


def first_of_stretched(gradient, shape):
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    return gradient[tuple(slice(0, 1) if size == 1 else slice(None) for size in shape)]


def new_axes_alone(gradient, shape):
    return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))


def without_keepdims(gradient, shape):
    gradient = new_axes_alone(gradient, shape)
    return gradient.sum(axis=tuple(axis for axis, size in enumerate(shape) if size == 1))


def mean_for_sum(gradient, shape):
    copies = gradient.size // int(np.prod(shape, dtype=int))
    return unbroadcast(gradient, shape) / copies


def aligned_left(gradient, shape):
    gradient = gradient.sum(axis=tuple(range(len(shape), gradient.ndim)))
    return unbroadcast(gradient, shape)


def whole_sum(gradient, shape):
    return unbroadcast(gradient, shape) if gradient.shape == shape else np.full(shape, gradient.sum(),
                                                                                gradient.dtype)


def stretched_alone(gradient, shape):
    added = gradient.ndim - len(shape)
    return gradient.sum(axis=tuple(added + axis for axis, size in enumerate(shape) if size == 1), keepdims=True)


EXERCISE = Exercise(
    slug="unbroadcast", lesson=2, minutes=15, difficulty=1,
    task="Write the backward of broadcasting: bring a gradient back to the shape that was broadcast.",
    solution=unbroadcast, oracle=oracle, cases=cases, outputs=("gradient",),
    properties=(Property("adjoint of broadcasting", adjoint),),
    numeric=lambda gradient, shape: numeric_gradient(lambda x: np.broadcast_to(x, gradient.shape), np.ones(shape),
                                                     gradient),
    wrong=(
        Wrong("new-axes-not-summed", stretched_alone, "the axes that broadcasting put in front are still there. A "
              "copy was made along each of them too: sum over them, without keepdims.", specific=True),
        Wrong("new-axes-first-only", first_of_new_axes, "along the new axes in front only the first copy's gradient "
              "is taken. Every copy moves the loss: sum over them.", specific=True),
        Wrong("stretched-not-summed", new_axes_alone, "the axes of size 1 that were stretched keep their length: sum "
              "over them as well, with keepdims=True.", specific=True),
        Wrong("stretched-first-only", first_of_stretched, "along a stretched axis only the first copy's gradient is "
              "taken: sum over it.", specific=True),
        Wrong("size-1-axis-lost", without_keepdims, "the axes of size 1 are gone: the gradient of a (3, 1) array is "
              "(3, 1), not (3,). keepdims=True keeps them.", specific=True),
        Wrong("mean-for-sum", mean_for_sum, "you take the mean over the copies. Each moves the loss by its full "
              "gradient: they add up."),
        Wrong("aligned-left", aligned_left, "shapes are lined up from the right: the axes that broadcasting added are "
              "the *first* ones, range(added) with added = ndim - len(shape), and you sum over the last.",
              specific=True),
        Wrong("sum-of-everything", whole_sum, "the whole gradient is summed into every place. A number gets the sum "
              "over its own copies, not over those of its neighbours.", specific=True)),
    correct=(by_axes, by_einsum),
    hints=(
        "Write down, for shape (3, 1) and gradient (2, 3, 5), which elements of the gradient belong to copies of "
        "element (1, 0).",
        "Two kinds of axes: those that are missing in `shape` (the first ndim - len(shape)), and those of size 1 in "
        "it. Sum over both; the first kind vanishes, the second kind stays, with size 1.",
        "gradient.sum(axis=tuple(range(added))), then for each axis of size 1 a sum with keepdims=True. (An empty "
        "tuple of axes sums over nothing.)"),
    why="Copying and summing are each other's backward. Where a bias of D numbers is added to B * N tokens, its "
        "gradient is a sum over B * N rows; where the same weight is used twice, its two gradients add up: it is the "
        "+= of lesson 1 in other clothes. A forgotten sum is usually caught by the shape. The dangerous case is the "
        "axis whose length happens to be 1 in the test, and is not in the training.")
