"""How alike the class and the distillation token become on their way through a DeiT.

Both begin as vectors of their own and learn to answer different questions, the label's and the teacher's. Their cosine
grows from block to block, to below 1: in the paper from 0.06 to 0.93 (Touvron et al. 2020, arXiv 2012.12877, section
4, "Fine-tuning with distillation").
"""
import numpy as np

from minivit.inspect.picture import BLUE, layer_axis, new_figure, save


def token_cosine(rec):
    """The cosine (L + 1, B) of class and distillation token: as embedded, and after each block; float64.

    Raises ValueError for a model without a distillation token.
    """
    if not hasattr(rec.model, "dist_token"):
        raise ValueError(f"a {type(rec.model).__name__} has no distillation token to compare the class token with")
    pairs = np.stack([tokens[:, :2] for tokens in rec.tokens]).astype(np.float64)       # (L + 1, B, 2, D)
    of_class, of_teacher = np.moveaxis(pairs / np.linalg.norm(pairs, axis=-1, keepdims=True), 2, 0)
    return (of_class * of_teacher).sum(axis=-1)


def draw_cosine(rec, path):
    """Draw the cosine of class and distillation token over the depth: mean and range over the images.

    numbers: cosine (L + 1, B).
    """
    cosine = token_cosine(rec)
    mean, layers = cosine.mean(axis=1), np.arange(len(cosine))
    figure = new_figure(5.6, 3.6)
    axes = figure.subplots()
    axes.fill_between(layers, cosine.min(axis=1), cosine.max(axis=1), color=BLUE, alpha=0.2, linewidth=0,
                      label="range over the images")
    axes.plot(layers, mean, marker="o", color=BLUE, label="mean")
    layer_axis(axes, len(cosine))
    axes.set(ylabel="cosine of class and distillation token")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    alt = (f"Cosine of class and distillation token, mean over {cosine.shape[1]} images: {mean[0]:.2f} as embedded, "
           f"{mean[-1]:.2f} after the last of {len(cosine) - 1} blocks.")
    return save(figure, path, alt, cosine=cosine)
