"""Random changes of colour.

- `Jitter(amount, hue)`: brighter or darker, more or less contrast and colour, "jitter:0.3"
- `ThreeAugment()`: grey, solarized or blurred, "three_augment"

Source: torchvision's ColorJitter; Touvron et al. 2022, "DeiT III", arXiv 2204.07118, section 3.1, for the three.
"""
from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

import numpy as np

from minivit.data.augment import tones
from minivit.data.augment.framing import integers
from minivit.data.augment.step import Step, check_number

_CHANGES = (tones.brightness, tones.contrast, tones.colour, tones.hue)
_ORDERS = np.array(list(permutations(range(4))))


@dataclass(frozen=True)
class Jitter(Step):
    """Brightness, contrast and saturation times a factor each, from 1 - amount to 1 + amount, but at least 0; hues
    turned by up to `hue` (at most 0.5) of their circle either way; the four in random order.

    amount: one number, or a tuple of three, for brightness, contrast and saturation.
    """

    name: ClassVar[str] = "jitter"
    amount: float | tuple = 0.3
    hue: float = 0.0

    def __post_init__(self):
        if len(self.amounts) != 3:
            raise ValueError(f"amount must be one number, or three for brightness, contrast and saturation, written as "
                             f"in jitter:0.4/0.4/0.2, not {self.amount!r}")
        for amount in self.amounts:
            check_number("amount", amount, 0, 100)
        check_number("hue", self.hue, 0, 0.5)

    @property
    def amounts(self):
        """Of brightness, contrast and saturation."""
        return self.amount if isinstance(self.amount, tuple) else (self.amount,) * 3

    def __call__(self, images, draw):
        uniform = draw.uniform((len(images), 5)).astype(np.float64)
        low = np.array([max(0, 1 - amount) for amount in self.amounts] + [-self.hue])
        high = np.array([1 + amount for amount in self.amounts] + [self.hue])
        factors = low + (high - low) * uniform[:, :4]
        orders = _ORDERS[integers(uniform[:, 4], len(_ORDERS))]
        out = images.copy()
        for turn in range(4):
            for k, change in enumerate(_CHANGES):               # all images together whose turn it is for this one
                now = np.flatnonzero(orders[:, turn] == k)
                if len(now) and high[k] > low[k]:
                    out[now] = change(out[now], factors[now, k])
        return out


@dataclass(frozen=True)
class ThreeAugment(Step):
    """One of three, equally likely: shades of grey, values from 128 on inverted, or a blur of 0.1 to 2 pixels."""

    name: ClassVar[str] = "three_augment"

    def __call__(self, images, draw):
        uniform = draw.uniform((len(images), 2)).astype(np.float64)
        choices, radii = integers(uniform[:, 0], 3), 0.1 + 1.9 * uniform[:, 1]
        zeros, out = np.zeros(len(images)), images.copy()
        three = (tones.colour, zeros), (tones.solarize, zeros + 128), (tones.blur, radii)
        for k, (change, argument) in enumerate(three):
            now = np.flatnonzero(choices == k)
            if len(now):
                out[now] = change(out[now], argument[now])
        return out
