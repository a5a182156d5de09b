"""Units that have stopped working: dead ones, which are always 0, and saturated ones, which never bend.

- `unit_states(model, images)`: of each layer with a non-linearity, its dead and its saturated units

A dead unit lets no gradient through and says the same of every image. A saturated one is constant (tanh near -1 or 1)
or merely linear (GELU far above 0): the layer has lost what makes it more than a matrix.
"""
from dataclasses import dataclass

import numpy as np

from minivit.inspect.record import record
from minivit.modes import no_grad
from minivit.tensor import Tensor

DEAD = 1e-3         # a unit is dead if it never gets further from 0
LINEAR = 3.0        # GELU(x) = x to 0.004 beyond this
FLAT = 0.99         # tanh is as good as constant beyond this


@dataclass(frozen=True)
class UnitState:
    """A layer: path, how many units it has, and the numbers of those that are dead, and saturated, on `seen` inputs."""

    path: str
    units: int
    seen: int
    dead: np.ndarray
    saturated: np.ndarray

    @property
    def words(self):
        """Sentences about what is wrong; none where nothing is."""
        return [f"{self.path}: {len(which)} of {self.units} units are {state} on all of {self.seen} inputs: "
                f"{some(which)}" for which, state in ((self.dead, "dead"), (self.saturated, "saturated")) if len(which)]


def unit_states(model, images):
    """A UnitState of every MLP's hidden layer, of a head's, and of every stage of convolutions, in evaluation mode.

    images: an array as the model takes it, (B, C, Sy, Sx), normalised. Inputs are tokens, in the last block only those
    that the head reads; of a stage they are places, and its units are its channels.
    """
    hidden = ["blocks.*.mlp.drop1"] if hasattr(model, "blocks") else []     # it returns what the GELU made
    head = ["pre_logits"] if getattr(model, "pre_logits", None) is not None else []
    training = model.training
    model.eval()
    try:
        with no_grad(), record(model, also=hidden + head) as rec:
            model(Tensor(images).to(model.device))
    finally:
        model.train(training)
    states = []
    for path in rec.stages + rec.also:
        y = rec.output(path)
        rows = np.moveaxis(y, 1, -1).reshape(-1, y.shape[1]) if path in rec.stages else y.reshape(-1, y.shape[-1])
        dead = abs(rows).max(axis=0) < DEAD
        if path in rec.stages:
            saturated = np.zeros_like(dead)                                 # above 0, ReLU is linear as it should be
        elif path in head and model.pre_logits.act == "tanh":
            saturated = abs(rows).min(axis=0) > FLAT
        else:
            saturated = rows.min(axis=0) > LINEAR
        states.append(UnitState(path, rows.shape[1], len(rows), np.flatnonzero(dead), np.flatnonzero(saturated)))
    return states


def some(names, most=5):
    """At most `most` of `names`, for a sentence."""
    return ", ".join(map(str, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
