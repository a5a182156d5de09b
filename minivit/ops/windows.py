"""Windows of convolution and pooling: where they lie over an image.

- `windows(image, size, stride, padding)`: their Geometry; padding is that of PyTorch (a number) or TensorFlow (a name)

"SAME" makes as many windows as there are strides in the image. Where that takes an odd number of border pixels, the odd
one is after the image: with stride 2 the windows lie elsewhere than those of PyTorch's symmetric padding.
"""
from dataclasses import replace

import numpy as np

from minivit.ops.patches import geometry, pair


def windows(image, size, stride=1, padding=0):
    """The Geometry of windows of `size` at every `stride` over an image (Sy, Sx).

    padding: border pixels on each side, one number or (y, x); or "SAME" or "VALID".
    """
    if isinstance(padding, str):
        return geometry(image, size, stride, padding)
    border = (padding, padding) if isinstance(padding, (int, np.integer)) else padding
    if not isinstance(border, (tuple, list)) or len(border) != 2 or \
            any(not isinstance(b, (int, np.integer)) or b < 0 for b in border):
        raise ValueError(f"padding must be a number of pixels, a pair (y, x) of them, 'SAME' or 'VALID', not "
                         f"{padding!r}")
    image, border = pair(image, "image size"), (int(border[0]), int(border[1]))
    padded = tuple(i + 2 * b for i, b in zip(image, border))
    return replace(geometry(padded, size, stride), image=image, before=border)
