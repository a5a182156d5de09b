"""Checks of maxpool_backward."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.maxpool_backward import maxpool_backward
from minivit.modes import using
from minivit.ops.pool import MaxPool2d
from minivit.tensor import Tensor


def all_different(rng, shape):
    """Numbers a quarter apart, so that nudging one by a little changes no maximum."""
    size = int(np.prod(shape))
    return (rng.permutation(size) - size // 2).reshape(shape) / 4


def few_values(rng, shape):
    """Numbers 0, 1 and 2: most windows have several that are largest."""
    return rng.integers(0, 3, shape).astype(float)


def case(rng, made, shape, size, stride):
    grid = tuple((side - size) // stride + 1 for side in shape[2:])
    label = f"x {'x'.join(map(str, shape))}{' with ties' if made is few_values else ''}, size {size}, stride {stride}"
    return label, (rng.standard_normal(shape[:2] + grid), made(rng, shape), size, stride)


def cases(rng):
    return [case(rng, all_different, (2, 3, 4, 7), 2, 2), case(rng, all_different, (3, 2, 7, 6), 3, 2),
            case(rng, few_values, (2, 2, 6, 4), 2, 2), case(rng, few_values, (1, 2, 5, 6), 3, 1)]


def oracle(dy, x, size, stride):
    """Autograd's, through the definition."""
    x = Tensor(x, requires_grad=True)
    with using("composed"):
        ops.max_pool2d(x, size, stride).backward(dy)
    return x.grad


