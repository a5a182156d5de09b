"""Checks of unpatchify."""
import math

import numpy as np

from minivit import ops
from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.exercises.patchify import SHAPES
from minivit.learn.solutions.unpatchify import unpatchify
from minivit.tensor import Tensor


def cases(rng):
    made = []
    for (B, C, Sy, Sx), P in (*SHAPES, ((2, 2, 4, 16), 2)):             # the last: 16 patches, but no square
        patches = rng.standard_normal((B, Sy * Sx // P ** 2, C * P * P))
        made.append((f"images {B}x{C}x{Sy}x{Sx}, P = {P}", (patches, P, (Sy, Sx))))
    return made


def oracle(patches, P, S):
    """minivit's."""
    grid = (len(patches), S[0] // P, S[1] // P, patches.shape[2])
    return ops.merge_patches(Tensor(patches.reshape(grid)), S, P).data


def undoes_patchify(function, rng):
    images = rng.standard_normal((2, 3, 4, 10))
    patches = ops.extract_patches(Tensor(images), 2).data.reshape(2, 10, 12)
    if not np.array_equal(function(patches, 2, (4, 10)), images):
        return "the patches of an image, put together, must be the image; yours are something else"


def laid(shape, order):
    """patches in a shape of the letters b, y, x (grid), c, p, q (rows and columns of a patch), their axes in `order`.

    Right for ("byxcpq", "bcypxq").
    """
    def function(patches, P, S):
        size = {"b": len(patches), "y": S[0] // P, "x": S[1] // P, "c": patches.shape[2] // P ** 2, "p": P, "q": P}
        cut = patches.reshape([size[letter] for letter in shape])
        return cut.transpose([shape.index(letter) for letter in order]).reshape(len(patches), size["c"], *S)
    return function


def grid_exchanged(patches, P, S):
    return laid("byxcpq", "bcypxq")(patches, P, S[::-1]).reshape(len(patches), -1, *S)


def square_grid(patches, P, S):
    side = math.isqrt(patches.shape[1])
    return laid("byxcpq", "bcypxq")(patches, P, (side * P, side * P)).reshape(len(patches), -1, *S)


def pixel_by_pixel(patches, P, S):
    """A correct answer, written as the definition."""
    images = np.empty((len(patches), patches.shape[2] // P ** 2, *S), patches.dtype)
    for c, y, x in np.ndindex(images.shape[1:]):
        images[:, c, y, x] = patches[:, y // P * (S[1] // P) + x // P, (c * P + y % P) * P + x % P]
    return images


def row_after_row(patches, P, S):
    """A correct answer that joins the patches of a row, then the rows."""
    B, Gx = len(patches), S[1] // P
    parts = [part.reshape(B, -1, P, P) for part in patches.swapaxes(0, 1)]
    rows = [np.concatenate(parts[start:start + Gx], axis=3) for start in range(0, len(parts), Gx)]
    return np.concatenate(rows, axis=2)


def first_patch_everywhere(patches, P, S):
    return unpatchify(np.repeat(patches[:, :1], patches.shape[1], axis=1), P, S)


EXERCISE = Exercise(
    slug="unpatchify", lesson=6, minutes=15, difficulty=2,
    task="Put sequences of patches together to images.",
    solution=unpatchify, oracle=oracle, cases=cases, outputs=("images",),
    properties=(Property("undoes patchify", undoes_patchify),),
    wrong=(
        Wrong("reshape-alone", lambda patches, P, S: patches.reshape(len(patches), -1, *S), "reshape alone puts "
              "nothing in its place: it fills the rows of the image with one patch after the other. Patch n belongs at "
              "images[:, :, top:top + P, left:left + P].", specific=True),
        Wrong("channels-last", laid("byxpqc", "bcypxq"), "the numbers in a patch are taken as (P, P, C); they are (C, "
              "P, P): all pixels of one channel, then all of the next.", specific=True),
        Wrong("column-by-column", laid("bxycpq", "bcypxq"), "the patches are laid column by column: patch 1 is to the "
              "right of patch 0, not below it, so gy, gx = divmod(n, Gx).", specific=True),
        Wrong("patches-transposed", laid("byxcqp", "bcypxq"), "each patch is transposed: its pixels are (C, py, px), "
              "rows first. patches[:, n].reshape(B, C, P, P) has them in order, without .swapaxes(2, 3) or .T.",
              specific=True),
        Wrong("grid-exchanged", grid_exchanged, "rows and columns of the grid are exchanged: S is (Sy, Sx), and a row "
              "has Gx = Sx / P patches. (With square images this is not seen.)", specific=True),
        Wrong("square-grid", square_grid, "the grid is taken for a square, with a side of sqrt(N): take (Sy, Sx) = "
              "S, which is given for this reason.", specific=True),
        Wrong("axes-not-moved", laid("byxcpq", "bcyxpq"), "the rows of the patches are not woven together: a row of "
              "the image is a row of pixels from each patch beside another, so px belongs behind gx, and py before it.",
              specific=True),
        Wrong("upside-down", lambda patches, P, S: unpatchify(patches, P, S)[:, :, ::-1], "the image is upside down, "
              "[::-1]: patch 0 is at the top."),
        Wrong("first-patch-everywhere", first_patch_everywhere, "the first patch is in all places: take patches[:, n], "
              "not patches[:, 0].")),
    correct=(laid("byxcpq", "bcypxq"), pixel_by_pixel, row_after_row),
    hints=(
        "Where does patch n belong? Divide n by the number of patches in a row: what do the quotient and the remainder "
        "say?",
        "gy, gx = divmod(n, Sx // P); the patch lies at rows gy * P to (gy + 1) * P. Without loops: (B, N, C * P * P) "
        "-> (B, Gy, Gx, C, P, P) -> axes in the order (B, C, Gy, P, Gx, P) -> (B, C, Sy, Sx).",
        "An empty array (B, C, Sy, Sx) of the patches' dtype; a loop over n; inside it, a slice of the images is set "
        "to patches[:, n] in the shape (B, C, P, P)."),
    why="Cutting and putting together move pixels and change none, so each is the other's gradient as well: what "
        "arrives at the patches goes back to the pixels by unpatchify. The size of the image cannot be had from the "
        "patches. Code that takes the root of N works on square images for years, and scrambles the first that is not.")
