"""The numbers of a step, where a GPU reads them.

A learning rate that is passed to a kernel as an argument belongs to that launch. A step that is recorded once and
replayed with another learning rate must read it from memory: so all that the host knows of a step, and that changes
from one to the next, is copied to the device before it, at once.
"""
import math

import numpy as np

from minivit.backend import on, to_device, xp_of


class Numbers:
    """counter: the step, counted from 0, as an array of one uint64 on the device. of_groups (groups, n): float64."""

    def __init__(self, shape, device):
        self.here = np.zeros(1 + math.prod(shape))
        self.there = to_device(self.here, device)
        self.counter, self.of_groups = self.there[:1].view(np.uint64), self.there[1:].reshape(shape)

    def send(self, step, of_groups):
        """Copy the numbers of a step to the device; the host does not wait."""
        self.here[:1].view(np.uint64)[0] = step
        self.here[1:] = np.ravel(of_groups)
        with on(self.there):                    # pageable memory is staged at once, so `here` may change right after
            self.there.set(self.here, stream=xp_of(self.there).cuda.get_current_stream())
