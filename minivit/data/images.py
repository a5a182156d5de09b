"""Ordinary image files, as a model can take them.

- `read_image(path, size, channels)`: a JPEG, PNG or WebP file -> uint8 (Sy, Sx, C)
- `ImageError`: the file is no such image, is damaged, or is too large
"""
import warnings

import numpy as np

MAX_PIXELS = 16_000_000             # a PNG of 10 kB can unpack to 80 million: it is not decoded
_FORMATS = ("JPEG", "PNG", "WEBP")  # Pillow knows fifty more, whose decoders are less well tested


class ImageError(ValueError):
    """A file that cannot be read as an image; the message says which file and why."""


def read_image(path, size, channels):
    """The image in the file `path`, scaled to cover `size` and cut to it around the centre.

    size: (Sy, Sx) in pixels. channels: 3 for red, green and blue, 1 for grey. Returns uint8
    (Sy, Sx, channels). The picture is turned upright as its EXIF data says; transparent parts
    become black, which is 0, the background of MNIST; 16 bits become 8; of an animation the first
    frame is taken. Scaling is bicubic and smooths where it shrinks; an image that has the size
    already keeps its pixels.

    Raises ImageError (a ValueError) where the file is no JPEG, PNG or WebP image, is damaged or has
    more than 16 million pixels; OSError where it cannot be opened, FileNotFoundError where there is
    none; ValueError for an impossible size or number of channels.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), not {channels!r}")
    sides = np.asarray(size)
    if sides.shape != (2,) or sides.dtype.kind not in "iu" or sides.min() < 1:
        raise ValueError(f"size must be two integers >= 1, (Sy, Sx) in pixels, not {size!r}")
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")     # Pillow warns of size (checked here) and odd metadata
        image = _open(file)
        try:
            return _pixels(image, size, channels)
        except Exception as error:          # a damaged file fails in any of many ways
            raise ImageError(f"{path} is damaged: it cannot be decoded ({error})") from error


def _open(file):
    """The image, with its header read and its pixels not yet decoded."""
    from PIL import Image       # not at the top: `import minivit.data` loads NumPy only
    too_large = f"{file.name} has more than {MAX_PIXELS} pixels; scale it down first"
    try:
        image = Image.open(file, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(too_large) from error
    except Exception as error:
        raise ImageError(f"{file.name} is not an image that minivit reads: expected a JPEG, PNG or "
                         f"WebP file, undamaged ({error})") from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(too_large)
    return image


def _pixels(image, size, channels):
    """Decode, turn, flatten and scale: uint8 (Sy, Sx, channels)."""
    from PIL import Image, ImageOps
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):                              # 16-bit grey
        deep = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    if channels == 3 or image.mode == "CMYK":
        image = image.convert("RGB")
    if channels == 1:
        image = image.convert("L")
    Sy, Sx = size
    image = ImageOps.fit(image, (Sx, Sy), method=Image.Resampling.BICUBIC)
    return np.array(image).reshape(Sy, Sx, channels)
