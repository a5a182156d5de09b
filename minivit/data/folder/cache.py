"""Decoded images in one file, mapped into memory: of a large folder only what is used is read.

- `cache_path(parts)`: where the cache lies, by all that its content depends on
- `CacheWriter(file)`: writes one, image by image
- `open_cache(path)`, `read_cache(data)`: the splits in one, or None where there is none, or a damaged one

    the pixels of all training images, then of all test images, uint8
    JSON: the version; the shape of an image; the labels of each split; mean and std; the names of the classes, notes
    8 bytes, how long the JSON is, little-endian; 8 bytes, MAGIC

The end is written last, and a file gets its name only when it is whole, so a cache that a crash or a full disk cut off
is never taken for one.
"""
import contextlib
import hashlib
import json
import math
import os
import time
from dataclasses import dataclass

import numpy as np

from minivit.data.dataset import Split, count_values, mean_std_of
from minivit.data.places import cache_folder

MAGIC, VERSION = b"minivit\1", 1
_STALE = 24 * 3600          # seconds after which an unfinished file belongs to a process that was killed


@dataclass(frozen=True)
class Cached:
    """What a cache holds: the Splits by name, the numbers to normalise with, and what else was written with them."""

    splits: dict
    mean: tuple
    std: tuple
    about: dict


def cache_path(parts):
    """Where the cache lies, or would: another place for other `parts` (of JSON's types) or another version."""
    digest = hashlib.sha256(json.dumps([VERSION, parts]).encode()).hexdigest()
    return cache_folder() / "images" / f"{digest[:32]}.images"


class CacheWriter:
    """Writes images to `file`, which is open for binary writing: those of "train" first, then those of "test".

    shape: that of an image, None before the first. labels: {split: those of the images so far}.
    """

    def __init__(self, file):
        self.shape, self.labels = None, {}
        self._file, self._counts, self._uncounted = file, 0, []

    def add(self, part, pixels, label):
        """One image, uint8 (Sy, Sx, C), of a split. Its shape must be that of the first."""
        self.shape = self.shape or pixels.shape
        self._file.write(np.ascontiguousarray(pixels))
        self.labels.setdefault(part, []).append(label)
        if len(self.labels) == 1:                           # mean and std are those of the first split
            self._uncounted.append(pixels)
            if len(self._uncounted) == 256:
                self._count()

    def _count(self):
        if self._uncounted:
            self._counts = self._counts + count_values(np.stack(self._uncounted))
            self._uncounted = []

    def finish(self, about):
        """Write the end, after one image at least. about: a dictionary of JSON's types."""
        self._count()
        mean, std = mean_std_of(self._counts)
        text = json.dumps({"version": VERSION, "shape": self.shape, "labels": self.labels, "mean": mean, "std": std,
                           "about": about}).encode()
        self._file.write(text + len(text).to_bytes(8, "little") + MAGIC)


def open_cache(path):
    """The Cached in a file; None where there is no whole one."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    return read_cache(np.memmap(path, np.uint8, "r"))


def read_cache(data):
    """The Cached in the bytes of a file, an array of uint8, or None."""
    length = int.from_bytes(data[-16:-8].tobytes(), "little")
    end = len(data) - 16 - length
    if data[-8:].tobytes() != MAGIC or end < 0:
        return None
    try:
        stored = json.loads(data[end:-16].tobytes())
        size, splits, start = math.prod(stored["shape"]), {}, 0
        if stored["version"] != VERSION or size * sum(map(len, stored["labels"].values())) != end:
            return None
        for part, labels in stored["labels"].items():
            stop = start + size * len(labels)
            splits[part] = Split(data[start:stop].reshape(-1, *stored["shape"]), np.array(labels, np.int64))
            start = stop
        return Cached(splits, tuple(stored["mean"]), tuple(stored["std"]), stored["about"])
    except (KeyError, TypeError, ValueError):               # a damaged end: the cache is made again
        return None


def remove_stale(folder):
    """Delete what processes that were killed left in the folder of the caches."""
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):        # another process was faster
            if entry.name.startswith(".") and time.time() - entry.stat().st_mtime > _STALE:
                os.unlink(entry.path)
