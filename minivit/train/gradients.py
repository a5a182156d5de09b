"""The gradient of one batch, computed in parts by worker threads.

This is data parallelism on one machine: every worker has a tape of its own, runs forward and backward on its part of
the images, and the parts' gradients are added up. Two things make the sum the same, bit for bit, for any number of
workers: the parts are cut by shapes alone, and they are added in the order of the images, whichever is ready first.
"""
import threading
from dataclasses import dataclass

import numpy as np

from minivit.streams import randomness
from minivit.tape import Sum
from minivit.tensor import Tensor
from minivit.train.workers import SERIAL, parts


@dataclass(frozen=True)
class StepResult:
    """What a batch cost: the mean loss, how many of its images were classified rightly, and how many there were."""

    loss: float
    correct: int
    images: int


class OrderedSum:
    """Adds up gradients part by part, in the order of the parts, as soon as their turn has come."""

    def __init__(self):
        self.lock, self.waiting, self.next, self.sums = threading.Lock(), {}, 0, {}

    def add(self, part, gradients):
        """Hand in {leaf: gradient} of part number `part`; whoever completes a gap adds what was waiting behind it."""
        with self.lock:
            self.waiting[part] = gradients
            while self.next in self.waiting:
                for leaf, gradient in self.waiting.pop(self.next).items():
                    if leaf in self.sums:
                        self.sums[leaf].add(gradient)
                    else:
                        self.sums[leaf] = Sum(gradient)
                self.next += 1


def gradients(model, loss, batch, seed, step, workers=SERIAL):
    """Add the gradient of the batch's loss into the parameters' `.grad`, and return a StepResult.

    loss(outputs, part of the batch, n) divides by n, the images of the whole batch, so that the parts' losses add up to
    the batch's mean: see `losses`. Random masks are those of (seed, step, image).
    Raises FloatingPointError, before any `.grad` has changed, where the loss is not finite.
    """
    total = OrderedSum()
    cuts = parts(len(batch), model.token_shape)

    def work(part):
        own = batch[cuts[part]]
        with randomness(seed, step, first_image=cuts[part].start):
            outputs = model(Tensor(own.images))
            value = loss(outputs, own, len(batch))
            if not np.isfinite(value.item()):
                raise FloatingPointError(f"the loss is {value.item()} at step {step}: lower the learning rate, "
                                         f"lengthen the warm-up, or clip gradients harder")
            found = {}
            value.backward(sink=lambda leaf, gradient, owned: found.update({leaf: gradient}))
        total.add(part, found)
        return value.item(), correct(outputs, own.labels)

    results = workers.map(work, range(len(cuts)))
    for leaf, gradient in total.sums.items():
        leaf.receive(gradient.total, gradient.owned)
    return StepResult(sum(value for value, _ in results), sum(correct for _, correct in results), len(batch))


def correct(outputs, labels):
    """How many images are classified rightly by logits (B, Y), or by a pair of them taken together.

    labels: class indices (B,), or soft rows (B, Y), of which the largest counts.
    """
    logits = outputs[0].data + outputs[1].data if isinstance(outputs, tuple) else outputs.data
    labels = labels if labels.ndim == 1 else labels.argmax(axis=1)
    return int((logits.argmax(axis=1) == labels).sum())
