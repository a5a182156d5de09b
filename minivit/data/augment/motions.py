"""Motions of images, uint8 (B, Sy, Sx, C), by Pillow: the geometric operations of RandAugment.

The second argument has a number for each image. fill: a value for each channel, of the pixels that come from outside
the image. resample: one of Pillow's filters for each image.
"""
import numpy as np

from minivit.data.augment.pillow import picture, pixels_of


def rotate(x, degrees, fill, resample):
    """Turned counter-clockwise about the centre."""
    return np.stack([pixels_of(picture(one).rotate(by, how, fillcolor=_colour(x, fill)))
                     for one, by, how in zip(x, degrees.tolist(), resample)])


def shear_x(x, factor, fill, resample):
    """Row y moved left by factor * y pixels."""
    return _affine(x, [(1, by, 0, 0, 1, 0) for by in factor.tolist()], fill, resample)


def shear_y(x, factor, fill, resample):
    """Column x moved up by factor * x pixels."""
    return _affine(x, [(1, 0, 0, by, 1, 0) for by in factor.tolist()], fill, resample)


def translate_x(x, share, fill, resample):
    """Moved left by a share of the width."""
    return _affine(x, [(1, 0, by * x.shape[2], 0, 1, 0) for by in share.tolist()], fill, resample)


def translate_y(x, share, fill, resample):
    """Moved up by a share of the height."""
    return _affine(x, [(1, 0, 0, 0, 1, by * x.shape[1]) for by in share.tolist()], fill, resample)


def _affine(x, coefficients, fill, resample):
    """The pixel (x, y) of a result comes from (ax + by + c, dx + ey + f), for coefficients (a, b, c, d, e, f)."""
    from PIL import Image
    size = x.shape[2], x.shape[1]
    kind, fill = Image.Transform.AFFINE, _colour(x, fill)
    return np.stack([pixels_of(picture(one).transform(size, kind, by, how, fillcolor=fill))
                     for one, by, how in zip(x, coefficients, resample)])


def _colour(x, fill):
    """`fill` as Pillow wants it: a number for a grey image, else one for each channel."""
    return fill[0] if x.shape[3] == 1 else fill
