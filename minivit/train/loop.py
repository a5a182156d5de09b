"""The training loop: batch, gradients, clip, step; and large batches of small ones."""
import itertools
import math
from dataclasses import fields

import numpy as np

from minivit.data import Batch
from minivit.train.gradients import gradients
from minivit.train.workers import SERIAL


def train_epoch(model, batches, loss, optimizer, schedule, clip_norm=0.0, seed=0, workers=SERIAL, ema=None, run=None):
    """Take one step for each of `batches`, yielding its StepResult after the parameters have changed.

    clip_norm: the largest norm of the gradient, 0 for any. run(step, batch), if given, calls step(batch), or does what
    it would do: see `replay`. Raises FloatingPointError, with the parameters as they were, where the loss or the norm
    is not finite.
    """
    def step(batch):
        optimizer.zero_grad()
        result = gradients(model, loss, batch, seed, optimizer.steps, workers, optimizer.counter)
        norm, factor = optimizer.clip_factor(clip_norm or math.inf)
        optimizer.step(factor=factor)
        if ema is not None:
            ema.update()
        return result.with_norm(norm)

    model.train()
    for batch in batches:
        optimizer.begin(schedule(optimizer.steps))
        result = step(batch) if run is None else run(step, batch)
        yield result.read()


def accumulated(batches, count):
    """The batches, `count` of them joined to one at a time; at the end perhaps fewer.

    Gradients of a batch are computed in parts and added up anyway, so that a large batch needs no more memory than a
    small one but for its images; and the joined batch is, bit for bit, the one that a loader of larger batches gives
    (but where images are mixed: that is drawn for each batch of the loader).
    """
    batches = iter(batches)
    while group := list(itertools.islice(batches, count)):
        yield group[0] if len(group) == 1 else joined(group)


def joined(batches):
    """One Batch of several."""
    return Batch(*(np.concatenate([getattr(batch, f.name) for batch in batches]) for f in fields(Batch)))
