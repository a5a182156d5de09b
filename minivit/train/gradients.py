"""The gradient of one batch, computed in parts by worker threads; on a GPU, which has threads of its own, at once.

This is data parallelism on one machine: every worker has a tape of its own, runs forward and backward on its part of
the images, and the parts' gradients are added up. Two things make the sum the same, bit for bit, for any number of
workers: the parts are cut by shapes alone, and they are added in the order of the images, whichever is ready first.

On a GPU the host only says what is to be computed, and is far ahead of it. It would have to wait for a number that it
reads, so the loss is not looked at here: where it is not finite the gradient is made nan, with which an optimizer
changes nothing, and `StepResult.read`, the one look at the end of a step, raises the error.
"""
import math
import threading
from dataclasses import dataclass, replace

import numpy as np

from minivit.backend import on, to_host, xp_of
from minivit.optim.clipping import check_norm
from minivit.streams import randomness
from minivit.tape import Sum
from minivit.tensor import Tensor
from minivit.train.workers import SERIAL, parts


@dataclass(frozen=True)
class StepResult:
    """What a batch cost at a step: the mean loss, how many of its images were classified rightly, how many there were.

    On a GPU loss and correct are arrays of one number each, until `with_norm` and `read`.
    """

    loss: float
    correct: int
    images: int
    step: int = 0
    unread: object = None

    def with_norm(self, norm):
        """The same with the gradient's norm: on a GPU all three numbers are put into one array, to be read at once."""
        xp = xp_of(self.loss)
        if xp is np:
            return self
        with on(self.loss):
            unread = xp.empty(3, np.float64)
            unread[0], unread[1], unread[2] = self.loss, self.correct, norm
        return replace(self, unread=unread)

    def read(self):
        """The same in numbers.

        Raises FloatingPointError where the loss or the norm is not finite; on the CPU that was done before.
        """
        if self.unread is None:
            return self
        loss, correct, norm = to_host(self.unread).tolist()
        check_loss(loss, self.step)
        check_norm(norm)
        return replace(self, loss=loss, correct=int(correct), unread=None)


def check_loss(loss, step):
    """Raise FloatingPointError where a loss, a number, is not finite."""
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss} at step {step}: lower the learning rate, lengthen the warm-up, "
                                 f"or clip gradients harder")


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


def gradients(model, loss, batch, seed, step, workers=SERIAL, counter=None):
    """Add the gradient of the batch's loss into the parameters' `.grad`, and return a StepResult.

    loss(outputs, part of the batch, n) divides by n, the images of the whole batch, so that the parts' losses add up to
    the batch's mean: see `losses`. Random masks are those of (seed, step, image). counter: the step as an array on the
    GPU, where there is one.
    Raises FloatingPointError, before any `.grad` has changed, where the loss is not finite; see above for GPUs.
    """
    total, xp = OrderedSum(), xp_of(batch.images)
    cuts = parts(len(batch), model.token_shape) if xp is np else [slice(0, len(batch))]

    def work(part):
        own = batch[cuts[part]]
        with randomness(seed, step, cuts[part].start, counter):
            outputs = model(Tensor(own.images))
            value = loss(outputs, own, len(batch))
            found, start = {}, None
            if xp is np:
                check_loss(value.item(), step)
            else:
                start = xp.where(xp.isfinite(value.data), 1.0, math.nan).astype(value.dtype)
            value.backward(start, sink=lambda leaf, gradient, owned: found.update({leaf: gradient}))
        total.add(part, found)
        return value.item() if xp is np else value.data, correct(outputs, own.labels)

    with on(batch.images):
        results = workers.map(work, range(len(cuts)))
        for leaf, gradient in total.sums.items():
            leaf.receive(gradient.total, gradient.owned)
        return StepResult(sum(value for value, _ in results), sum(correct for _, correct in results), len(batch), step)


def correct(outputs, labels):
    """How many images are classified rightly by logits (B, Y), or by a pair of them taken together: a number, or on a
    GPU an array of one.

    labels: class indices (B,), or soft rows (B, Y), of which the largest counts.
    """
    logits = outputs[0].data + outputs[1].data if isinstance(outputs, tuple) else outputs.data
    labels = labels if labels.ndim == 1 else labels.argmax(axis=1)
    found = (logits.argmax(axis=1) == labels).sum()
    return int(found) if isinstance(logits, np.ndarray) else found
