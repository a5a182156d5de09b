"""Learned positions for a larger image: stretched over the new grid of patches, in two dimensions.

    place_i = (i + 1/2) * old / new - 1/2        of new patch i among the old ones, from the centre of one to that of
                                                 another; not below 0 and not above old - 1
    below   = the whole number at or under it    above = the next one, if there is one
    t       = place_i - below
    new_i   = (1 - t) * old_below + t * old_above

This is done along the rows of the grid and along its columns, in either order: bilinear interpolation.

Shapes: pos (1, num_prefix + Gy * Gx, D). The first num_prefix tokens are no patches, such as the class token, and come
back as they are. The others are counted row by row: patch (y, x) is number y * Gx + x among them. Old and new grid need
not be squares.
"""
import numpy as np


def resize_pos_embed(pos, old_grid, new_grid, num_prefix):
    """Positions for new_grid = (Gy, Gx) patches of `pos`, those of old_grid, in the dtype of pos."""
    patches = pos[0, num_prefix:].reshape(*old_grid, pos.shape[2])          # (Gy, Gx, D)
    for axis in (0, 1):
        old, new = old_grid[axis], new_grid[axis]
        places = (np.arange(new) + 0.5) * old / new - 0.5
        places = np.clip(places, 0, old - 1)
        below = np.floor(places).astype(int)
        above = np.minimum(below + 1, old - 1)
        t = np.expand_dims(places - below, (1, 2) if axis == 0 else (0, 2))
        patches = (1 - t) * patches.take(below, axis) + t * patches.take(above, axis)
    patches = patches.reshape(1, -1, pos.shape[2]).astype(pos.dtype)
    return np.concatenate([pos[:, :num_prefix], patches], axis=1)
