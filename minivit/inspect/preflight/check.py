"""What a check of a run found, and the block in which a run may be tried out without harm.

- `Check`: a finding, with what to do about it
- `unharmed(trainer)`: a block after which a Trainer is what it was
- `awake(model)`: a block in which no weight of a model is exactly 0
- `moved(trainer, batch)`: a Batch where the trainer's model is
"""
import contextlib
from dataclasses import dataclass

import numpy as np

from minivit.backend import to_device
from minivit.streams import stream


@dataclass(frozen=True)
class Check:
    """name: of what was checked. ok: whether nothing is wrong. found: what was seen. remedy: what to do where it is
    wrong. str(check) is a line, and below it the remedy."""

    name: str
    ok: bool
    found: str
    remedy: str

    def __str__(self):
        line = f"{'✓' if self.ok else '✗'} {self.name.replace('_', ' '):<18} {self.found}"
        return line if self.ok else f"{line}\n{'':<21}→ {self.remedy}"


@contextlib.contextmanager
def unharmed(trainer):
    """A block in which weights, averages and the optimizer may change: afterwards they are what they were."""
    states = {part: {name: array.copy() for name, array in owner.state_dict().items()}
              for part, owner in trainer.parts.items()}
    lr, training = trainer.optimizer.lr, trainer.model.training
    try:
        yield
    finally:
        for part, owner in trainer.parts.items():
            owner.load_state_dict(states[part])
        trainer.optimizer.lr = lr
        trainer.model.train(training)
        trainer.model.zero_grad()


@contextlib.contextmanager
def awake(model):
    """A block in which a little noise is added to every weight: a head of zeros, say, lets no gradient through."""
    kept = {name: array.copy() for name, array in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        noise = stream(0, place=f"awake {name}").standard_normal(parameter.shape, dtype=np.float32)
        parameter.data[...] += to_device(np.float32(0.03) * noise, model.device)
    try:
        yield
    finally:
        model.load_state_dict(kept)


def moved(trainer, batch):
    """The Batch on the device of the trainer's model."""
    return next(iter(trainer.conveyor([batch])))
