"""Drawing: plain shapes and stripes into many images at once.

- `paint(images, kind, centre, radius, colour)`: one shape in each image; returns its boxes
- `fill(images, kind, box, width, phase, colours)`: a rectangle of stripes or checks in each image

Every shape covers the same area, 2 r^2 for the radius r, and reaches less than REACH r from its centre. A pixel is
covered by 1/2 where the edge goes through its centre, by 1 or 0 where it is half a pixel away.
"""
import math

import numpy as np

REACH = 1.1
SHAPES = ("disc", "square", "triangle", "cross", "ring")
TEXTURES = ("horizontal", "vertical", "rising", "falling", "checks")

_DISC, _SQUARE = math.sqrt(2 / math.pi), math.sqrt(1 / 2)
_TRIANGLE = math.sqrt(8 / math.sqrt(3)) * math.sqrt(3) / 4              # half its height; all its sides are equal
_ARM = math.sqrt(9 / 10)                                                # of a cross whose arms are a third as wide
_RING = math.sqrt(8 / (3 * math.pi))                                    # its hole has half the radius


def distance(kind, y, x):
    """How far points (y, x), in radii from the centre and y downwards, lie outside of a shape; inside it is below 0."""
    ay, ax = abs(y), abs(x)
    if kind == "square":
        return np.maximum(ay, ax) - _SQUARE
    if kind == "triangle":
        return np.maximum(y - _TRIANGLE, math.sqrt(3) / 2 * ax - (y + _TRIANGLE) / 2)
    if kind == "cross":
        return np.maximum(np.minimum(ay, ax) - _ARM / 3, np.maximum(ay, ax) - _ARM)
    away = np.sqrt(y * y + x * x)
    return away - _DISC if kind == "disc" else abs(away - 3 / 4 * _RING) - _RING / 4


def paint(images, kind, centre, radius, colour):
    """Paint one shape into each image, in place.

    images: float32 (B, S, S, 3). kind: (B,) indices of SHAPES. centre: float32 (B, 2), y and x in pixels from the upper
    left corner of the image. radius: float32 (B,) in pixels. colour: float32 (B, 3).
    Returns int64 (B, 4), the smallest boxes around the pixels that are covered at all: top, left, bottom, right.
    """
    places = np.arange(images.shape[1], dtype=np.float32) + np.float32(0.5)
    cover = np.empty(images.shape[:3], np.float32)
    for k, name in enumerate(SHAPES):
        own = np.flatnonzero(kind == k)
        r = radius[own, None, None]
        y = (places[:, None] - centre[own, 0, None, None]) / r          # (own, S, 1)
        x = (places - centre[own, 1, None, None]) / r                   # (own, 1, S)
        cover[own] = np.clip(np.float32(0.5) - distance(name, y, x) * r, 0, 1)
    images += cover[..., None] * (colour[:, None, None] - images)
    return np.concatenate([_first(cover, axis) for axis in (2, 1)] + [_last(cover, axis) for axis in (2, 1)], axis=1)


def _first(cover, axis):
    return (cover > 0).any(axis).argmax(1)[:, None]


def _last(cover, axis):
    """The index after the last row or column that is covered."""
    return cover.shape[1] - (cover > 0).any(axis)[:, ::-1].argmax(1)[:, None]


def _stripe(kind, y, x, p, q):
    """The number of the stripe, counted from any, that a point (y, x) lies in; all in widths of a stripe."""
    if kind == "horizontal":
        return np.floor(y + p)
    if kind == "vertical":
        return np.floor(x + p)
    if kind == "checks":
        return np.floor(y + p) + np.floor(x + q)
    return np.floor((x + y if kind == "rising" else x - y) * np.float32(math.sqrt(1 / 2)) + p)


def fill(images, kind, box, width, phase, colours):
    """Fill a rectangle of each image with a texture, in place.

    images: float32 (B, S, S, 3). kind: (B,) indices of TEXTURES. box: int64 (B, 4). width: float32 (B,), of a stripe in
    pixels. phase: float32 (B, 2), from 0 to 2 stripes; the second is for checks only. colours: float32 (B, 2, 3), of
    which each covers half.
    """
    places = np.arange(images.shape[1], dtype=np.float32)
    odd = np.empty(images.shape[:3], bool)
    for k, name in enumerate(TEXTURES):
        own = np.flatnonzero(kind == k)
        w, p, q = (numbers[own, None, None] for numbers in (width, phase[:, 0], phase[:, 1]))
        odd[own] = _stripe(name, places[:, None] / w, places / w, p, q) % 2
    top, left, bottom, right = (side[:, None] for side in box.T)
    rows, columns = (places >= top) & (places < bottom), (places >= left) & (places < right)
    inside = rows[:, :, None] & columns[:, None, :]
    texture = np.where(odd[..., None], colours[:, None, None, 1], colours[:, None, None, 0])
    np.copyto(images, texture, where=inside[..., None])
