"""An average of a model's weights over the steps of its training, which is often better than the last of them.

    w' = d w' + (1 - d) w        d = min(decay, (1 + t) / (10 + t)) after step t = 1, 2, ...

Near the start of a run the weights are of no use yet, so d begins small and the average forgets them quickly.

Sources: Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging" (the idea); the rising d is
that of TensorFlow's ExponentialMovingAverage. DeiT (arXiv 2012.12877) averages with a decay of 0.99996.
"""
import contextlib

import numpy as np

from minivit.backend import copy_into, on, xp_of


class EMA:
    """The averages of all that an optimizer trains, over its packed arrays. decay: 0 < decay < 1.

    Weights that are not trained are not averaged: they do not change.
    """

    def __init__(self, optimizer, decay):
        if not 0 < decay < 1:
            raise ValueError(f"the decay of an average must be between 0 and 1, not {decay}")
        self.optimizer, self.decay = optimizer, decay
        with on(optimizer.groups[0].data):
            self.averages = [group.data.copy() for group in optimizer.groups]

    def update(self):
        """Take in the weights after a step."""
        for group, average in zip(self.optimizer.groups, self.averages):
            with on(average):
                share = self._share(average)
                for block in group.blocks():
                    part = average[block]
                    part += share * (group.data[block] - part)

    def _share(self, average):
        """1 - d: a number, or on a GPU an array of one, from the step's number there (see numbers.py)."""
        if self.optimizer.on_host:
            t = self.optimizer.steps
            return 1 - min(self.decay, (1 + t) / (10 + t))
        t = self.optimizer.counter.astype(np.float64) + 1
        return (1 - xp_of(t).minimum(self.decay, (1 + t) / (10 + t))).astype(average.dtype)

    @contextlib.contextmanager
    def applied(self):
        """A block in which the model's weights are the averages; after it they are what they were, bit for bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self):
        for group, average in zip(self.optimizer.groups, self.averages):
            kept = average.copy()
            average[...] = group.data
            group.data[...] = kept

    def state_dict(self):
        """{name of a parameter: its average}; the arrays are views of this object's own."""
        return {name: average[place].reshape(p.shape) for group, average in zip(self.optimizer.groups, self.averages)
                for (name, p), place in group.places()}

    def load_state_dict(self, state):
        """The inverse of `state_dict`. Raises KeyError, and changes nothing, where the names are others."""
        own = self.state_dict()
        if own.keys() != state.keys():
            raise KeyError(f"not the averages of this model: {len(state)} arrays, expected {len(own)}")
        for name, array in own.items():
            copy_into(array, state[name])
