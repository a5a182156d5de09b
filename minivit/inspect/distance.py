"""How far heads look: the mean distance between a patch and the patches that it attends to, in pixels.

    d(head) = mean over images and patches i of    sum_j a_ij |place_i - place_j| / sum_j a_ij

a is the head's attention map without the tokens that are no patches, places are centres of patches. It is the ViT's
counterpart of a CNN's receptive field: some heads look at neighbours, others over the whole image from the first block
on; a head that attends to all patches alike is at `uniform_distance`.

Source: Dosovitskiy et al. 2020, arXiv 2010.11929, figure 7 (right) and appendix D.7.
"""
import numpy as np

from minivit.inspect.correlation import spearman
from minivit.inspect.picture import BLUE, GREY, RED, new_figure, save


def patch_distances(grid, patch):
    """The distances in pixels, (Gy * Gx, Gy * Gx), between the centres of patches of (Py, Px) pixels."""
    places = np.indices(grid).reshape(2, -1).T * np.asarray(patch, np.float64)
    return np.linalg.norm(places[:, None] - places, axis=-1)


def attention_distance(maps, grid, patch, prefix):
    """The mean distance (L, H) in pixels of every head, from the maps (B, H, N, N) of each block. A patch that attends
    to no patch counts as 0."""
    distances, found = patch_distances(grid, patch), []
    for block in maps:
        among = block[:, :, prefix:, prefix:].astype(np.float64)            # patches to patches
        whole = np.maximum(among.sum(-1), np.finfo(np.float64).tiny)        # 0 where all goes to the other tokens
        found.append(((among * distances).sum(-1) / whole).mean(axis=(0, 2)))
    return np.stack(found)


def uniform_distance(grid, patch):
    """The mean distance of a head that attends to all patches alike."""
    return float(patch_distances(grid, patch).mean())


def draw_distance(rec, path):
    """Draw the mean attention distance of each head over the depth.

    numbers: distance (L, H) and uniform, in pixels; correlation: Spearman's, of block and distance over all heads.
    """
    distance = attention_distance(rec.attention, rec.grid, rec.patch, rec.prefix)
    uniform = uniform_distance(rec.grid, rec.patch)
    L, H = distance.shape
    block = np.arange(L)
    correlation = spearman(np.repeat(block, H), distance)
    figure = new_figure(5.6, 3.8)
    axes = figure.subplots()
    axes.axhline(uniform, color=GREY, linestyle="--", linewidth=1, label="attending to all patches alike")
    axes.plot(np.repeat(block, H), distance.ravel(), "o", color=BLUE, markersize=5, alpha=0.7, label="a head")
    axes.plot(block, distance.mean(axis=1), color=RED, label="mean of the heads")
    axes.set(xlabel="block", ylabel="mean attention distance (pixels)", ylim=(0, 1.08 * max(uniform, distance.max())))
    axes.locator_params(axis="x", integer=True)
    axes.set_title(f"rank correlation of block and distance {correlation:+.2f}", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="lower right")
    first, last = distance[0], distance[-1]
    alt = (f"Mean attention distance in pixels of {H} heads in each of {L} blocks: {first.min():.1f} to "
           f"{first.max():.1f} in the first block, {last.min():.1f} to {last.max():.1f} in the last; attending to all "
           f"patches alike would give {uniform:.1f}. Rank correlation of block and distance {correlation:+.2f}.")
    return save(figure, path, alt, distance=distance, uniform=uniform, correlation=correlation)
