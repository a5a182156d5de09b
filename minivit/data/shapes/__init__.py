"""Shapes: images made by code, any number of any size, with exact labels and boxes.

    data = shapes("same-different", ShapesOptions(train=20_000, size=48))
    data.train.images, data.train.labels, data.train.boxes

They need no download, and what must be seen to solve a task is known: see `tasks.py`. So they are for experiments about
what a network finds easily, and how many images that takes. Image k of a split is the same for any number of images;
labels follow one another, 0, 1, ..., so the first Y k images hold k of each class.
"""
from dataclasses import dataclass

import numpy as np

from minivit.data.dataset import DataSet, Split, mean_std
from minivit.data.shapes.tasks import TASKS
from minivit.errors import unknown
from minivit.streams import Draw

__all__ = ["TASKS", "ShapesOptions", "shapes"]

_BLOCK = 512            # images that are drawn at once
_SMALLEST = 24          # pixels; below, a cross and a disc look alike


@dataclass(frozen=True)
class ShapesOptions:
    """train, test: how many images; one of them may be 0. size: S in pixels, of square images. seed: another one makes
    other images. noise: each number is moved at random, by up to this share of the range from black to white.
    Raises ValueError for anything else."""

    train: int = 10_000
    test: int = 2_000
    size: int = 32
    seed: int = 0
    noise: float = 0.1

    def __post_init__(self):
        if min(self.train, self.test) < 0 or self.train + self.test == 0:
            raise ValueError(f"shapes need a number of images, not train={self.train} and test={self.test}")
        if self.size < _SMALLEST:
            raise ValueError(f"shapes need images of {_SMALLEST} pixels at least to be told apart, not {self.size}")
        if not 0 <= self.noise <= 1:
            raise ValueError(f"noise is a share of the range from black to white, from 0 to 1, not {self.noise}")


def shapes(task="shape", options=ShapesOptions()):
    """The DataSet of a task: "shape", "texture", "same-different", "parity" or "aligned"; see `tasks.py`.

    Images are uint8 (n, S, S, 3); a split's boxes are int64 (n, objects, 4). Raises ValueError for an unknown task.
    """
    if task not in TASKS:
        raise ValueError(unknown("task of shapes", task, TASKS))
    splits = {part: _split(task, part, count, options) if count else None
              for part, count in (("train", options.train), ("test", options.test))}
    mean, std = mean_std((splits["train"] or splits["test"]).images)
    name = "shapes" if task == "shape" else f"shapes-{task}"
    return DataSet(name, TASKS[task].classes, splits["train"], splits["test"], mean, std)


def _split(task, part, count, options):
    images = np.empty((count, options.size, options.size, 3), np.uint8)
    labels, boxes = np.arange(count) % len(TASKS[task].classes), []
    for first in range(0, count, _BLOCK):
        own = labels[first:first + _BLOCK]
        scene = Draw(options.seed, 0, f"shapes {task} {part}", first).uniform((len(own), TASKS[task].numbers))
        drawn, found = TASKS[task].scene(own, scene, options.size)
        noise = Draw(options.seed, 0, f"shapes {task} {part} noise", first).uniform(drawn.shape)
        drawn += np.float32(options.noise) * (2 * noise - 1)
        images[first:first + _BLOCK] = np.rint(np.clip(drawn, 0, 1) * 255)
        boxes.append(found)
    return Split(images, labels, np.concatenate(boxes))
