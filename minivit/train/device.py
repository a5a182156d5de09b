"""Batches on their way to a GPU, through memory that stays where it is.

- `Conveyor(device)`: hands on batches one by one, their images, labels and targets on the device

A batch is first written to memory of the host that is pinned, which is to say never swapped out, so that the GPU can
fetch it by itself while the host goes on. On the device it always lies at the same place: a CUDA graph, which is a step
recorded once and replayed, reads its inputs where they were when it was recorded.
"""
import math

import numpy as np

from minivit.backend import on_device, to_device, xp_of
from minivit.data import Batch


class Conveyor:
    """conveyor(batches): the batches with images, labels and targets on `device`; on "cpu" as they are.

    A batch is overwritten by the next one, and the memory that the device fetches it from too: take the next only when
    something that was computed from this one has been read.
    """

    def __init__(self, device):
        self.device, self.lanes = device, {}

    def __call__(self, batches):
        if self.device == "cpu":
            yield from batches
            return
        for batch in batches:
            images, labels = self._moved("images", batch.images), self._moved("labels", batch.labels)
            targets = labels if batch.targets is batch.labels else self._moved("targets", batch.targets)
            yield Batch(images, labels, batch.index, targets)

    def _moved(self, name, array):
        """`array` on the device, at the place for what has this name."""
        lane = self.lanes.get(name)
        if lane is None or not lane.fits(array):
            lane = self.lanes[name] = Lane(array, self.device)
        return lane.move(array)


class Lane:
    """Pinned memory of the host, and memory of a device, for arrays as large as `array` or shorter."""

    def __init__(self, array, device):
        with on_device(device):
            self.there = to_device(array, device)
            pinned = xp_of(self.there).cuda.alloc_pinned_memory(array.nbytes)
        self.here = np.frombuffer(pinned, array.dtype, math.prod(array.shape)).reshape(array.shape)

    def fits(self, array):
        """Whether `array` can take this way."""
        same = array.dtype == self.here.dtype and array.shape[1:] == self.here.shape[1:]
        return same and len(array) <= len(self.here)

    def move(self, array):
        """`array` on the device; the host does not wait until it is there."""
        n = len(array)
        self.here[:n] = array
        self.there[:n].set(self.here[:n], stream=xp_of(self.there).cuda.get_current_stream())
        return self.there[:n]
