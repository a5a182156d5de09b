"""Mixup and cutmix: a batch mixed with itself in reverse order, images and targets alike.

- `Mix(mixup, cutmix, mix_prob, switch_prob)`: "mixup:0.8, cutmix:1.0"
- `cut(share, Sy, Sx, rng)`: the rectangle of cutmix

    mixup       x <- lam x + (1 - lam) x'                               lam ~ Beta(alpha, alpha)
    cutmix      x' inside a rectangle, x around it                      lam: the share of x's pixels that are left
    targets     t <- lam t + (1 - lam) t'

x' and t' are the images and targets from the last to the first. There is one lam and one rectangle for the whole batch.

Source: Zhang et al. 2017, "mixup", arXiv 1710.09412; Yun et al. 2019, "CutMix", arXiv 1905.04899; together, and in
reverse order, as in timm.
"""
from dataclasses import dataclass, fields

import numpy as np

from minivit.data.augment.step import check_number


@dataclass(frozen=True)
class Mix:
    """What is done to batches. mixup, cutmix: alpha of each, 0 for none. mix_prob: the probability that a batch is
    mixed at all; switch_prob: that this is done by cutmix, where there are both. Raises ValueError for other numbers.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    mix_prob: float = 1.0
    switch_prob: float = 0.5

    def __post_init__(self):
        for name, most in (("mixup", 1e3), ("cutmix", 1e3), ("mix_prob", 1), ("switch_prob", 1)):
            check_number(name, getattr(self, name), 0, most)
        if not self.mixup and not self.cutmix:
            raise ValueError("mixing needs an alpha above 0 for mixup, cutmix or both, as in 'mixup:0.8, cutmix:1'")

    def __str__(self):
        return ", ".join(f"{f.name}:{getattr(self, f.name)}" for f in fields(self)
                         if getattr(self, f.name) != f.default)

    def __call__(self, images, labels, classes, rng):
        """(images, targets): float32 (B, C, Sy, Sx) and (B, Y).

        images: float32 (B, C, Sy, Sx). labels: int64 (B,). classes: Y. rng: a Generator, for this batch.
        """
        targets = np.zeros((len(labels), classes), np.float32)
        targets[np.arange(len(labels)), labels] = 1
        if rng.random() >= self.mix_prob:
            return images, targets
        by_cutmix = bool(self.cutmix) and (not self.mixup or rng.random() < self.switch_prob)
        alpha = self.cutmix if by_cutmix else self.mixup
        lam = rng.beta(alpha, alpha)
        if by_cutmix:
            Sy, Sx = images.shape[2:]
            rows, columns = cut(1 - lam, Sy, Sx, rng)
            mixed = images.copy()
            mixed[:, :, rows, columns] = images[::-1, :, rows, columns]
            lam = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (Sy * Sx)
        else:
            mixed = images * lam
            mixed += images[::-1] * (1 - lam)
        return mixed, targets * lam + targets[::-1] * (1 - lam)


def cut(share, Sy, Sx, rng):
    """A rectangle with the image's proportions and `share` of its area around a random pixel, as slices (rows,
    columns): what would lie outside of the image is cut off."""
    return tuple(slice(max(centre - side // 2, 0), min(centre + (side + 1) // 2, length))
                 for length in (Sy, Sx)
                 for side, centre in [(int(length * np.sqrt(share)), int(rng.integers(length)))])
