"""Labelled images in memory, and the one step from bytes to the numbers that a model sees.

- `Split`: images and their labels, checked once, so that nothing after has to
- `DataSet`: a training and a test split, the names of the classes, mean and std to normalise with
- `normalise(images, mean, std)`: uint8 (B, Sy, Sx, C), as files have it -> float32 (B, C, Sy, Sx)
- `mean_std(images)`: the mean and std of each channel

Shapes: n images in a split, B images in a batch, C channels, S = (Sy, Sx) image size in pixels.
"""
from dataclasses import dataclass

import numpy as np

_BLOCK = 1000       # images that mean_std counts at a time: np.bincount widens every byte to 8


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images, in the layout of image files.

    images: uint8 (n, Sy, Sx, C), n >= 1. labels: int64 (n,), class numbers from 0.
    Raises ValueError where they are anything else, or of different lengths.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        check_images(self.images)
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

    classes: tuple of names; label y means classes[y]. mean, std: tuples of C floats, in units of
    pixel values scaled to [0, 1]. Raises ValueError where the parts do not fit together.
    """

    name: str
    classes: tuple[str, ...]
    train: Split | None
    test: Split | None
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self):
        named = {"train": self.train, "test": self.test}
        splits = {part: split for part, split in named.items() if split is not None}
        if not splits:
            raise ValueError(f"data set {self.name!r} has neither a train nor a test split")
        shapes = {part: split.images.shape[1:] for part, split in splits.items()}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"train images are {shapes['train']} (Sy, Sx, C) but test images "
                             f"{shapes['test']}: one model must fit both")
        for part, split in splits.items():
            if split.labels.max() >= len(self.classes):
                raise ValueError(f"data set {self.name!r} has {len(self.classes)} classes, but "
                                 f"its {part} split has the label {split.labels.max()}")
            _check_channels(split.images.shape[-1], self.mean, self.std)


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
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), _BLOCK):
        for channel in range(channels):
            pixels = images[start:start + _BLOCK, ..., channel].ravel()
            counts[channel] += np.bincount(pixels, minlength=256)
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
