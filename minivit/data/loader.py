"""Batches of a split, in an order that can be had again.

- `Loader(split, batch_size, mean, std, ...)`: shuffles, augments and normalises
- `loader.epoch(number)`: the batches of one epoch; `first_batch=k` enters it in the middle
- `Batch`: images, labels, and where in the split they are

Nothing is remembered between batches. The order of an epoch and the random numbers of each of its
images are addressed by (seed, epoch, position in the order), so a run that stopped after batch k
goes on with exactly the batches that it would have seen.
"""
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minivit.data.dataset import Split, normalise
from minivit.streams import Draw, stream


@dataclass(frozen=True, eq=False)
class Batch:
    """images: float32 (B, C, Sy, Sx), normalised. labels: int64 (B,). index: int64 (B,), their
    positions in the split."""

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, cut):
        """The part of the batch in a slice."""
        return Batch(self.images[cut], self.labels[cut], self.index[cut])


@dataclass(frozen=True, eq=False)
class Loader:
    """The batches of `split`; len(loader) is their number in an epoch.

    batch_size: B; the last batch of an epoch is smaller where n is no multiple of it, or left out
    with drop_last. mean, std: see `normalise`. seed: integer >= 0. shuffle: a new order in each
    epoch, else that of the split. augment: None, or an augmentation as `augment.py` describes it.
    Raises ValueError for other arguments, and where an epoch would have no batch.
    """

    split: Split
    batch_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int = 0
    shuffle: bool = True
    augment: Callable | None = None
    drop_last: bool = False

    def __post_init__(self):
        _check_integer("batch_size", self.batch_size, 1)
        _check_integer("seed", self.seed, 0)
        normalise(self.split.images[:1], self.mean, self.std)   # wrong numbers fail here, not later
        if self.augment is not None and not hasattr(self.augment, "numbers"):
            raise ValueError(f"augment must have an attribute `numbers`, how many random numbers "
                             f"an image needs, and {self.augment!r} has none; see ShiftRotate")
        if len(self) == 0:
            raise ValueError(f"drop_last leaves no batch: batch_size is {self.batch_size}, the "
                             f"split has {len(self.split)} images; make batch_size smaller")

    def __len__(self):
        batches = len(self.split) / self.batch_size
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def epoch(self, number, first_batch=0):
        """An iterator over the batches of epoch `number` (from 0), from batch `first_batch` on.

        first_batch = len(loader) gives none: an epoch that was just finished.
        Raises ValueError where there is no such epoch or batch.
        """
        _check_integer("number", number, 0)
        _check_integer("first_batch", first_batch, 0, len(self))
        order = np.arange(len(self.split))
        if self.shuffle:
            order = stream(self.seed, number, "shuffle").permutation(len(self.split))
        return (self._batch(number, order, k) for k in range(first_batch, len(self)))

    def _batch(self, epoch, order, k):
        first = k * self.batch_size
        index = order[first:first + self.batch_size]
        images = self.split.images[index]
        if self.augment is not None:
            draw = Draw(self.seed, epoch, "augment", first_image=first)
            images = self.augment(images, draw.uniform((len(index), self.augment.numbers)))
        return Batch(normalise(images, self.mean, self.std), self.split.labels[index], index)


def _check_integer(name, value, least, most=None):
    """Raise ValueError unless `value` is an integer from `least` to `most`."""
    if isinstance(value, (int, np.integer)) and least <= value and (most is None or value <= most):
        return
    wanted = f">= {least}" if most is None else f"from {least} to {most}"
    raise ValueError(f"{name} must be an integer {wanted}, not {value!r}")
