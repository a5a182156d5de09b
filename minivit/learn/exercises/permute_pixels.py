"""Checks of permute_pixels."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.permute_pixels import permute_pixels

SHAPES = (((2, 3, 6, 8), 2), ((2, 2, 3, 5), 1), ((3, 1, 12, 9), 3), ((2, 2, 8, 2), 2), ((2, 2, 4, 8), 2))


def cases(rng):
    return [(f"images {'x'.join(map(str, shape))}, P = {P}",
             (rng.standard_normal(shape), rng.permutation(shape[2] * shape[3] // P ** 2), P)) for shape, P in SHAPES]


def oracle(images, order, P):
    """Pixel by pixel."""
    Gx, result = images.shape[3] // P, np.zeros_like(images)
    for b, c, y, x in np.ndindex(images.shape):
        old = order[y // P * Gx + x // P]
        result[b, c, y, x] = images[b, c, old // Gx * P + y % P, old % Gx * P + x % P]
    return result


def nothing_is_lost(function, rng):
    images, order = rng.standard_normal((2, 3, 4, 6)), rng.permutation(6)
    once = function(images, order, 2)
    if once.shape == images.shape and np.abs(np.sort(once, axis=None) - np.sort(images, axis=None)).max() > 1e-9:
        return "a permutation neither loses a pixel nor doubles one; yours has other numbers than the images"
    back = function(once, np.argsort(order), 2)
    if back.shape != images.shape or np.abs(back - images).max() > 1e-9:
        return "np.argsort(order) must bring all patches back to where they were; in yours they stay in disorder"


def cut(images, P):
    """The patches (B, C, N, P, P)."""
    B, C, Sy, Sx = images.shape
    return images.reshape(B, C, Sy // P, P, Sx // P, P).swapaxes(3, 4).reshape(B, C, -1, P, P)


def joined(patches, shape, P):
    """Images of that shape (B, C, Sy, Sx), of patches (B, C, N, P, P)."""
    B, C, Sy, Sx = shape
    return patches.reshape(B, C, Sy // P, Sx // P, P, P).swapaxes(3, 4).reshape(shape)


def in_one_index(images, order, P):
    """A correct answer without a loop."""
    return joined(cut(images, P)[:, :, order], images.shape, P)


def pixel_numbers(images, order, P):
    """A correct answer that permutes the numbers of the pixels, then takes those."""
    numbers = np.arange(images[0, 0].size).reshape(1, 1, *images.shape[2:])
    numbers = joined(cut(numbers, P)[:, :, order], numbers.shape, P)
    return images.reshape(*images.shape[:2], -1)[:, :, numbers.ravel()].reshape(images.shape)


def inverse(images, order, P):
    return in_one_index(images, np.argsort(order), P)


def column_by_column(images, order, P):
    return in_one_index(images.swapaxes(2, 3), order, P).swapaxes(2, 3)


def one_by_one(axis):
    """Another order for each image (axis 0) or channel (axis 1)."""
    def function(images, order, P):
        result = images.copy()
        for k in range(images.shape[axis]):
            own = (slice(None),) * axis + (slice(k, k + 1),)
            result[own] = in_one_index(images[own], np.roll(order, k), P)
        return result
    return function


def transposed_within(images, order, P):
    return joined(cut(images, P)[:, :, order].swapaxes(3, 4), images.shape, P)


def not_joined(images, order, P):
    return cut(images, P)[:, :, order].reshape(images.shape)


def not_cut(images, order, P):
    """As many pieces as there are patches, each of pixels that follow one another in memory."""
    B, C = images.shape[:2]
    return images.reshape(B, C, len(order), -1)[:, :, order].reshape(images.shape)


def within_the_patch(images, order, P):
    """Pixels that stay in their patch, but change places there."""
    patches = cut(images, P)
    pixels = np.argsort(order[:P * P]) if len(order) >= P * P else np.arange(P * P)[::-1]
    return joined(patches.reshape(*patches.shape[:3], -1)[..., pixels].reshape(patches.shape), images.shape, P)


def unchanged(images, order, P):
    return images.copy()


EXERCISE = Exercise(
    slug="permute_pixels", lesson=11, minutes=15, difficulty=1,
    task="Put the patches, or the pixels, of all images into the same new order.",
    solution=permute_pixels, oracle=oracle, cases=cases, outputs=("result",),
    properties=(Property("nothing is lost", nothing_is_lost),),
    wrong=(
        Wrong("inverse", inverse, "the permutation goes the other way: patch k was put to place order[k]. Place k gets "
              "what patch order[k] was: for k, old in enumerate(order).", specific=True),
        Wrong("column-by-column", column_by_column, "the patches are numbered column by column: n = gy * Gx + gx, row "
              "after row, so gy = n // Gx and gx = n % Gx.", specific=True),
        Wrong("another-for-each-image", one_by_one(0), "the images of the batch got different orders. Then there is "
              "nothing left to learn: the disorder must be the same for all, so fill result[:, :, ...] for all images "
              "at once.", specific=True),
        Wrong("another-for-each-channel", one_by_one(1), "the channels got different orders, so the colours of a pixel "
              "are torn apart: all channels move together, result[:, :, ...].", specific=True),
        Wrong("transposed-within", transposed_within, "the patches are where they should be, but in each of them rows "
              "and columns are exchanged, as swapaxes(2, 3) does: pixels within a patch stay where they are.",
              specific=True),
        Wrong("not-joined", not_joined, "the patches were put in order and then reshaped, one after the other in "
              "memory: they must be laid back into the picture, (B, C, Gy, P, Gx, P).", specific=True),
        Wrong("not-cut", not_cut, "what was put in another order are runs of pixels as they lie in memory: a patch is "
              "P rows and P columns, and its rows lie Sx pixels apart.", specific=True),
        Wrong("within-the-patch", within_the_patch, "the pixels changed places within their patch, and the patches "
              "stayed: it must be the other way round.", specific=True),
        Wrong("unchanged", unchanged, "the images come back as they were: for place k, read images[:, :, y:y + P, x:x "
              "+ P] where patch order[k] begins, not where patch k does.")),
    correct=(in_one_index, pixel_numbers),
    hints=(
        "Where is the upper left pixel of patch number n? You need it twice: for the place that is filled, and for the "
        "one that is read.",
        "Patch n begins at row P * (n // Gx) and column P * (n % Gx). A slice of P rows and P columns, of all images "
        "and channels at once, is a patch.",
        "An empty array like images; a loop over k, old in enumerate(order); from each of them a row and a column, and "
        "in the last line of the loop a slice of the result is set to a slice of images."),
    why="It is one line of indices, too: cut into (B, C, N, P, P), take [:, :, order], join again. The experiment is "
        "older than transformers (permuted MNIST). The permutation destroys no information, since it can be undone. "
        "What it destroys is the neighbourhood, and so it measures how much of a network's success rests on that.")
