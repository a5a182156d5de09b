"""What positions have learned: how similar the position embedding of each patch is to that of every other.

    similarity(i, j) = p_i . p_j / (|p_i| |p_j|)

Nothing tells a model that patches lie in a grid. If training has found out, near patches have similar embeddings, and
the picture of each patch is bright around its own place, often along its row and column.

Source: Dosovitskiy et al. 2020, arXiv 2010.11929, figure 7 (centre).
"""
import numpy as np

from minivit.backend import to_host
from minivit.inspect.correlation import spearman
from minivit.inspect.picture import new_figure, save


def position_similarity(model):
    """The cosine (Gy, Gx, Gy, Gx) of the positions of every two patches, float64.

    Raises ValueError for a model without positions of its own.
    """
    if getattr(model, "patch_embed", None) is None or (model.pos_embed is None and model.waves is None):
        raise ValueError(f"this {type(model).__name__} has no position embeddings"
                         + (": its setting pos_embed is none" if hasattr(model, "patch_embed") else ""))
    positions = model.positions(np.float64)
    positions = to_host(getattr(positions, "data", positions)) if not isinstance(positions, np.ndarray) else positions
    Gy, Gx = model.patch_embed.grid
    patches = positions.reshape(-1, positions.shape[-1])[-Gy * Gx:].astype(np.float64)
    patches = patches / np.maximum(np.linalg.norm(patches, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return (patches @ patches.T).reshape(Gy, Gx, Gy, Gx)


def draw_positions(model, path):
    """Draw the similarity of each patch's position to all: a small picture for each patch, at its place in the grid.

    numbers: similarity (Gy, Gx, Gy, Gx); correlation: Spearman's, of similarity and nearness over all pairs of patches.
    """
    similarity = position_similarity(model)
    Gy, Gx = similarity.shape[:2]
    places = np.indices((Gy, Gx)).reshape(2, -1).T
    away = np.linalg.norm(places[:, None] - places, axis=-1)
    pairs = np.triu_indices(Gy * Gx, 1)
    correlation = spearman(similarity.reshape(Gy * Gx, Gy * Gx)[pairs], -away[pairs])
    tiles = np.full((Gy, Gy + 1, Gx, Gx + 1), np.nan)                       # a line of nan between two pictures
    tiles[:, :Gy, :, :Gx] = similarity.transpose(0, 2, 1, 3)
    figure = new_figure(5.4, 1.0 + 4.2 * (Gy * (Gy + 1)) / (Gx * (Gx + 1)))
    axes = figure.subplots()
    drawn = axes.imshow(tiles.reshape(Gy * (Gy + 1), Gx * (Gx + 1))[:-1, :-1], cmap="cividis", vmax=1)
    axes.set(xlabel="column of the patch", ylabel="row of the patch",
             xticks=np.arange(Gx) * (Gx + 1) + (Gx - 1) / 2, yticks=np.arange(Gy) * (Gy + 1) + (Gy - 1) / 2,
             xticklabels=range(Gx), yticklabels=range(Gy))
    axes.tick_params(length=0, labelsize="small" if max(Gy, Gx) > 12 else "medium")
    axes.set_frame_on(False)
    figure.colorbar(drawn, label="cosine of positions", shrink=0.8)
    axes.set_title(f"rank correlation of similarity and nearness {correlation:+.2f}", fontsize="medium")
    alt = (f"A grid of {Gy} by {Gx} small pictures, one a patch: how similar its position embedding is to that of "
           f"every patch. Cosines from {similarity.min():.2f} to 1; rank correlation of similarity and nearness "
           f"{correlation:+.2f}.")
    return save(figure, path, alt, similarity=similarity, correlation=correlation)
