"""How gradients flow: their size in every layer, and by how much a step changes its weights.

    before = snapshot(model)            # then loss.backward() and optimizer.step()
    flow = gradient_flow(model, before)

    norm = |dW|        histogram = how many of its entries have which size        ratio = |W - before| / |before|

Norms that fall by orders of magnitude from the last layer to the first vanish; a ratio of about 0.001 is usual, 0.1
shakes a layer and 0.000001 leaves it where it began. What is wrong is said in words as well.
"""
from dataclasses import dataclass

import numpy as np

from minivit.backend import to_host
from minivit.inspect.picture import BLUE, GREY, RED, new_figure, save, whole_decades
from minivit.inspect.units import some

EDGES = np.arange(-12, 2.5, 0.5)        # of the histogram: log10 of |gradient|; what is beyond is counted at the ends


@dataclass(frozen=True)
class Flow:
    """Of each parameter with a gradient, in the model's order: its name; norm (n,); ratio (n,), nan where it is not
    known; histogram (n, len(EDGES) - 1), without the entries that are 0. words: what is wrong, in sentences."""

    names: tuple
    norm: np.ndarray
    ratio: np.ndarray
    histogram: np.ndarray
    words: tuple


def snapshot(model):
    """{name: copy} of the parameters as they are now."""
    return {name: to_host(array).copy() for name, array in model.state_dict().items()}


def gradient_flow(model, before=None):
    """The Flow of the gradients that `backward` left in a model; before: a snapshot from before the optimizer's step.

    Raises RuntimeError where no parameter has a gradient.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.grad is not None}
    if not parameters:
        raise RuntimeError("no parameter has a gradient: call backward() on a loss first, and look before zero_grad()")
    norms, ratios, histograms, words = [], [], [], []
    for name, parameter in parameters.items():
        gradient = to_host(parameter.grad).astype(np.float64)
        norms.append(np.linalg.norm(gradient))
        sizes = abs(gradient[gradient != 0])
        histograms.append(np.histogram(np.clip(np.log10(sizes), EDGES[0], EDGES[-1]), EDGES)[0])
        ratios.append(np.nan if before is None else _ratio(to_host(parameter.data), before[name]))
        words += _wrong(name, gradient)
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    words += [f"{some(missing)}: no gradient came here"] if missing else []
    return Flow(tuple(parameters), np.array(norms), np.array(ratios), np.stack(histograms), tuple(words))


def _ratio(now, before):
    size = np.linalg.norm(before)
    return np.linalg.norm(now - before) / size if size else np.nan


def _wrong(name, gradient):
    """Sentences about a gradient: what in it is not finite, or 0 for a whole unit (a row of the weights)."""
    if not np.isfinite(gradient).all():
        yield f"{name}: {np.count_nonzero(~np.isfinite(gradient))} of {gradient.size} numbers are not finite"
    elif not gradient.any():
        yield f"{name}: the gradient is 0 everywhere"
    elif gradient.ndim >= 2 and name.endswith("weight"):
        still = np.flatnonzero(~gradient.reshape(len(gradient), -1).any(axis=1))
        if len(still):
            yield f"{name}: {len(still)} of {len(gradient)} units get no gradient: {some(still)}"


def draw_flow(flow, path):
    """Draw a Flow: a line for every weight, from the first layer at the top to the last.

    numbers: norm, ratio, histogram of all parameters; biases and scales are left out of the picture.
    """
    shown = [place for place, name in enumerate(flow.names) if name.endswith("weight") and "norm" not in name
             or "token" in name or "embed" in name and "bias" not in name]
    names, y = [flow.names[place] for place in shown], np.arange(len(shown))
    figure = new_figure(9.5, 1.1 + 0.17 * len(shown))
    norm, sizes, ratio = figure.subplots(1, 3, sharey=True)
    norm.plot(flow.norm[shown], y, "o-", color=BLUE, markersize=3, linewidth=1)
    whole_decades(norm, flow.norm[shown])
    norm.set(xlabel="norm of the gradient", yticks=y, ylim=(len(shown) - 0.5, -0.5))
    norm.set_yticklabels(names, fontsize=7)
    share = flow.histogram[shown] / np.maximum(flow.histogram[shown].sum(axis=1, keepdims=True), 1)
    sizes.imshow(share, aspect="auto", cmap="cividis", extent=(EDGES[0], EDGES[-1], len(shown) - 0.5, -0.5))
    sizes.set(xlabel="log10 of its entries' sizes", xticks=range(-10, 1, 2))
    ratio.plot(flow.ratio[shown], y, "o", color=RED, markersize=3)
    whole_decades(ratio, np.append(flow.ratio[shown], 1e-3))
    ratio.axvline(1e-3, color=GREY, linestyle="--", linewidth=1)
    ratio.set_xlabel("size of the step / of the weights")
    for axes in (norm, ratio):
        axes.grid(alpha=0.3)
    first, last = flow.norm[shown[0]], flow.norm[shown[-1]]
    alt = (f"Gradient of {len(shown)} weights, first layer to last: norm {first:.2g} in {names[0]}, {last:.2g} in "
           f"{names[-1]}; the sizes of their entries; and the size of a step relative to the weights. "
           + (" ".join(f"{sentence}." for sentence in flow.words) or "No weight is without a gradient."))
    return save(figure, path, alt, norm=flow.norm, ratio=flow.ratio, histogram=flow.histogram)
