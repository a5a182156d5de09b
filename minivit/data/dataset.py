"""Labelled images in memory, and the one step from bytes to the numbers that a model sees.

- `Split`: images and their labels, checked once, so that nothing after has to
- `DataSet`: a training and a test split, the names of the classes, mean and std to normalise with
- `normalise(images, mean, std)`: uint8 (B, Sy, Sx, C), as files have it -> float32 (B, C, Sy, Sx)
- `mean_std(images)`: the mean and std of each channel

Shapes: n images in a split, B images in a batch, C channels, S = (Sy, Sx) image size in pixels.
"""
import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_BLOCK = 2 ** 22    # bytes at a time: np.bincount widens each to 8, and a large set does not fit into memory


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images, in the layout of image files.

    images: uint8 (n, Sy, Sx, C), n >= 1; may lie in a file (np.memmap), of which only what is used
    is read. labels: int64 (n,), class numbers from 0. boxes: where the objects in the images are,
    int64 (n, objects, 4), the pixels [top, bottom) x [left, right) as top, left, bottom, right; None
    where nobody knows. Raises ValueError where they are anything else, or of different lengths.
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray | None = None

    def __post_init__(self):
        check_images(self.images)
        boxes = self.boxes
        if boxes is not None and (boxes.dtype != np.int64 or boxes.ndim != 3
                                  or (len(boxes), boxes.shape[2]) != (len(self.images), 4)):
            raise ValueError(f"boxes must be an int64 array of shape (n, objects, 4), here n = {len(self.images)}, not "
                             f"{_said(boxes)}")
        labels = self.labels
        if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.ndim != 1:
            raise ValueError(f"labels must be an int64 array of shape (n,), not {_said(labels)}; "
                             f"other integers need labels.astype(np.int64)")
        if len(labels) != len(self.images):
            raise ValueError(f"{len(self.images)} images but {len(labels)} labels: "
                             f"each image needs one")
        if len(labels) == 0:
            raise ValueError("a split needs at least one image; "
                             "a data set without this split has None in its place")
        if labels.min() < 0:
            raise ValueError(f"labels are class numbers from 0, "
                             f"but labels[{labels.argmin()}] is {labels.min()}")

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set: its splits (one may be None), the names of its classes, how to normalise it.

    name: what `open_dataset` opens it by again. classes: tuple of names; label y means classes[y].
    mean, std: tuples of C floats, in units of pixel values scaled to [0, 1]. title: what to call it
    before people, by default the name. notes: sentences about what was left out or changed when it
    was read. Raises ValueError where the parts do not fit together.
    """

    name: str
    classes: tuple[str, ...]
    train: Split | None
    test: Split | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    title: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "title", self.title or self.name)          # the dataclass is frozen
        name, count = Counter(self.classes).most_common(1)[0] if self.classes else ("", 0)
        if count > 1:
            raise ValueError(f"data set {self.name!r} has several classes called {name!r}: give each its own name")
        named = {"train": self.train, "test": self.test}
        splits = {part: split for part, split in named.items() if split is not None}
        if not splits:
            raise ValueError(f"data set {self.name!r} has neither a train nor a test split")
        shapes = {part: split.images.shape[1:] for part, split in splits.items()}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"data set {self.name!r}: train images are {shapes['train']} (Sy, Sx, C) but test images "
                             f"{shapes['test']}: one model must fit both")
        for part, split in splits.items():
            if split.labels.max() >= len(self.classes):
                raise ValueError(f"data set {self.name!r} has {len(self.classes)} classes, but "
                                 f"its {part} split has the label {split.labels.max()}")
            try:
                _check_channels(split.images.shape[-1], self.mean, self.std)
            except ValueError as error:
                raise ValueError(f"data set {self.name!r}: {error}") from error

    @cached_property
    def checksum(self):
        """A sha256 of the classes and of every image and label, wherever they lie; reads them all."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for part in ("train", "test"):
            split = getattr(self, part)
            for array in () if split is None else (split.images, split.labels):
                digest.update(f"{part} {array.dtype.str} {array.shape}".encode())
                for block in _blocks(array):
                    digest.update(np.ascontiguousarray(block))
        return digest.hexdigest()


def normalise(images, mean, std):
    """(images / 255 - mean) / std in each channel, with the channels moved first.

    images: uint8 (B, Sy, Sx, C). mean, std: C numbers each, in units of pixel values scaled to
    [0, 1]. Returns float32 (B, C, Sy, Sx), contiguous. Raises ValueError for other arguments.
    """
    check_images(images)
    _check_channels(images.shape[-1], mean, std)
    mean, std = (np.asarray(numbers)[:, None, None] for numbers in (mean, std))     # (C, 1, 1)
    scale, offset = (1 / (255 * std)).astype(np.float32), (mean / std).astype(np.float32)
    out = np.empty((len(images), len(mean), *images.shape[1:3]), np.float32)
    np.multiply(images.transpose(0, 3, 1, 2), scale, out=out)
    out -= offset
    return out


def mean_std(images):
    """Mean and standard deviation of each channel, over all images and pixels.

    images: uint8 (n, Sy, Sx, C). Returns two tuples of C floats, in units of pixel values scaled
    to [0, 1]. Bytes are counted by value, not summed as floats, so nothing is lost by rounding.
    """
    check_images(images)
    return mean_std_of(sum(map(count_values, _blocks(images))))


def count_values(images):
    """How often each byte occurs in each channel: int64 (C, 256), of images uint8 (n, Sy, Sx, C)."""
    return np.stack([np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(images.shape[3])])


def _blocks(array):
    """The array (n, ...) in parts of about _BLOCK numbers."""
    step = max(1, _BLOCK // array[0].size)
    return (array[start:start + step] for start in range(0, len(array), step))


def mean_std_of(counts):
    """`mean_std` of the images that have these counts, the sums of `count_values`."""
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(std.tolist())


def check_images(images):
    """Raise ValueError unless `images` is a uint8 array (n, Sy, Sx, C) whose images have pixels."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"images must be a uint8 array of shape (n, Sy, Sx, C), not "
                         f"{_said(images)}; grey images without channels need images[..., None]")
    if 0 in images.shape[1:]:
        raise ValueError(f"images without pixels: their shape is {images.shape}")


def _check_channels(channels, mean, std):
    """Raise ValueError unless mean and std are one number a channel, and std is above 0."""
    if np.shape(mean) != (channels,) or np.shape(std) != (channels,):
        raise ValueError(f"images of {channels} channel(s) need {channels} number(s) in mean and "
                         f"in std, not mean={mean!r} and std={std!r}")
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and np.min(std) > 0):
        raise ValueError(f"mean must be finite and std above 0, not mean={mean!r} and std={std!r}; "
                         f"a std of 0 comes from images whose pixels all have the same value")


def _said(value):
    """What `value` is, in the words of an error message."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"a {type(value).__name__}"
