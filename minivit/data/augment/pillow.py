"""Between arrays and Pillow's images, for the steps that leave the work to Pillow.

- `picture(x)`, `pixels_of(image)`: uint8 (Sy, Sx, C) with C = 1 or 3, and a Pillow image of mode L or RGB
- `filters(interpolation)`: Pillow's filters by name; "random" stands for two
"""
import numpy as np

from minivit.errors import unknown

_FILTERS = {"bilinear": ("BILINEAR",), "bicubic": ("BICUBIC",), "random": ("BILINEAR", "BICUBIC")}


def picture(x):
    """A Pillow image of the pixels x (Sy, Sx, C). Raises ValueError unless C is 1 or 3."""
    from PIL import Image       # not at the top: `import minivit.data` loads NumPy only
    check_colours(x)
    return Image.fromarray(x if x.shape[-1] == 3 else x[..., 0])


def check_colours(x):
    """Raise ValueError unless x (..., Sy, Sx, C) is grey or has three colours."""
    if x.shape[-1] not in (1, 3):
        raise ValueError(f"this augmentation needs grey images (C = 1) or coloured ones (C = 3), not {x.shape[-1]} "
                         f"channels")


def pixels_of(image):
    """The pixels (Sy, Sx, C) of a Pillow image."""
    return np.asarray(image).reshape(image.height, image.width, -1)


def filters(interpolation):
    """The filters that an image may be resampled with. Raises ValueError for an unknown name."""
    from PIL import Image
    if interpolation not in _FILTERS:
        raise ValueError(unknown("interpolation", interpolation, _FILTERS))
    return [Image.Resampling[name] for name in _FILTERS[interpolation]]
