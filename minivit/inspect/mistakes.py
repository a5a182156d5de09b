"""A gallery of the images that a model gets most wrong: the fastest way to find out what is wrong with it, or them."""
import math

import numpy as np

from minivit import ops
from minivit.inspect.picture import new_figure, save, shortened, show_image
from minivit.tensor import Tensor


def worst_mistakes(logits, labels, most=24):
    """The mistakes in logits (B, Y) that cost the most, the worst first: a dictionary of arrays (n,).

    index: of the image; label, prediction: its class and what it was taken for; p_label, p_prediction: their
    probabilities.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    probabilities = ops.softmax(Tensor(logits)).data
    images, predictions = np.arange(len(labels)), logits.argmax(axis=1)
    loss = -ops.log_softmax(Tensor(logits)).data[images, labels]
    wrong = np.flatnonzero(predictions != labels)
    index = wrong[np.argsort(-loss[wrong], kind="stable")][:most]
    return {"index": index, "label": labels[index], "prediction": predictions[index],
            "p_label": probabilities[index, labels[index]],
            "p_prediction": probabilities[index, predictions[index]]}


def draw_mistakes(logits, labels, images, classes, path, most=24):
    """Draw the worst mistakes, each with its number among the images and both probabilities.

    images: uint8 (B, Sy, Sx, C); classes: names. numbers: see worst_mistakes. Raises ValueError where there is none.
    """
    found = worst_mistakes(logits, labels, most)
    n = len(found["index"])
    if not n:
        raise ValueError(f"there is nothing to draw: all of {len(labels)} images are classified rightly")
    columns = min(6, n)
    rows = math.ceil(n / columns)
    Sy, Sx = images.shape[1:3]
    mistakes = int((np.asarray(logits).argmax(axis=1) != labels).sum())
    figure = new_figure(1.55 * columns, 0.4 + rows * (0.55 + 1.4 * Sy / Sx),
                        f"the worst {n} of {mistakes} mistakes among {len(labels):,} images")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, index, label, prediction, p_label, p_prediction in zip(panels, *found.values()):
        show_image(axes, images[index])
        axes.set_title(f"image {index}\n{shortened(classes[label], 16)} {p_label:.1%}\n"
                       f"taken for {shortened(classes[prediction], 10)} {p_prediction:.0%}", fontsize=7, pad=3)
    alt = (f"{n} images that were misclassified, the worst first: image {found['index'][0]}, a "
           f"{classes[found['label'][0]]}, was taken for {classes[found['prediction'][0]]} with "
           f"{found['p_prediction'][0]:.0%}.")
    return save(figure, path, alt, **found)
