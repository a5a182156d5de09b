"""Checks of the data: labels that there are, on the images that they belong to, of numbers that a network likes."""
from dataclasses import replace

import numpy as np

from minivit.data import normalise
from minivit.inspect.preflight.check import Check
from minivit.streams import stream

NEIGHBOURS = 2000       # images among which neighbours are looked for
FEW = 200               # images of which nothing is concluded
SIDE = 16               # pixels to which their sides are reduced


def labels(trainer, batch):
    """Are labels class numbers of the model's, from 0 on?"""
    Y = trainer.model.config.num_classes
    found = np.concatenate([trainer.loader.split.labels, batch.labels])
    seen = len(np.unique(found))
    inside = 0 <= found.min() and found.max() < Y and batch.targets.dtype.kind in "iuf"
    starts_late = found.min() > 0 and seen < Y
    return Check("labels", bool(inside and not starts_late),
                 f"{found.min()} ... {found.max()}, {seen} of {Y} classes seen",
                 f"labels are class numbers from 0 to {Y - 1}: were they counted from 1, or has the model another "
                 f"number of classes than the data?")


def pairs(trainer, batch):
    """Does each image come with its own label, and unchanged but for augmentation?"""
    split = trainer.loader.split
    if batch.targets.ndim == 2:         # mixed images keep a share of their own label, however small
        own = batch.targets[np.arange(len(batch)), batch.labels] > 0
    else:
        own = batch.targets == batch.labels
    wrong = int((~own | (batch.labels != split.labels[batch.index])).sum())
    plain = next(iter(_plain(trainer.loader).epoch(0)))
    expected = normalise(split.images[plain.index], trainer.loader.mean, trainer.loader.std)
    moved = sum(not np.allclose(image, other, atol=1e-4) for image, other in zip(plain.images, expected))
    return Check("pairs", not wrong and not moved,
                 f"all {len(batch)} labels are their images'" if not wrong and not moved else
                 f"{wrong} of {len(batch)} labels are not their images'" if wrong else
                 f"{moved} of {len(plain)} images are not the one that their index names",
                 "images and labels were sorted, filtered or shifted apart: whatever reorders one must reorder the "
                 "other by the same index")


def normalised(trainer, batch):
    """Are inputs of a mean near 0 and a spread near 1, and tested as they are trained?"""
    images = next(iter(_plain(trainer.loader).epoch(0))).images
    mean, std = float(images.mean()), float(images.std())
    same = np.allclose(trainer.loader.mean, trainer.data.mean) and np.allclose(trainer.loader.std, trainer.data.std)
    return Check("normalised", bool(abs(mean) <= 1.5 and 0.4 <= std <= 2.5 and same),
                 f"inputs have a mean of {mean:.2f} and a standard deviation of {std:.2f}"
                 + ("" if same else ", but are tested with another mean and std"),
                 "normalise with the mean and std of the training images (minivit.data.mean_std), or, for a model that "
                 "was trained before, with those of its card; the same for training and testing")


def neighbours(trainer, batch):
    """Do images that look alike have the same label more often than by chance?"""
    split = trainer.loader.split
    chosen = stream(0, place="preflight").permutation(len(split))[:NEIGHBOURS]
    x = _reduced(split.images[np.sort(chosen)])
    own = split.labels[np.sort(chosen)]
    distance = (x * x).sum(1)[:, None] - 2 * (x @ x.T) + (x * x).sum(1)
    np.fill_diagonal(distance, np.inf)
    agree = float((own[distance.argmin(1)] == own).mean())
    shares = np.bincount(own) / len(own)
    chance = float((shares ** 2).sum())
    doubt = 2.5 * float(np.sqrt(chance * (1 - chance) / len(own)))      # standard deviations of chance
    few = len(own) < FEW
    return Check("neighbours", agree > chance + doubt or few,
                 f"{agree:.1%} of {len(own):,} images have the label of the image nearest in pixels, by chance "
                 f"{chance:.1%} would" + (", but they are too few to tell" if few else ""),
                 "labels seem to be shuffled: look at some images with their labels (minivit data show). Where classes "
                 "differ in what no pixel shows by itself, same or different say, nothing is wrong")


def _plain(loader):
    """The same loader without augmentation."""
    return replace(loader, augment=None, repeats=1, threads=0)


def _reduced(images):
    """Images (n, Sy, Sx, C) as rows of at most SIDE x SIDE means over pixels, float32."""
    n, Sy, Sx, C = images.shape
    step_y, step_x = max(1, Sy // SIDE), max(1, Sx // SIDE)
    cut = images[:, :Sy // step_y * step_y, :Sx // step_x * step_x].astype(np.float32)
    return cut.reshape(n, Sy // step_y, step_y, Sx // step_x, step_x, C).mean((2, 4)).reshape(n, -1)
