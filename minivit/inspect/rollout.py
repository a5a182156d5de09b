"""Attention rollout: how much of each patch reaches each token through all blocks.

    A_l = the mean (or max, min) of block l's maps over its heads, its smallest weights set to 0 if asked for
    R_l = normalised(A_l + I) R_(l-1)        R_0 = I; normalised: each row divided by its sum

Shapes: maps (B, H, N, N), rollout (B, N, N); row n says how token n after the last block is mixed from the embedded
tokens, if a block did nothing but average by attention and add: the I stands for the residual stream. Values and MLPs
do more, so it is a rough map of where information can have come from.

Source: Abnar and Zuidema 2020, "Quantifying attention flow in transformers", arXiv 2005.00928, section 3; max, min and
the discarding of small weights as in Gildenblat's vit-explain.
"""
import numpy as np

from minivit.errors import unknown
from minivit.inspect.attention import attention_over_image, outline, token_name
from minivit.inspect.picture import new_figure, save, show_image

FUSIONS = {"mean": np.mean, "max": np.max, "min": np.min}


def rollout(maps, fusion="mean", discard=0.0):
    """The rollout (B, N, N), float64, of the maps of all blocks; each row adds up to 1.

    fusion: how the heads become one map: mean, max or min. discard: the share of each image's fused weights, the
    smallest, that are set to 0, block by block.
    Raises ValueError for an unknown fusion, and for a share that is not in [0, 1).
    """
    if fusion not in FUSIONS:
        raise ValueError(unknown("fusion of heads", fusion, FUSIONS))
    if not 0 <= discard < 1:
        raise ValueError(f"discard is the share of weights that are set to 0, from 0 to below 1, not {discard}")
    B, _, N, _ = maps[0].shape
    rolled = np.broadcast_to(np.eye(N), (B, N, N))
    for block in maps:
        fused = FUSIONS[fusion](block.astype(np.float64), axis=1)           # (B, N, N)
        if discard:
            flat = fused.reshape(B, N * N)
            smallest = np.argsort(flat, axis=1, kind="stable")[:, :int(discard * N * N)]
            np.put_along_axis(flat, smallest, 0, axis=1)
        fused = fused + np.eye(N)
        rolled = fused / fused.sum(axis=-1, keepdims=True) @ rolled
    return rolled


def draw_rollout(rec, images, path, query=None, fusion="mean", discard=0.0, most=8):
    """Draw images and, below each, where the rollout says that one of their tokens comes from.

    images: uint8 (B, Sy, Sx, C), those that were recorded, of which the first `most` are drawn. query: as in
    attention_over_image. numbers: rollout (B, Gy, Gx) of all images.
    """
    rolled = rollout(rec.attention, fusion, discard)[:, None]               # as of one head
    pictures = attention_over_image(rolled, rec.grid, rec.prefix, query)[:, 0]
    (Sy, Sx), (Py, Px), shown = rec.image_size, rec.patch, min(most, len(images))
    name = token_name(rec.model, query)
    figure = new_figure(0.4 + 1.4 * shown, 0.6 + 2.9 * Sy / Sx, f"rollout ({fusion} of heads): where {name} comes from")
    panels = figure.subplots(2, shown, squeeze=False)
    for number in range(shown):
        for axes in panels[:, number]:
            show_image(axes, images[number])
        panels[1, number].imshow(pictures[number], cmap="cividis", vmin=0, alpha=0.75, extent=(0, Sx, Sy, 0))
        panels[1, number].set_xlabel(f"{pictures[number].max():.1%}", fontsize=7, labelpad=2)
        if isinstance(query, tuple):
            panels[1, number].add_patch(outline(query[1] * Px, query[0] * Py, Px, Py))
    alt = (f"{shown} images and, below each, the attention rollout ({fusion} over heads"
           + (f", {discard:.0%} of the weights discarded" if discard else "")
           + f") of {name}: brighter where more of it comes from; the largest share of a patch is "
           f"{pictures[:shown].max():.1%}.")
    return save(figure, path, alt, rollout=pictures)
