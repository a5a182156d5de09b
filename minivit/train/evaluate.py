"""How good a model is on images that it has not seen, and what it says of them."""
import numpy as np

from minivit import ops
from minivit.data import normalise
from minivit.modes import no_grad
from minivit.tensor import Tensor

BATCH = 250


@no_grad()
def logits_of(model, images, mean, std):
    """The logits (n, Y) of uint8 images (n, Sy, Sx, C), in evaluation mode; the model's mode is put back."""
    training = model.training
    model.eval()
    try:
        parts = [model(Tensor(normalise(images[start:start + BATCH], mean, std))).data
                 for start in range(0, len(images), BATCH)]
    finally:
        model.train(training)
    return np.concatenate(parts)


def evaluate(model, split, mean, std):
    """{"accuracy": share in [0, 1], "loss": mean cross-entropy in nats, "images": n} of a model on a Split."""
    logits = logits_of(model, split.images, mean, std)
    if split.labels.max() >= logits.shape[1]:
        raise ValueError(f"the data has the label {split.labels.max()}, but the model only {logits.shape[1]} classes: "
                         f"it was trained on other data")
    with no_grad():
        loss = ops.cross_entropy(Tensor(logits), split.labels).item()
    return {"accuracy": float((logits.argmax(axis=1) == split.labels).mean()), "loss": loss, "images": len(split)}
