"""The gradient of one batch: the step of the textbook loop that knows how the work is done."""
from dataclasses import dataclass

import numpy as np

from minivit.streams import randomness
from minivit.tensor import Tensor


@dataclass(frozen=True)
class StepResult:
    """What a batch cost: the mean loss, how many of its images were classified rightly, and how many there were."""

    loss: float
    correct: int
    images: int


def gradients(model, loss, batch, seed, step):
    """Add the gradient of loss(logits, labels), the batch's mean, into the parameters' `.grad`; a StepResult.

    Random masks are those of (seed, step). Targets may be class indices (B,) or soft rows (B, Y).
    Raises FloatingPointError, before any gradient is computed, where the loss is not finite.
    """
    with randomness(seed, step):
        logits = model(Tensor(batch.images))
        value = loss(logits, batch.labels)
        if not np.isfinite(value.item()):
            raise FloatingPointError(f"the loss is {value.item()} at step {step}: lower the learning rate, lengthen "
                                     f"the warm-up, or clip gradients harder")
        value.backward()
    labels = batch.labels if batch.labels.ndim == 1 else batch.labels.argmax(axis=1)
    return StepResult(value.item(), int((logits.data.argmax(axis=1) == labels).sum()), len(batch))
