"""Arrays as few bytes: what the explorer's page holds, and how it is packed.

    code = round(255 sqrt(a / rowmax))      a' = rowmax (code / 255)^2      |a' - a| <= rowmax / 255

Attention maps are most of a page. A byte a weight is enough: the square root keeps small weights apart, and the largest
of each row stands beside it in float16. Everything else that is not small is float16 or bytes too.

- `map_codes(maps)`, `float16(array)`, `byte_codes(array, low, high)`: numbers made small
- `surprises(codes)`: what bytes are beyond what their neighbours let expect, which packs better
- `Pack`: arrays one after the other, compressed, as base64 text; the entry of each says where it is
"""
import base64
import zlib

import numpy as np


def map_codes(maps):
    """(codes uint8 of the shape of `maps`, row maxima float16 without the last axis) of attention maps (..., N, N)."""
    largest = maps.max(axis=-1, keepdims=True).astype(np.float16)
    shares = np.minimum(maps / largest.astype(np.float32), 1)           # rounding may put the largest above itself
    return np.rint(255 * np.sqrt(shares)).astype(np.uint8), largest[..., 0]


def float16(array):
    """As float16; what is too large for it becomes the largest that is not infinite."""
    most = np.finfo(np.float16).max
    return np.clip(array, -most, most).astype(np.float16)


def byte_codes(array, low, high):
    """uint8: 0 stands for `low`, 255 for `high`, in equal steps between."""
    return np.rint(255 * (np.clip(array, low, high) - low) / (high - low)).astype(np.uint8)


def surprises(codes):
    """uint8 (..., y, x): each code less the one of its neighbours above (a), left (l) and between them (b) that is
    nearest to a + l - b, modulo 256; beyond the border are zeros.

    Source: Paeth 1991, "Image file compression made easy"; it is the fourth filter of PNG.
    """
    around = np.pad(codes.astype(np.int16), [(0, 0)] * (codes.ndim - 2) + [(1, 0), (1, 0)])
    above, left, between = around[..., :-1, 1:], around[..., 1:, :-1], around[..., :-1, :-1]
    far = [abs(above + left - between - code) for code in (left, above, between)]
    expected = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], above, between))
    return codes - expected.astype(np.uint8)


class Pack:
    """Arrays in one text. compress: by zlib, whose output has no time in it: the same arrays give the same text."""

    def __init__(self, compress=True):
        self.compress, self.parts, self.size = compress, [], 0

    def add(self, array, alike=False):
        """Append an array of uint8 or float16, and return its entry: what the page needs to find it again.

        alike: neighbours along the last two axes are so: `surprises` are written, where these pack better.
        """
        array, changed = np.ascontiguousarray(array, array.dtype.newbyteorder("<")), False
        if alike and self.compress:
            surprising = surprises(array)
            changed = len(_compressed(surprising.tobytes(), 6)) < len(_compressed(array.tobytes(), 6))
            array = surprising if changed else array
        entry = {"type": array.dtype.name, "shape": array.shape, "at": self.size, "surprises": changed}
        self.parts.append(array.tobytes())
        self.size += array.nbytes
        return entry

    def text(self):
        """All arrays as base64 text."""
        data = b"".join(self.parts)
        return base64.b64encode(_compressed(data, 9) if self.compress else data).decode()


def _compressed(data, level):
    packer = zlib.compressobj(level, strategy=zlib.Z_FILTERED)          # for numbers that are small and random
    return packer.compress(data) + packer.flush()
