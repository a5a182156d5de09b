"""Mean attention distance: how far from a patch the patches lie that it attends to, in pixels.

    distance(block, head) = mean over images and patches i of    sum_j a_ij |place_i - place_j| / sum_j a_ij

Shapes: maps (L, B, H, N, N), block by block; grid (Gy, Gx), the patches; patch (Py, Px), the pixels of one; prefix: how
many tokens stand before the patches (a class token, a distillation token), N = prefix + Gy * Gx. Result (L, H).

i and j are patches alone, counted row by row; place_i is the centre of patch i in pixels, and |...| the straight line.
Once the other tokens are left out, the weights of a patch no longer add up to 1: hence the division.
"""
import numpy as np


def attention_distance(maps, grid, patch, prefix):
    """The distances (L, H) in pixels."""
    row, column = np.indices(grid).reshape(2, -1)
    down = patch[0] * (row[:, None] - row)
    across = patch[1] * (column[:, None] - column)
    distance = np.sqrt(down ** 2 + across ** 2)
    a = maps[..., prefix:, prefix:]
    of_patch = np.sum(a * distance, axis=-1) / np.sum(a, axis=-1)
    return np.mean(of_patch, axis=(1, 3))