def pooled(x, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.max(axis=(4, 5))


def nothing_is_lost(function, rng):
    _, (dy, x, size, stride) = case(rng, few_values, (2, 2, 7, 9), 3, 2)
    dx = function(dy, x, size, stride)
    lost = np.abs(dx.sum(axis=(2, 3)) - dy.sum(axis=(2, 3))).max()
    if lost > 1e-9:
        return (f"what arrives at the windows of a channel must be all there in its dx, ties or not: their sums are "
                f"equal; yours differ by {lost:.3g}")


def variant(dy, x, size, stride, share=lambda largest: largest / largest.sum(axis=(2, 3), keepdims=True), step=None,
            over=(2, 3), add=True):
    """Window by window, where share(mask of the largest) says how they divide dy; each step may be done otherwise."""
    dx, step = np.zeros_like(x), step or stride
    for gy, gx in np.ndindex(dy.shape[2:]):
        window = np.s_[:, :, gy * step:gy * step + size, gx * step:gx * step + size]
        parts = share(x[window] == x[window].max(axis=over, keepdims=True)) * dy[:, :, gy:gy + 1, gx:gx + 1]
        dx[window] = dx[window] + parts if add else parts
    return dx


def by_places(dy, x, size, stride):
    """A correct answer as minivit has it: all windows at once, one place in them after the other."""
    y, dx = pooled(x, size, stride), np.zeros_like(x)
    places = [np.s_[:, :, py:py + (dy.shape[2] - 1) * stride + 1:stride, px:px + (dy.shape[3] - 1) * stride + 1:stride]
              for py in range(size) for px in range(size)]
    ties = sum((x[place] == y).astype(x.dtype) for place in places)
    for place in places:
        dx[place] += np.where(x[place] == y, dy / ties, 0)
    return dx


def one_window_after_the_other(dy, x, size, stride):
    """A correct answer that counts in plain Python."""
    dx = np.zeros_like(x)
    for b, c, gy, gx in np.ndindex(dy.shape):
        pixels = [(gy * stride + py, gx * stride + px) for py in range(size) for px in range(size)]
        best = max(x[b, c][pixel] for pixel in pixels)
        winners = [pixel for pixel in pixels if x[b, c][pixel] == best]
        for pixel in winners:
            dx[b, c][pixel] += dy[b, c, gy, gx] / len(winners)
    return dx


def first_alone(largest):
    flat = largest.reshape(*largest.shape[:2], -1)
    return (np.cumsum(flat, axis=-1) * flat == 1).reshape(largest.shape)


def values_for_slopes(dy, x, size, stride):
    return variant(dy, x, size, stride) * x


def smallest(dy, x, size, stride):
    return variant(dy, -x, size, stride)


def kernels(function):
    """Max pooling with the learner's backward; windows that are no squares are minivit's."""
    def backward(ctx, dy):
        g = ctx.g
        if g.size[0] != g.size[1] or g.stride[0] != g.stride[1]:
            return MaxPool2d.backward(ctx, dy)
        return function(dy, ctx.saved[0], g.size[0], g.stride[0])[(...,) + g.inside()]
    return {"max_pool2d": (MaxPool2d.forward, backward)}


EXERCISE = Exercise(
    slug="maxpool_backward", lesson=4, minutes=20, difficulty=2,
    task="Write the gradient of max pooling, where equally large pixels share.",
    solution=maxpool_backward, oracle=oracle, cases=cases, outputs=("dx",), kernels=kernels,
    properties=(Property("nothing is lost", nothing_is_lost),),
    numeric=lambda dy, x, size, stride: numeric_gradient(lambda x: pooled(x, size, stride), x, dy),
    wrong=(
        Wrong("all-ties-get-all", lambda *a: variant(*a, share=lambda largest: largest), "each of the pixels that tie "
              "gets all of dy, so more goes back than has arrived: divide it by how many are largest, / "
              "largest.sum(...).", specific=True),
        Wrong("first-gets-all", lambda *a: variant(*a, share=first_alone), "where pixels tie, the first of them gets "
              "all (this is what argmax does, and PyTorch). It is a rule too, but here they share: on a flat piece of "
              "an image no corner is preferred.", specific=True),
        Wrong("windows-overwrite", lambda *a: variant(*a, add=False), "where windows overlap, dx keeps what the last "
              "one brought: a pixel that is the largest of several windows adds up what they bring, +=.",
              specific=True),
        Wrong("mean-pooling", lambda *a: variant(*a, share=lambda largest: np.ones(largest.shape) / largest[0, 0].size),
              "all pixels of a window share dy: that is the gradient of *average* pooling.", specific=True),
        Wrong("stride-forgotten", lambda *a: variant(*a, step=1), "the windows are taken one pixel apart: window (gy, "
              "gx) begins at row gy * stride and column gx * stride.", specific=True),
        Wrong("stride-is-size", lambda dy, x, size, stride: variant(dy, x, size, stride, step=size), "the windows are "
              "taken `size` pixels apart, so they cannot overlap: window (gy, gx) begins at row gy * stride and column "
              "gx * stride.", specific=True),
        Wrong("one-winner-for-all-channels", lambda *a: variant(*a, over=(1, 2, 3)), "the largest is sought among all "
              "channels: each channel is pooled alone, axis=(2, 3).", specific=True),
        Wrong("one-winner-for-all-images", lambda *a: variant(*a, over=(0, 2, 3)), "the largest is sought among all "
              "images: each has windows of its own, axis=(2, 3)."),
        Wrong("values-for-slopes", values_for_slopes, "dy is multiplied by the largest pixel itself: y = max moves one "
              "to one with it, so the slope is 1. Leave out the factor * x[window].", specific=True),
        Wrong("smallest", smallest, "the smallest pixel of each window gets the gradient; it is the largest that moves "
              "the maximum: .max(, not .min(.")),
    correct=(variant, by_places, one_window_after_the_other),
    hints=(
        "Nudge a pixel that is not the largest of its window: what happens to y? So what must its dx be?",
        "In each window: a mask of the places that equal the maximum, divided by how many they are, times dy of that "
        "window. Add this into the same window of dx.",
        "Loops over gy and gx. largest = window == window.max(axis=(2, 3), keepdims=True), (B, C, size, size); the dy "
        "of all images and channels is dy[:, :, gy, gx], (B, C), and needs two axes more, [:, :, None, None]."),
    why="At a tie the maximum has no derivative: nudge one of two equal pixels up, and y follows; nudge it down, and y "
        "stays. Any division among those that tie is as good, as long as it adds up to 1. Ties are no rare accident: "
        "in the black border of a digit all pixels of a window are equal. Equal shares treat them alike; PyTorch gives "
        "all to the first, which costs less memory (one index a window).")
