"""Batches on their way to a GPU, through memory that stays where it is.

- `Conveyor(device)`: hands on batches one by one, their images, labels and targets on the device

A batch is first written to memory of the host that is pinned, which is to say never swapped out, so that the GPU can
fetch it by itself while the host goes on. A thread does that for the next batch while the GPU computes on this one. On
the device it always lies at the same place: a CUDA graph, which is a step recorded once and replayed, reads its inputs
where they were when it was recorded.
"""
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np

from minivit.backend import on_device, to_device, xp_of
from minivit.data import Batch


class Conveyor:
    """conveyor(batches): the batches with images, labels and targets on `device`; on "cpu" as they are.

    A batch is overwritten by the next one: take the next only when something that was computed from this one has been
    read. One batch more than was asked for may have been taken from `batches`.
    """

    def __init__(self, device):
        self.device, self.lanes = device, {}

    def __call__(self, batches):
        if self.device == "cpu":
            yield from batches
            return
        batches, sides = iter(batches), itertools.cycle((0, 1))
        with ThreadPoolExecutor(1, "minivit-conveyor") as thread:
            def load():
                return thread.submit(copy_context().run, self._load, batches, next(sides))
            coming = load()
            while (loaded := coming.result()) is not None:
                batch, send = loaded
                there = {name: move() for name, move in send.items()}
                coming = load()
                yield Batch(there["images"], there["labels"], batch.index, there.get("targets", there["labels"]))

    def _load(self, batches, side):
        """(the next batch, written to pinned memory; {name: function that sends it to the device}), or None."""
        batch = next(batches, None)
        if batch is None:
            return None
        arrays = {"images": batch.images, "labels": batch.labels}
        if batch.targets is not batch.labels:
            arrays["targets"] = batch.targets
        return batch, {name: self._lane(name, array).load(array, side) for name, array in arrays.items()}

    def _lane(self, name, array):
        lane = self.lanes.get(name)
        if lane is None or not lane.fits(array):
            lane = self.lanes[name] = Lane(array, self.device, sides=2)
        return lane


class Lane:
    """Pinned memory of the host, `sides` times, and memory of a device, for arrays as large as `array` or shorter."""

    def __init__(self, array, device, sides=1):
        with on_device(device):
            self.there = to_device(array, device)
            pinned = [xp_of(self.there).cuda.alloc_pinned_memory(array.nbytes) for _ in range(sides)]
        self.here = [np.frombuffer(memory, array.dtype, math.prod(array.shape)).reshape(array.shape)
                     for memory in pinned]

    def fits(self, array):
        """Whether `array` can take this way."""
        return (array.dtype == self.there.dtype and array.shape[1:] == self.there.shape[1:]
                and len(array) <= len(self.there))

    def load(self, array, side=0):
        """Write `array` to one of the sides; a function that sends it from there and returns it on the device."""
        n, here = len(array), self.here[side]
        here[:n] = array

        def send():                             # the host does not wait until it is there
            self.there[:n].set(here[:n], stream=xp_of(self.there).cuda.get_current_stream())
            return self.there[:n]
        return send
