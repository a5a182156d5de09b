"""Which pixels matter to a class: the gradient of its logit in the image.

    saliency(y, x) = max over channels of |d logit_label / d image(y, x)|

It says how much the logit would change if a pixel changed a little, which is noisy, and blind to what large changes
would do. Source: Simonyan, Vedaldi and Zisserman 2013, arXiv 1312.6034, section 3.
"""
import numpy as np

from minivit.backend import to_device, to_host
from minivit.data import normalise
from minivit.inspect.picture import new_figure, save, show_image
from minivit.tensor import Tensor


def saliency(model, images, labels):
    """The saliency (B, Sy, Sx) of each pixel for the class labels[b] of image b, in evaluation mode.

    images: an array as the model takes it, (B, C, Sy, Sx), normalised. No parameter gets a gradient.
    """
    training, found = model.training, {}
    pixels = Tensor(to_device(images, model.device), requires_grad=True)
    model.eval()
    try:
        logits = model(pixels)
    finally:
        model.train(training)
    chosen = logits[np.arange(len(labels)), np.asarray(labels)]
    chosen.sum().backward(sink=lambda leaf, gradient, owned: found.update({id(leaf): gradient}))
    return abs(to_host(found[id(pixels)])).max(axis=1)


def draw_saliency(model, images, labels, mean, std, path, most=8):
    """Draw images and, below each, the saliency of its pixels for its class, each from 0 to its largest.

    images: uint8 (B, Sy, Sx, C); mean, std: what the model's images are normalised with; the first `most` are drawn.
    numbers: saliency (B, Sy, Sx) of all.
    """
    found = saliency(model, normalise(images, mean, std), labels)
    shown, (_, Sy, Sx) = min(most, len(images)), found.shape
    figure = new_figure(0.4 + 1.4 * shown, 0.5 + 2.8 * Sy / Sx, "saliency: which pixels the logit would follow")
    panels = figure.subplots(2, shown, squeeze=False)
    for number in range(shown):
        show_image(panels[0, number], images[number])
        show_image(panels[1, number], found[number, :, :, None], cmap="cividis", vmin=0)
    alt = (f"{shown} images and, below each, how much the logit of its class would change with each pixel, brighter "
           f"where it would more.")
    return save(figure, path, alt, saliency=found)
