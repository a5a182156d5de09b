"""What an augmentation makes of images, to look at.

- `augmented_examples(split, data, augment, count)`: an image of each class, and versions of it, for a contact sheet
"""
import numpy as np

from minivit.data.augment.pillow import picture
from minivit.data.dataset import Split
from minivit.data.images import image_pixels
from minivit.data.loader import Loader
from minivit.data.sheet import Picture, Row


def augmented_examples(split, data, augment, count, classes=20):
    """A Row for each class with images in a split of `data`, at most `classes`: its first image, and `count` of the
    versions that a Loader with the Augmentation `augment` would give, their normalisation undone.

    The caption of a version says what is in it, where images were mixed. Where the augmentation changes the size of
    images, the first is scaled to it.
    """
    labels, positions = np.unique(split.labels, return_index=True)
    positions, Y = positions[:classes], len(data.classes)
    few = Split(split.images[positions], labels[:classes])
    loader = Loader(few, len(few), data.mean, data.std, shuffle=False, augment=augment, classes=Y, threads=0)
    batches = [next(loader.epoch(number)) for number in range(count)]
    rows = []
    for k, (label, position) in enumerate(zip(few.labels, positions)):
        changed = [Picture(_pixels(batch.images[k], data), _caption(batch.targets[k], data.classes))
                   for batch in batches]
        size, original = changed[0].pixels.shape[:2], few.images[k]
        if original.shape[:2] != size:
            original = image_pixels(picture(original), size, original.shape[2])
        rows.append(Row(data.classes[label], (Picture(original, str(position)), *changed)))
    return rows


def _pixels(image, data):
    """uint8 (Sy, Sx, C) of an image float32 (C, Sy, Sx) that `normalise` made."""
    shares = image.transpose(1, 2, 0) * np.asarray(data.std) + data.mean
    return np.rint(255 * shares).clip(0, 255).astype(np.uint8)


def _caption(target, classes):
    """The class that most of a mixed image is of, such as "70% cat"; nothing for an image of one class."""
    return "" if target.ndim == 0 or target.max() == 1 else f"{target.max():.0%} {classes[target.argmax()]}"
