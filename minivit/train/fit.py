"""A data set as a run wants it: so many images, of such a size, normalised in such a way.

- `fit_data(data, images, size, card)`: all three
- `balanced(labels, images)`: positions of equally many images of each class
- `places_in_class(labels)`: which of its class each image is, the first, the second, ...
- `at_size(split, size)`: images scaled by Pillow's bicubic filter, which takes every pixel into account
"""
from dataclasses import replace

import numpy as np

from minivit.data import Split, mean_std
from minivit.streams import stream


def fit_data(data, images=0, size=(), card=None):
    """The DataSet with at most `images` training images (0: all), scaled to size = (Sy, Sx) pixels ((): as they are).

    card: that of a trained model, which knows images normalised in its own way: that goes before the data's.
    Raises ValueError where the model of the card knows another number of channels.
    """
    train = data.train
    if images:
        chosen = balanced(train.labels, images)
        train = Split(train.images[chosen], train.labels[chosen])
    splits = {"train": train, "test": data.test}
    splits = {part: split if split is None or size in ((), split.images.shape[1:3]) else at_size(split, size)
              for part, split in splits.items()}
    if card is None:
        changed = splits["train"] is not data.train
        mean, std = mean_std(splits["train"].images) if changed else (data.mean, data.std)
    else:
        mean, std = card.mean, card.std
        if len(mean) != len(data.mean):
            raise ValueError(f"the model takes images of {len(mean)} channel(s), and {data.name} has {len(data.mean)}: "
                             f"it was trained on other data")
    return replace(data, **splits, mean=mean, std=std)


def balanced(labels, images):
    """Positions (images,) among labels (n,), equally many of each class, the same for every run.

    Raises ValueError where there are not that many.
    """
    if images > len(labels):
        raise ValueError(f"{images} training images were asked for, and there are {len(labels)}")
    order = stream(0, place="balanced").permutation(len(labels))
    return order[np.argsort(places_in_class(labels[order]), kind="stable")][:images]


def places_in_class(labels):
    """For each of labels (n,), how many of the same class stand before it: (n,)."""
    by_class = np.argsort(labels, kind="stable")
    places = np.empty(len(labels), np.int64)
    places[by_class] = np.arange(len(labels)) - np.searchsorted(labels[by_class], labels[by_class])
    return places


def at_size(split, size):
    """A Split of the same images with size = (Sy, Sx) pixels; proportions change where they must."""
    from PIL import Image
    channels = split.images.shape[3]
    scaled = np.empty((len(split), *size, channels), np.uint8)
    for image, out in zip(split.images, scaled):
        for channel in range(channels):             # one by one: Pillow knows no pictures of 2 or 5 channels
            out[..., channel] = Image.fromarray(image[..., channel]).resize(size[::-1], Image.Resampling.BICUBIC)
    return replace(split, images=scaled)
