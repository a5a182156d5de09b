"""Shifts and rotations: the whole batch moved in one resampling.

- `shift_rotate(images, down, right, degrees)`: move and turn each image
- `ShiftRotate(max_shift, max_degrees)`: the same by random amounts, "shift_rotate:2:10"
"""
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minivit.data.augment.step import Step, check_number
from minivit.data.dataset import check_images


def shift_rotate(images, down, right, degrees):
    """Each image turned about its centre, then shifted; what comes from outside it is 0.

    images: uint8 (B, Sy, Sx, C). down, right: (B,) pixels, fractions allowed. degrees: (B,),
    positive turns counter-clockwise. Returns uint8 (B, Sy, Sx, C). Where all three are 0, an image
    comes back bit for bit. Raises ValueError for other shapes and for numbers that are not finite.

    Each pixel of the result asks where it comes from (the inverse map) and takes the mean of the
    four pixels around that place, weighted by nearness: bilinear interpolation, once for both
    motions, so an image is blurred once only.
    """
    check_images(images)
    B, Sy, Sx, C = images.shape
    down, right, degrees = (_per_image(name, numbers, B) for name, numbers in
                            (("down", down), ("right", right), ("degrees", degrees)))
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    y = np.arange(Sy, dtype=np.float32)[:, None] - (Sy - 1) / 2 - down      # (B, Sy, 1), undone
    x = np.arange(Sx, dtype=np.float32) - (Sx - 1) / 2 - right              # (B, 1, Sx)

    # A border of zeros, of 1 pixel before and 2 after, stands for everything outside the image:
    # places further out are clipped onto it. So 1 is added to all coordinates, none is below 0.
    height, width = Sy + 3, Sx + 3
    bordered = np.zeros((C, B, height, width), np.float32)
    bordered[:, :, 1:-2, 1:-2] = images.transpose(3, 0, 1, 2)
    top, below = _split_coordinate((cos * y + (Sy + 1) / 2) + sin * x, Sy + 1)
    left, beside = _split_coordinate((cos * x + (Sx + 1) / 2) - sin * y, Sx + 1)
    corner = top * width + left + (np.arange(B) * (height * width))[:, None, None]
    out = np.empty_like(images)
    for channel, plane in enumerate(bordered.reshape(C, -1)):               # three numbers at a time take longer
        upper = _mix(plane.take(corner), plane[1:].take(corner), beside)
        lower = _mix(plane[width:].take(corner), plane[width + 1:].take(corner), beside)
        out[..., channel] = np.rint(_mix(upper, lower, below))              # (B, Sy, Sx)
    return out


@dataclass(frozen=True)
class ShiftRotate(Step):
    """Random shifts up to max_shift pixels each way and turns up to max_degrees either way, all equally likely.

    Raises ValueError for a maximum below 0.
    """

    name: ClassVar[str] = "shift_rotate"
    max_shift: float = 2.0
    max_degrees: float = 10.0

    def __post_init__(self):
        check_number("max_shift", self.max_shift, 0, 1e6)
        check_number("max_degrees", self.max_degrees, 0, 180)

    def __call__(self, images, draw):
        down, right, turn = (2 * draw.uniform((len(images), 3)) - 1).T      # in [-1, 1)
        return shift_rotate(images, self.max_shift * down, self.max_shift * right,
                            self.max_degrees * turn)


def _per_image(name, numbers, B):
    """`numbers` as float32 (B, 1, 1), or an error that names them."""
    if np.shape(numbers) != (B,) or not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be {B} finite number(s), one an image, not {numbers!r}")
    return np.asarray(numbers, np.float32)[:, None, None]


def _split_coordinate(place, last):
    """A coordinate, clipped to 0 ... last, as the pixel before it (int) and the way past it."""
    np.clip(place, 0, last, out=place)
    whole = np.floor(place)
    place -= whole
    return whole.astype(np.intp), place


def _mix(a, b, share):
    """a where share is 0, b where it is 1, in between in proportion; written into b."""
    b -= a
    b *= share
    b += a
    return b
