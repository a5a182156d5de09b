"""Preflight: the usual mistakes of training, looked for before hours are spent on them.

    for check in preflight(trainer):
        print(check)                            # a mark, what was found, and where it is wrong what to do

Training goes wrong without an error: a network learns something from almost anything. Each check here is a question
with a known answer: the loss of a model that knows nothing is ln Y, one batch can be learned by heart, the gradient of
one image's logits by another image is 0. Data comes first, then the model, then training; what rests on something that
is wrong is not asked. The trainer that is checked stays as it is, bit for bit.

Source: Karpathy 2019, "A recipe for training neural networks", for most of the questions.
"""
from minivit.inspect.preflight.check import Check, unharmed
from minivit.inspect.preflight.of_data import labels, neighbours, normalised, pairs
from minivit.inspect.preflight.of_model import deterministic, every_parameter, logits, loss_at_start, no_leak
from minivit.inspect.preflight.of_training import fresh_gradients, learning_rate, memory, one_batch
from minivit.train.loop import joined

__all__ = ["Check", "preflight"]

GROUPS = ((labels, pairs, normalised, neighbours),
          (loss_at_start, logits, deterministic, no_leak, every_parameter),
          (fresh_gradients, one_batch, learning_rate, memory))
IMAGES = 64         # in the batch that the checks of model and training look at


def preflight(trainer):
    """The Checks of a Trainer that has not begun, one after the other; the first group in which one fails is the last.
    """
    batch = None
    for group in GROUPS:
        sound = True
        for question in group:
            with unharmed(trainer), trainer.workers:
                try:
                    batch = batch or _first_images(trainer)
                    check = question(trainer, batch)
                except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
                    check = Check(question.__name__, False, f"{type(error).__name__}: {error}",
                                  "this happens in training too: see what it says")
            sound &= check.ok
            yield check
        if not sound:
            return


def _first_images(trainer):
    """The first IMAGES images of the run, as one Batch."""
    batches, found = trainer.loader.epoch(0), []
    for batch in batches:
        found.append(batch)
        if sum(map(len, found)) >= IMAGES:
            break
    return joined(found)[:IMAGES]
