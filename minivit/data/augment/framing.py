"""Which part of a picture is seen, and which way round.

- `Flip(prob)`: left and right exchanged, "flip"
- `Crop(border, mode)`: a border added, then a window of the old size cut out anywhere, "crop:4"
- `ResizedCrop(scale, interpolation, ratio, size)`: a window of any area and proportions, scaled, "resized_crop:0.35/1"
- `window(uniform, scale, ratio, Sy, Sx)`: the windows that ResizedCrop cuts out

Source: He et al. 2015, arXiv 1512.03385, section 4.2, for the border of 4 around CIFAR's images; Szegedy et al. 2014,
"Going deeper with convolutions", arXiv 1409.4842, section 6, for the windows, here as torchvision and timm cut them.
"""
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minivit.data.augment.pillow import filters, pixels_of, picture
from minivit.data.augment.step import Step, check_number, check_range
from minivit.errors import unknown

PADDINGS = {"zero": "constant", "reflect": "reflect"}
TRIES = 10              # windows that are drawn until one fits into the image


@dataclass(frozen=True)
class Flip(Step):
    """A mirror image, with probability `prob`."""

    name: ClassVar[str] = "flip"
    prob: float = 0.5

    def __post_init__(self):
        check_number("prob", self.prob, 0, 1)

    def __call__(self, images, draw):
        mirrored = draw.uniform((len(images),)) < self.prob
        out = images.copy()
        out[mirrored] = images[mirrored, :, ::-1]
        return out


@dataclass(frozen=True)
class Crop(Step):
    """A border of `border` pixels on each side, zeros or (mode "reflect") the image mirrored at its edge; then a window
    as large as the image, anywhere, all places equally likely."""

    name: ClassVar[str] = "crop"
    border: int = 4
    mode: str = "zero"

    def __post_init__(self):
        check_number("border", self.border, 0, 1 << 16, whole=True)
        if self.mode not in PADDINGS:
            raise ValueError(unknown("mode of crop", self.mode, PADDINGS))

    def __call__(self, images, draw):
        B, Sy, Sx, C = images.shape
        sides = (self.border, self.border)
        padded = np.pad(images, ((0, 0), sides, sides, (0, 0)), PADDINGS[self.mode])
        corners = integers(draw.uniform((B, 2)), 2 * self.border + 1)
        return np.stack([image[top:top + Sy, left:left + Sx] for image, (top, left) in zip(padded, corners)])


@dataclass(frozen=True)
class ResizedCrop(Step):
    """A window with a share of the image's area from the range `scale` and proportions (width : height) from the range
    `ratio`, scaled to `size` pixels a side (0: to the size of the image).

    interpolation: "bilinear", "bicubic" or "random", one of both for each image.
    """

    name: ClassVar[str] = "resized_crop"
    scale: tuple = (0.08, 1.0)
    interpolation: str = "random"
    ratio: tuple = (3 / 4, 4 / 3)
    size: int = 0

    def __post_init__(self):
        check_range("scale", self.scale, 1e-6, 1)
        check_range("ratio", self.ratio, 1e-3, 1e3)
        check_number("size", self.size, 0, 1 << 16, whole=True)
        filters(self.interpolation)

    def __call__(self, images, draw):
        B, Sy, Sx, C = images.shape
        uniform = draw.uniform((B, 2 * TRIES + 3))
        size = (self.size, self.size) if self.size else (Sx, Sy)            # Pillow's order
        choices = filters(self.interpolation)
        choice = integers(uniform[:, -1], len(choices))
        windows = window(uniform[:, :-1], self.scale, self.ratio, Sy, Sx)
        return np.stack([pixels_of(picture(image[top:top + height, left:left + width]).resize(size, choices[k]))
                         for image, (top, left, height, width), k in zip(images, windows, choice)])


def window(uniform, scale, ratio, Sy, Sx):
    """(top, left, height, width) of a window in each image: integers (B, 4).

    uniform: (B, 2 * TRIES + 2) in [0, 1): area and proportions of each try, then the place of the first that fits.
    Where none does, it is the largest window around the centre that has proportions within `ratio`.
    """
    area, proportions = tries(uniform[:, :-2], scale, ratio, Sy * Sx)
    widths, heights = np.rint(np.sqrt(area * proportions)), np.rint(np.sqrt(area / proportions))
    fits = (widths <= Sx) & (heights <= Sy)
    first = np.arange(len(uniform)), fits.argmax(axis=1)
    height, width = heights[first].astype(int), widths[first].astype(int)
    top = integers(uniform[:, -2], Sy - height + 1)
    left = integers(uniform[:, -1], Sx - width + 1)
    widest, highest = min(Sx, round(Sy * ratio[1])), min(Sy, round(Sx / ratio[0]))
    central = (Sy - highest) // 2, (Sx - widest) // 2, highest, widest
    return np.where(fits.any(axis=1)[:, None], np.stack([top, left, height, width], axis=1), central)


def tries(uniform, scale, ratio, pixels):
    """Areas (B, TRIES) in pixels, all equally likely, and proportions (B, TRIES), whose logarithms are."""
    share, place = uniform[:, 0::2].astype(np.float64), uniform[:, 1::2].astype(np.float64)
    low, high = np.log(ratio)
    return (scale[0] + (scale[1] - scale[0]) * share) * pixels, np.exp(low + (high - low) * place)


def integers(uniform, count):
    """Integers from 0 to count - 1, all equally likely, from numbers in [0, 1)."""
    return (uniform * np.float64(count)).astype(int)
