"""Position embeddings for another grid of patches, and fixed ones that need no training.

- `resize_pos_embed(pos, old_grid, new_grid, prefix_tokens, mode)`: learned positions, interpolated like a picture
- `interpolation_matrix(old, new, mode)`: the same along one axis, as the matrix that does it
- `sincos_2d(grid, D)`: sines and cosines of each patch's row and column

A model that has learned a position for each patch of one grid can run on images of another size, once its positions
are stretched over the new grid. Interpolation is linear, and rows and columns are independent of each other:

    new = My @ old @ Mx^T       for each of the D numbers; My (new Gy, old Gy), Mx (new Gx, old Gx)

Published code does not agree on these matrices, and a model's results depend on them. There are four modes:

    bilinear_corners    the 2 nearest; first stays first, last stays last       vit_jax: scipy.ndimage.zoom, order 1
    bilinear            the 2 nearest; positions are centres of patches         timm's loader for Google's files
    bicubic             the 4 nearest, a = -3/4; centres of patches             DeiT, Hugging Face
    bicubic_antialias   a = -1/2, and wider where the grid shrinks              timm

Source: Dosovitskiy et al. 2020, arXiv 2010.11929, section 3.2 (the idea); Keys 1981, "Cubic convolution interpolation
for digital image processing", eq. 4 (a). Lesson 14.
"""
import numpy as np

from minivit.errors import unknown
from minivit.ops.patches import pair

MODES = ("bilinear_corners", "bilinear", "bicubic", "bicubic_antialias")


def resize_pos_embed(pos, old_grid, new_grid, prefix_tokens=1, mode="bicubic"):
    """The positions (1, N, D) of a grid old_grid = (Gy, Gx) of patches, interpolated to new_grid.

    The first `prefix_tokens` of the N are no patches (a class token is 1, with a distillation token they are 2): they
    come back as they are. Computed in float64, returned in the dtype of pos. For mode see the top of this module.

    Raises ValueError where N is not prefix_tokens + Gy * Gx, and for an unknown mode. Nothing is guessed from N: 16
    patches may lie in a grid of (4, 4) or of (2, 8).
    """
    (Gy, Gx), new_grid = pair(old_grid, "old_grid"), pair(new_grid, "new_grid")
    if pos.ndim != 3 or len(pos) != 1 or pos.dtype.kind != "f":
        raise ValueError(f"positions must be an array (1, N, D) of floats, not {pos.dtype} of shape {pos.shape}")
    if pos.shape[1] != prefix_tokens + Gy * Gx:
        raise ValueError(f"positions {pos.shape} are those of {pos.shape[1]} tokens, but {prefix_tokens} + {Gy} * {Gx} "
                         f"are {prefix_tokens + Gy * Gx}: give old_grid as (Gy, Gx) where it is not square, and in "
                         f"prefix_tokens how many tokens are no patches (1 for ViT, 2 for a distilled DeiT)")
    prefix, patches = pos[:, :prefix_tokens], pos[0, prefix_tokens:]
    My, Mx = (interpolation_matrix(old, new, mode) for old, new in zip((Gy, Gx), new_grid))
    grid = np.tensordot(My, patches.reshape(Gy, Gx, -1), axes=1)            # (new Gy, Gx, D)
    grid = Mx @ grid                                                        # (new Gy, new Gx, D)
    return np.concatenate([prefix, grid.reshape(1, -1, pos.shape[2]).astype(pos.dtype)], axis=1)


def interpolation_matrix(old, new, mode):
    """The float64 matrix (new, old) that takes values at `old` places along an axis to `new` places.

    Row i holds the weights of the old values in the i-th new one; they add up to 1. Raises ValueError for an unknown
    mode.
    """
    if mode not in MODES:
        raise ValueError(unknown("mode of interpolation", mode, MODES))
    if mode == "bilinear_corners":
        places = np.linspace(0, old - 1, new)                               # of the new values among the old
    else:
        places = (np.arange(new) + 0.5) * (old / new) - 0.5                 # both grids cover the same area
    if mode == "bicubic_antialias":
        wider = max(old / new, 1)
        weights = _cubic((places[:, None] - np.arange(old)) / wider, -0.5)
        return weights / weights.sum(1, keepdims=True)                      # beyond the edges there is nothing
    distance = places[:, None] - np.arange(-2, old + 2)
    weights = _cubic(distance, -0.75) if mode == "bicubic" else np.maximum(1 - abs(distance), 0)
    matrix = weights[:, 2:-2]
    matrix[:, 0] += weights[:, :2].sum(1)                                   # beyond the edges the last value goes on
    matrix[:, -1] += weights[:, -2:].sum(1)
    return matrix


def _cubic(t, a):
    """Keys' kernel: 1 at 0, 0 at every other integer and from 2 on."""
    t = abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = (((t - 5) * t + 8) * t - 4) * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def sincos_2d(grid, D, temperature=10000):
    """Fixed positions, float32 (Gy * Gx, D): of patch (y, x) the row [sin(x w), cos(x w), sin(y w), cos(y w)].

    w are D/4 frequencies, w_i = temperature ** (-i / (D/4)), from 1 down to almost 1 / temperature; patches are counted
    row by row. This is the definition of MAE (He et al. 2021, arXiv 2111.06377), columns first. MoCo v3 (Chen et al.
    2021, arXiv 2104.02057) puts rows first; big_vision's posemb_sincos_2d divides i by D/4 - 1.

    Raises ValueError where D is not divisible by 4.
    """
    Gy, Gx = pair(grid, "grid")
    if D < 4 or D % 4:
        raise ValueError(f"sin-cos positions need a width D that is divisible by 4, for sines and cosines of x and y, "
                         f"not {D}")
    w = temperature ** (-np.arange(D // 4) / (D // 4))
    y, x = np.indices((Gy, Gx)).reshape(2, Gy * Gx, 1)
    return np.concatenate([np.sin(x * w), np.cos(x * w), np.sin(y * w), np.cos(y * w)], axis=1, dtype=np.float32)
