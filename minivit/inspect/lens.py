"""The logit lens: what the model would say if it ended after each block.

The residual stream keeps its meaning from block to block, since blocks only add to it. So the last layer norm and the
head can read it anywhere; after the last block they say what the model says.

Source: nostalgebraist 2020, "interpreting GPT: the logit lens"; for ViT: Vilas et al. 2023, arXiv 2310.18969.
"""
import numpy as np

from minivit import ops
from minivit.backend import to_host
from minivit.inspect.picture import LINES, layer_axis, new_figure, save, shortened, show_image
from minivit.modes import no_grad
from minivit.tensor import Tensor


@no_grad()
def logit_lens(rec):
    """The probabilities (L + 1, B, Y) that the head, in evaluation mode, gives to each class: from the embedded tokens
    and after each block. Raises AttributeError for a model without tokens."""
    model, training = rec.model, rec.model.training
    model.eval()
    try:
        return np.stack([to_host(ops.softmax(model.classify(Tensor(tokens).to(model.device))).data)
                         for tokens in rec.tokens])
    finally:
        model.train(training)


def draw_lens(rec, images, classes, path, image=0, most=5):
    """Draw one image, and how the probabilities of its `most` likeliest classes form from block to block.

    images: uint8 (B, Sy, Sx, C), those that were recorded; classes: their names. numbers: probabilities (L + 1, B, Y).
    """
    probabilities = logit_lens(rec)
    course = probabilities[:, image]                                        # (L + 1, Y)
    best = np.argsort(-course[-1], kind="stable")[:most]
    figure = new_figure(8, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.6))
    show_image(left, images[image])
    layers = np.arange(len(course))
    for place, label in enumerate(best):
        right.plot(layers, 100 * course[:, label], marker="o", markersize=4, color=LINES[place % len(LINES)],
                   label=shortened(classes[label], 20))
    layer_axis(right, len(course))
    right.set(ylabel="probability (%)", ylim=(-2, 102))
    right.grid(alpha=0.3)
    right.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1))
    alt = (f"Image {image} and what the head reads in its tokens after each of {len(course) - 1} blocks: at first "
           f"{classes[course[0].argmax()]} with {course[0].max():.0%}, in the end {classes[best[0]]} with "
           f"{course[-1].max():.0%}.")
    return save(figure, path, alt, probabilities=probabilities)
