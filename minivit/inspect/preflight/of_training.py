"""Checks of training itself: that a few steps do what steps should do, and that there is room for all of them."""
import copy
import math

import numpy as np

from minivit.inspect.preflight.check import Check, moved
from minivit.inspect.summary import summarise
from minivit.models.registry import build_from
from minivit.nn import no_init
from minivit.optim import AdamW
from minivit.train.loop import train_epoch
from minivit.train.workers import parts

STEPS = 40          # on one batch, for each of the checks that learn


def fresh_gradients(trainer, batch):
    """Are gradients forgotten before each step? The same step of no length, twice, must find the same gradient."""
    norms = []
    for _ in range(2):
        trainer.optimizer.steps = 0                                         # the same masks
        next(trainer.take_steps([batch], schedule=lambda step: 0.0, clip_norm=0.0))
        norms.append(math.sqrt(sum(float((p.grad * p.grad).sum()) for p in trainer.model.parameters()
                                   if p.grad is not None)))
    ratio = norms[1] / norms[0] if norms[0] else 0.0
    return Check("fresh_gradients", abs(ratio - 1) < 1e-3, f"the second gradient is {ratio:.2f} times the first",
                 "call optimizer.zero_grad() before each backward: gradients of earlier steps are still in there")


def one_batch(trainer, batch):
    """Can a copy of the model learn a few images by heart?"""
    model, few = copy.deepcopy(trainer.model), moved(trainer, batch[:16])
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    results = list(train_epoch(model, [few] * STEPS, trainer.loss, AdamW(named, weight_decay=0.0),
                               lambda step: 3e-3 * min(1, (step + 1) / 5), 1.0, trainer.seed, trainer.workers))
    first, last = results[0].loss, float(np.mean([result.loss for result in results[-5:]]))
    return Check("one_batch", last < 0.85 * first,
                 f"the loss of {len(few)} images goes from {first:.2f} to {last:.2f} in {STEPS} steps",
                 "the model cannot learn even these: look at targets, gradients, and where the signal from the image "
                 "is lost")


def learning_rate(trainer, batch):
    """Does the loss of one batch fall at the highest learning rate of the run, and never jump up?"""
    steps = trainer.epochs * trainer.steps
    highest = max(trainer.schedule(step) for step in range(0, steps, max(1, steps // 1000)))
    losses = []
    try:
        for result in trainer.take_steps([batch] * STEPS, lambda step: highest * min(1, (step + 1) / 10)):
            losses.append(result.loss)                                      # ten steps of warm-up
    except FloatingPointError:
        losses += [math.inf]
    first, most, last = losses[0], max(losses), float(np.mean(losses[-10:]))
    return Check("learning_rate", most < 1.05 * first and last < 0.97 * first,
                 f"at {highest:g} the loss of one batch goes from {first:.2f} to {last:.2f}, {most:.2f} at most",
                 f"training diverges: try a tenth, --lr {highest / 10:g}, and clip gradients (--clip-norm 1)")


def memory(trainer, batch):
    """Is there enough memory? An estimate: weights and what belongs to each, what a step keeps, the images."""
    model, optimizer = trainer.model, trainer.optimizer
    copies = 3 + len(optimizer.slots) + (trainer.ema is not None)          # weights, gradients, their sum; moments
    weights = 4 * model.num_parameters() * copies
    images = min(trainer.loader.batch_size * trainer.accumulate, len(trainer.loader.split))
    cuts = parts(images, model.token_shape)
    largest, together = max(cut.stop - cut.start for cut in cuts), min(trainer.workers.count, len(cuts))
    with no_init():
        parts_of_model = summarise(build_from(model.config))
    kept = 2 * sum(part.kept for part in parts_of_model) * largest * together       # as much again on the way
    splits = [split.images for split in (trainer.data.train, trainer.data.test) if split is not None]
    data = sum(array.nbytes for array in splits if not isinstance(array, np.memmap))
    free = free_memory()
    needed = weights + kept
    text = f"about {_mega(needed)} for a step ({_mega(weights)} of weights, {_mega(kept)} of activations), " \
           f"{_mega(data)} of images are there"
    return Check("memory", free is None or needed < free, text + ("" if free is None else f"; {_mega(free)} are free"),
                 "take a smaller --batch-size, fewer --threads, or a smaller model")


def free_memory():
    """Bytes that Linux could still give to a process, None elsewhere."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None


def _mega(number):
    return f"{number / 1e6:,.0f} MB"
