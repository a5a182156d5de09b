"""How good a model is on images that it has not seen, and what it says of them."""
import numpy as np

from minivit import ops
from minivit.backend import on_device, to_device, to_host
from minivit.data import normalise
from minivit.modes import no_grad
from minivit.tensor import Tensor
from minivit.train.workers import SERIAL, parts

IMAGES = 256            # at a time on a GPU


@no_grad()
def logits_of(model, images, mean, std, workers=SERIAL, replay=None):
    """The logits (n, Y) of uint8 images (n, Sy, Sx, C), in evaluation mode; the model's mode is put back.

    The model may be on a GPU, which then is given IMAGES at a time, through `replay` if there is one; images and logits
    are NumPy's.
    """
    training, device = model.training, model.device
    model.eval()

    def forward(images):
        return model(Tensor(to_device(images, device))).data

    def logits(cut):
        return to_host((forward if replay is None else replay.logits)(normalise(images[cut], mean, std)))

    try:
        with on_device(device):
            if device != "cpu":
                return np.concatenate([logits(slice(k, k + IMAGES)) for k in range(0, len(images), IMAGES)])
            return np.concatenate(workers.map(logits, parts(len(images), model.token_shape)))
    finally:
        model.train(training)


def evaluate(model, split, mean, std, workers=SERIAL, replay=None):
    """{"accuracy": share in [0, 1], "loss": mean cross-entropy in nats, "images": n} of a model on a Split."""
    logits = logits_of(model, split.images, mean, std, workers, replay)
    if split.labels.max() >= logits.shape[1]:
        raise ValueError(f"the data has the label {split.labels.max()}, but the model only {logits.shape[1]} classes: "
                         f"it was trained on other data")
    with no_grad():
        loss = ops.cross_entropy(Tensor(logits), split.labels).item()
    return {"accuracy": float((logits.argmax(axis=1) == split.labels).mean()), "loss": loss, "images": len(split)}
