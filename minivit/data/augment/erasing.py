"""Random erasing: a rectangle of an image hidden behind noise or one colour.

- `Erase(prob, mode, area, aspect)`: "erase:0.25"
- `box(uniform, area, aspect, Sy, Sx)`: the rectangles

It comes after normalising, where 0 is the mean colour of the data and 1 its standard deviation.

Source: Zhong et al. 2017, "Random Erasing Data Augmentation", arXiv 1708.04896; modes and ranges as in timm.
"""
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minivit.data.augment.framing import TRIES, integers, tries
from minivit.data.augment.step import Step, check_number, check_range
from minivit.errors import unknown
from minivit.streams import stream

MODES = ("pixel", "rand", "const")


@dataclass(frozen=True)
class Erase(Step):
    """Hides a rectangle of each image with probability `prob`.

    mode: "pixel" fills it with normal noise, "rand" with one random colour, "const" with the mean colour. area: range
    of its share of the image. aspect: the least proportion, height : width; the largest is 1 / aspect. Unlike other
    steps it is called with float32 images (B, C, Sy, Sx), normalised.
    """

    name: ClassVar[str] = "erase"
    prob: float = 0.25
    mode: str = "pixel"
    area: tuple = (0.02, 1 / 3)
    aspect: float = 0.3

    def __post_init__(self):
        check_number("prob", self.prob, 0, 1)
        check_range("area", self.area, 0, 1)
        check_number("aspect", self.aspect, 1e-3, 1)
        if self.mode not in MODES:
            raise ValueError(unknown("mode of erase", self.mode, MODES))

    def __call__(self, images, draw):
        B, C, Sy, Sx = images.shape
        uniform = draw.uniform((B, 2 * TRIES + 3))
        out = images.copy()
        boxes = box(uniform[:, 1:], self.area, self.aspect, Sy, Sx)
        for b in np.flatnonzero(uniform[:, 0] < self.prob):
            top, left, height, width = boxes[b]
            out[b, :, top:top + height, left:left + width] = self._filling(draw, b, C, Sy * Sx, height, width)
        return out

    def _filling(self, draw, b, C, pixels, height, width):
        if self.mode == "const":
            return 0
        # A normal number takes one random number, seldom several: twice as many are set apart as an image may need.
        noise = stream(draw.seed, draw.step, f"{draw.place} noise", draw.first_image + int(b), 2 * C * pixels)
        shape = (C, height, width) if self.mode == "pixel" else (C, 1, 1)
        return noise.standard_normal(shape, dtype=np.float32)


def box(uniform, area, aspect, Sy, Sx):
    """(top, left, height, width) of a rectangle in each image: integers (B, 4), all 0 where no try gave one that is
    smaller than the image.

    uniform: (B, 2 * TRIES + 2) in [0, 1): area and proportions of each try, then the place of the first that fits.
    """
    areas, proportions = tries(uniform[:, :-2], area, (aspect, 1 / aspect), Sy * Sx)
    heights, widths = np.rint(np.sqrt(areas * proportions)), np.rint(np.sqrt(areas / proportions))
    fits = (heights < Sy) & (widths < Sx)
    first = np.arange(len(uniform)), fits.argmax(axis=1)
    height, width = heights[first].astype(int), widths[first].astype(int)
    top, left = integers(uniform[:, -2], Sy - height + 1), integers(uniform[:, -1], Sx - width + 1)
    return np.stack([top, left, height, width], axis=1) * fits.any(axis=1)[:, None]
