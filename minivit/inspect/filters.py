"""What the first layer looks for: the principal components of its filters.

    W - mean = U diag(s) V        the rows of V are the components, s^2 / sum(s^2) their shares of the variance

Shapes: W (D, C * Py * Px), the linear map of the patches, a filter a row; or the first convolution's weights. Trained
filters resemble a basis for the fine structure within a patch: planes, edges and waves of low frequency come first.

Source: Dosovitskiy et al. 2020, arXiv 2010.11929, figure 7 (left).
"""
import math

import numpy as np

from minivit.backend import to_host
from minivit.inspect.picture import new_figure, save


def first_filters(model):
    """The weights (D, C, Py, Px) of the layer that sees the pixels: patch embedding or first convolution."""
    embed = getattr(model, "patch_embed", None)
    if embed is None:
        layer = model.stem.conv if hasattr(model, "stem") else model.stages[0].conv
    elif hasattr(embed, "backbone"):                                        # a hybrid's patches are not of pixels
        layer = getattr(embed.backbone, "stem", embed.backbone).conv
    else:
        layer = embed.proj
    return to_host(layer.weight.data)


def principal_filters(weights, count=28):
    """(components (n, C, Py, Px), shares of the variance (n,)) of filters (D, C, Py, Px), the largest first, float64.

    n is `count`, or fewer where there are fewer. A component's sign is free: its largest entry is made positive.
    """
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    _, s, components = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    shares = s ** 2 / max((s ** 2).sum(), np.finfo(np.float64).tiny)
    largest = components[np.arange(len(components)), abs(components).argmax(axis=1)]
    components *= np.sign(largest)[:, None]
    return components[:count].reshape(-1, *weights.shape[1:]), shares[:count]


def draw_filters(model, path, count=28):
    """Draw the principal components of the first layer's filters; grey is 0, of three channels the colours are RGB.

    numbers: components (n, C, Py, Px), shares (n,) of the variance.
    """
    components, shares = principal_filters(first_filters(model), count)
    n, C, Py, Px = components.shape
    columns = min(7, n)
    rows = math.ceil(n / columns)
    figure = new_figure(0.3 + 1.05 * columns, 0.6 + 1.25 * rows * Py / Px,
                        f"principal components of the filters: {n} hold {shares.sum():.0%} of the variance")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, component, share in zip(panels, components, shares):
        scaled = 0.5 + 0.5 * component / abs(component).max()
        axes.imshow(scaled.transpose(1, 2, 0) if C == 3 else scaled.mean(axis=0), cmap="gray", vmin=0, vmax=1)
        axes.set_title(f"{share:.1%}", fontsize=7, pad=2)
    alt = (f"The first {n} principal components of the filters of the first layer, {Py} by {Px} pixels: they hold "
           f"{shares.sum():.0%} of the variance, the first {shares[0]:.0%}.")
    return save(figure, path, alt, components=components, shares=shares)
