"""Batches of a split, in an order that can be had again, made ahead of time by threads of their own.

- `Loader(split, batch_size, mean, std, ...)`: shuffles, augments and normalises
- `loader.epoch(number)`: the batches of one epoch; `first_batch=k` enters it in the middle
- `Batch`: images, labels, where in the split they are, and what is to be learned of them
- `LoaderError`: an image could not be made; the message says which and why

Nothing is remembered between batches. The order of an epoch and the random numbers of each of its
images are addressed by (seed, epoch, position in the order), those of mixing by (seed, epoch,
batch), so a run that stopped after batch k goes on with exactly the batches that it would have
seen, however many threads make them.
"""
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from minivit.data.augment import Augmentation, Step
from minivit.data.dataset import Split, normalise
from minivit.streams import Draw, stream


class LoaderError(ValueError):
    """An image could not be made; `__cause__` is what went wrong."""


@dataclass(frozen=True, eq=False)
class Batch:
    """images: float32 (B, C, Sy, Sx), normalised. labels: int64 (B,). index: int64 (B,), their
    positions in the split. targets: what is to be learned, the labels (the default), or where images
    were mixed float32 (B, Y): how much of each class is in them."""

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray
    targets: np.ndarray | None = None

    def __post_init__(self):
        if self.targets is None:
            object.__setattr__(self, "targets", self.labels)    # the dataclass is frozen

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, cut):
        """The part of the batch in a slice."""
        return Batch(self.images[cut], self.labels[cut], self.index[cut], self.targets[cut])


@dataclass(frozen=True, eq=False)
class Loader:
    """The batches of `split`; len(loader) is their number in an epoch.

    batch_size: B; the last batch of an epoch is smaller where n is no multiple of it, or left out
    with drop_last. mean, std: see `normalise`. seed: integer >= 0. shuffle: a new order in each
    epoch, else that of the split. augment: None, an Augmentation, or one of its steps. classes: Y,
    which mixing needs. repeats: r shows r versions of each image side by side, and of the split one
    in r, so that an epoch stays as long: repeated augmentation (Hoffer et al. 2019, arXiv
    1901.09335, as DeiT has it). threads: how many make batches ahead of time, `ahead` at most; 0
    makes each when it is asked for.

    Raises ValueError for other arguments, and where an epoch would have no batch.
    """

    split: Split
    batch_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int = 0
    shuffle: bool = True
    augment: Augmentation | Step | None = None
    drop_last: bool = False
    classes: int | None = None
    repeats: int = 1
    threads: int = 1
    ahead: int = 3

    def __post_init__(self):
        for name, least in (("batch_size", 1), ("seed", 0), ("repeats", 1), ("threads", 0), ("ahead", 1)):
            _check_integer(name, getattr(self, name), least)
        normalise(self.split.images[:1], self.mean, self.std)   # wrong numbers fail here, not later
        augment = Augmentation.of(self.augment) if isinstance(self.augment, Step) else self.augment or Augmentation()
        if not isinstance(augment, Augmentation):
            raise ValueError(f"augment must be an Augmentation, as Augmentation.parse('crop:4, flip') gives it, or one "
                             f"of its steps, not {augment!r}")
        object.__setattr__(self, "augment", augment)            # the dataclass is frozen
        if augment.mix is not None:
            _check_integer("classes, which mixing needs,", self.classes, int(self.split.labels.max()) + 1)
        if len(self) == 0:
            raise ValueError(f"drop_last leaves no batch: batch_size is {self.batch_size}, the "
                             f"split has {len(self.split)} images; make batch_size smaller")

    def __len__(self):
        batches = len(self.split) / self.batch_size
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def epoch(self, number, first_batch=0):
        """An iterator over the batches of epoch `number` (from 0), from batch `first_batch` on.

        first_batch = len(loader) gives none: an epoch that was just finished. Threads start with the
        first batch, and end with the last or when the iterator is closed or dropped.
        Raises ValueError where there is no such epoch or batch, and LoaderError, while iterating,
        for an image that cannot be made.
        """
        _check_integer("number", number, 0)
        _check_integer("first_batch", first_batch, 0, len(self))
        return self._batches(number, range(first_batch, len(self)))

    def _batches(self, epoch, numbers):
        order = self._order(epoch)
        if self.threads == 0:
            for k in numbers:
                yield self._batch(epoch, order, k)
            return
        pool = ThreadPoolExecutor(self.threads, "minivit-loader")
        try:
            jobs = (pool.submit(self._batch, epoch, order, k) for k in numbers)
            waiting = deque(islice(jobs, self.ahead))
            while waiting:
                batch = waiting.popleft().result()
                waiting.extend(islice(jobs, 1))
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)

    def _order(self, epoch):
        """The positions in the split of an epoch's images, int64 (n,)."""
        order = np.arange(len(self.split))
        if self.shuffle:
            order = stream(self.seed, epoch, "shuffle").permutation(len(self.split))
        return np.repeat(order, self.repeats)[:len(self.split)]

    def _batch(self, epoch, order, k):
        first = k * self.batch_size
        index = order[first:first + self.batch_size]
        try:
            images = self._images(epoch, index, first)
        except Exception:
            self._name_culprit(epoch, index, first)
            raise
        labels = targets = self.split.labels[index]
        if self.augment.mix is not None:
            images, targets = self.augment.mix(images, labels, self.classes, stream(self.seed, epoch, f"mix {k}"))
        return Batch(images, labels, index, targets)

    def _images(self, epoch, index, first):
        """The images at the positions `index`, float32; they are number first, first + 1, ... of the epoch."""
        draw = Draw(self.seed, epoch, "augment", first_image=first)
        images = self.augment(self.split.images[index], draw)
        images = normalise(images, self.mean, self.std)
        return images if self.augment.erase is None else self.augment.erase(images, draw)

    def _name_culprit(self, epoch, index, first):
        """Raise LoaderError for the first of a failed batch's images that fails alone too, if one does."""
        for number, position in enumerate(index):
            try:
                self._images(epoch, index[number:number + 1], first + number)
            except Exception as error:
                raise LoaderError(f"image {position} of the split, number {first + number} of epoch {epoch}: "
                                  f"{error}") from error


def _check_integer(name, value, least, most=None):
    """Raise ValueError unless `value` is an integer from `least` to `most`."""
    if isinstance(value, (int, np.integer)) and least <= value and (most is None or value <= most):
        return
    wanted = f">= {least}" if most is None else f"from {least} to {most}"
    raise ValueError(f"{name} must be an integer {wanted}, not {value!r}")
