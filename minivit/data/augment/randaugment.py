"""RandAugment: a few operations drawn at random for each image, all of about one magnitude.

- `RandAugment(config, interpolation, fill)`: "randaugment:m9-mstd0.5-inc1"

config is written as timm writes it, without its leading "rand-": parts joined by dashes, of which any may be left out.

    m9          magnitude 9 of 10 (default 10)
    mstd0.5     of each operation drawn anew, from a normal distribution around it with this standard deviation
                (default 0; above 100: evenly from 0 to the magnitude), then clipped to 0 ... 10
    mmax15      clipped to 15 instead of 10
    n3          operations for an image, one after the other (default 2); an operation may come twice
    p0.7        probability that an operation is done when it is its turn (default 0.5)
    inc1        a higher magnitude always changes more (default 0)

Source: Cubuk et al. 2019, arXiv 1909.13719; the config, the probability and the normal distribution are timm's.
"""
import math
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minivit.data.augment.framing import integers
from minivit.data.augment.operations import OPERATIONS, operate
from minivit.data.augment.pillow import filters
from minivit.data.augment.step import Step
from minivit.errors import unknown

_DEFAULTS = {"m": 10.0, "mstd": 0.0, "mmax": 10.0, "n": 2.0, "p": 0.5, "inc": 0.0}
_NUMBERS = 6            # random numbers that an operation needs


@dataclass(frozen=True)
class RandAugment(Step):
    """The operations of a config, on every image.

    interpolation: "bilinear", "bicubic" or "random" (one of both for each motion). fill: a value from 0 to 255 for each
    channel, or one for all: what motions leave empty; none, (), is 128, or the mean colour of the data where
    `Augmentation.parse` knows it. Raises ValueError for another config, and where it is called, for images with neither
    1 nor 3 channels.
    """

    name: ClassVar[str] = "randaugment"
    config: str = "m9-mstd0.5-inc1"
    interpolation: str = "random"
    fill: tuple = ()

    def __post_init__(self):
        filters(self.interpolation)
        settings(self.config)
        fill = self.fill if isinstance(self.fill, tuple) else (self.fill,)
        if len(fill) not in (0, 1, 3) or not all(type(value) is int and 0 <= value <= 255 for value in fill):
            raise ValueError(f"fill must be 1 or 3 integers from 0 to 255, not {self.fill!r}")
        object.__setattr__(self, "fill", fill)              # the dataclass is frozen

    def __call__(self, images, draw):
        known, choices = settings(self.config), filters(self.interpolation)
        fill = self.fill if len(self.fill) == 3 else (self.fill or (128,)) * images.shape[3]
        uniform = draw.uniform((len(images), int(known["n"]), _NUMBERS)).astype(np.float64)
        done = uniform[..., 0] < known["p"]
        which = integers(uniform[..., 1], len(OPERATIONS))
        levels = _levels(known, uniform[..., 2], uniform[..., 3])
        signs = np.where(uniform[..., 4] < 0.5, 1, -1)
        resample = integers(uniform[..., 5], len(choices))
        out = images.copy()
        for turn in range(int(known["n"])):
            for number, name in enumerate(OPERATIONS):          # all images together whose turn it is for this one
                now = np.flatnonzero(done[:, turn] & (which[:, turn] == number))
                if len(now):
                    out[now] = operate(name, out[now], levels[now, turn], signs[now, turn], bool(known["inc"]), fill,
                                       [choices[k] for k in resample[now, turn]])
        return out


def settings(config):
    """{"m": 9.0, ...} of a config like "m9-mstd0.5". Raises ValueError for one that cannot be read."""
    found = dict(_DEFAULTS)
    for part in str(config).split("-"):
        matched = re.fullmatch(r"([a-z]+)(\d+\.?\d*|inf)", part)
        if matched is None:
            raise ValueError(f"randaugment's config has parts like m9, mstd0.5 and inc1, joined by dashes; {part!r} "
                             f"in {config!r} is none")
        name, value = matched.groups()
        if name not in found:
            raise ValueError(unknown("part of randaugment's config", name, found))
        found[name] = float(value)
    if found["n"] not in range(1, 100) or found["p"] > 1 or found["inc"] not in (0, 1):
        raise ValueError(f"randaugment needs n from 1 to 99 operations, a probability p of at most 1 and inc0 or inc1, "
                         f"not {config!r}")
    return found


def _levels(known, first, second):
    """Magnitudes of operations, from two random numbers in [0, 1) each."""
    if known["mstd"] > 100:
        levels = known["m"] * first
    else:
        normal = np.sqrt(-2 * np.log(1 - first)) * np.cos(2 * math.pi * second)     # Box and Muller 1958
        levels = known["m"] + known["mstd"] * normal
    return np.clip(levels, 0, known["mmax"])
