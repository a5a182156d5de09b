"""The 15 operations of RandAugment by name, and what a magnitude from 0 to 10 means for each.

- `operate(name, x, level, sign, increasing, fill, resample)`: one of them done to images, uint8 (B, Sy, Sx, C)
- `OPERATIONS`: their names

increasing: a higher level always changes an image more. Without, six of them are as in the first implementation, in
which level 0 keeps no bits (Posterize), inverts all values (Solarize) or is darkest, greyest and smoothest.

Source: Cubuk et al. 2019, "RandAugment", arXiv 1909.13719; the meaning of levels is that of timm's auto_augment.py.
"""
import numpy as np

from minivit.data.augment import motions, tones


def _bits(level, sign, increasing):
    bits = (level / 10 * 4).astype(int)
    return 4 - bits if increasing else bits


def _threshold(level, sign, increasing):
    threshold = np.minimum(256, (level / 10 * 256).astype(int))
    return 256 - threshold if increasing else threshold


def _added(level, sign, increasing):
    return np.minimum(128, (level / 10 * 110).astype(int))


def _factor(level, sign, increasing):
    return np.maximum(0.1, 1 + sign * (level / 10 * 0.9)) if increasing else level / 10 * 1.8 + 0.1


_WITHOUT_LEVEL = {"AutoContrast": tones.autocontrast, "Equalize": tones.equalize, "Invert": tones.invert}
_TONES = {
    "Posterize": (tones.posterize, _bits),
    "Solarize": (tones.solarize, _threshold),
    "SolarizeAdd": (tones.solarize_add, _added),
    "Color": (tones.colour, _factor),
    "Contrast": (tones.contrast, _factor),
    "Brightness": (tones.brightness, _factor),
    "Sharpness": (tones.sharpness, _factor),
}
_MOTIONS = {                                    # with what level 10 means: degrees, or a share
    "Rotate": (motions.rotate, 30),
    "ShearX": (motions.shear_x, 0.3),
    "ShearY": (motions.shear_y, 0.3),
    "TranslateX": (motions.translate_x, 0.45),
    "TranslateY": (motions.translate_y, 0.45),
}
OPERATIONS = (*_WITHOUT_LEVEL, *_TONES, *_MOTIONS)


def operate(name, x, level, sign, increasing, fill, resample):
    """The images x, changed by the operation `name`.

    level: float64 (B,), 0 to 10 or more. sign: (B,), 1 or -1: the direction of motions and, with `increasing`, of
    blends. fill: a value for each channel, of what motions leave empty. resample: Pillow's filter for each motion.
    """
    if name in _WITHOUT_LEVEL:
        return _WITHOUT_LEVEL[name](x)
    if name in _MOTIONS:
        move, most = _MOTIONS[name]
        return move(x, sign * (level / 10 * most), fill, resample)
    change, meaning = _TONES[name]
    return change(x, meaning(level, sign, increasing))
