"""Checks of patchify."""
import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.patchify import patchify
from minivit.tensor import Tensor

SHAPES = (((2, 3, 4, 6), 2), ((2, 2, 6, 3), 3), ((1, 1, 8, 4), 2), ((3, 2, 3, 5), 1), ((2, 3, 6, 12), 3))


def cases(rng):
    return [(f"images {'x'.join(map(str, shape))}, P = {P}", (rng.standard_normal(shape), P)) for shape, P in SHAPES]


def oracle(images, P):
    """minivit's."""
    patches = ops.extract_patches(Tensor(images), P).data               # (B, Gy, Gx, C * P * P)
    return patches.reshape(len(images), -1, patches.shape[3])


def order_of_reading(function, rng):
    y, x = np.indices((6, 12))
    patches = function((100 * (y // 3) + x // 3)[None, None].astype(float), 3)
    if patches.shape != (1, 8, 9) or patches[0, :, 0].tolist() != [0, 1, 2, 3, 100, 101, 102, 103] or \
            np.ptp(patches, axis=2).any():
        return ("in an image whose patches are each of one grey, patches must come out of one grey, row by row; yours "
                "mix them, or come in another order")


def axes(images, P):
    """The images with every side cut in two: (B, C, Gy, P, Gx, P)."""
    B, C, Sy, Sx = images.shape
    return images.reshape(B, C, Sy // P, P, Sx // P, P)


def in_order(*order):
    """The axes of `axes` in another order, as (B, N, C * P * P): right for (0, 2, 4, 1, 3, 5)."""
    def function(images, P):
        B, C, Sy, Sx = images.shape
        return axes(images, P).transpose(order).reshape(B, Sy * Sx // P ** 2, C * P * P)
    return function


def grid_exchanged(images, P):
    B, C, Sy, Sx = images.shape
    cut = images.reshape(B, C, Sx // P, P, Sy // P, P)
    return cut.transpose(0, 2, 4, 1, 3, 5).reshape(B, -1, C * P * P)


def by_windows(images, P):
    """A correct answer by a view of all windows, of which every P-th is taken."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (P, P), axis=(2, 3))[:, :, ::P, ::P]
    return np.moveaxis(windows, 1, 3).reshape(len(images), -1, images.shape[1] * P * P)


def pixel_by_pixel(images, P):
    """A correct answer, written as the definition."""
    B, C, Sy, Sx = images.shape
    patches = np.empty((B, Sy * Sx // P ** 2, C * P * P), images.dtype)
    for c in range(C):
        for y in range(Sy):
            for x in range(Sx):
                patches[:, y // P * (Sx // P) + x // P, (c * P + y % P) * P + x % P] = images[:, c, y, x]
    return patches


def one_pixel_apart(images, P):
    B, C, Sy, Sx = images.shape
    windows = [images[:, :, gy:gy + P, gx:gx + P].reshape(B, -1) for gy in range(Sy // P) for gx in range(Sx // P)]
    return np.stack(windows, axis=1)


EXERCISE = Exercise(
    slug="patchify", lesson=6, minutes=15, difficulty=1,
    task="Cut images into sequences of patches.",
    solution=patchify, oracle=oracle, cases=cases, outputs=("patches",),
    properties=(Property("order of reading", order_of_reading),),
    wrong=(
        Wrong("reshape-alone", lambda images, P: images.reshape(len(images), -1, images.shape[1] * P * P), "reshape "
              "alone cuts no patches: it takes the pixels as they lie in memory, row after row of the image. The rows "
              "of one patch are Sx pixels apart.", specific=True),
        Wrong("channels-last", in_order(0, 2, 4, 3, 5, 1), "the numbers in a patch are ordered (P, P, C), as in "
              "TensorFlow; here they are (C, P, P), as in the weight of a convolution: all pixels of one channel, "
              "then all of the next. A slice of the images has that order: patch.reshape(B, C * P * P), without a "
              "transpose.",
              specific=True),
        Wrong("column-by-column", in_order(0, 4, 2, 1, 3, 5), "the patches come column by column: the first row of "
              "them comes first, from left to right. The outer loop is for top, the inner one for left.",
              specific=True),
        Wrong("patches-transposed", in_order(0, 2, 4, 1, 5, 3), "the pixels within a patch come column by column: they "
              "are (C, py, px), rows first. A slice of the images has that order: patch.reshape(...), without "
              ".swapaxes(2, 3) or .T.", specific=True),
        Wrong("grid-exchanged", grid_exchanged, "rows and columns of the grid are exchanged in the reshape: Sy belongs "
              "to Gy = Sy / P, Sx to Gx = Sx / P. (With square images this is not seen.)", specific=True),
        Wrong("channels-apart", in_order(0, 1, 2, 4, 3, 5), "each channel is cut up by itself, and its patches come "
              "one after the other: a patch has the pixels of all channels.", specific=True),
        Wrong("rows-not-cut", in_order(0, 2, 1, 3, 4, 5), "only the rows are cut: a patch is P rows *and* P columns, "
              "so px must stand behind py, and gx in front of c.", specific=True),
        Wrong("one-pixel-apart", one_pixel_apart, "the patches are one pixel apart, and overlap: patch (gy, gx) begins "
              "at row gy * P and column gx * P, so the loops run over range(0, Sy, P) and range(0, Sx, P).")),
    correct=(in_order(0, 2, 4, 1, 3, 5), by_windows, pixel_by_pixel),
    hints=(
        "Where does patch number 1, the second, begin in the image? And the first one of the second row?",
        "With slices: for each top and left, images[:, :, top:top + P, left:left + P] is (B, C, P, P), already in the "
        "right order. Without loops: cut both sides in two, (B, C, Gy, P, Gx, P), and put the axes into the order (B, "
        "Gy, Gx, C, P, P).",
        "Two loops, over range(0, Sy, P) and range(0, Sx, P), which collect slices reshaped to (B, C * P * P) in a "
        "list; then np.stack(list, axis=...) makes the list the axis of patches."),
    why="Without a loop it is one line, images.reshape(B, C, Gy, P, Gx, P).transpose(0, 2, 4, 1, 3, 5).reshape(B, Gy * "
        "Gx, -1): each axis named once. Any fixed order of the numbers in a patch would do for training, since the "
        "learned matrix takes the same order; but weights of others fit only theirs. (C, P, P) is PyTorch's, timm's "
        "and DeiT's; Google's own files have (P, P, C).")
