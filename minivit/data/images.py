"""Ordinary pictures, as a model can take them.

- `read_image(path, preprocessing, channels)`: a JPEG, PNG or WebP file -> uint8 (Sy, Sx, C)
- `decode_image(file, name, preprocessing, channels)`: the same from an open file, in any thread
- `image_pixels(image, preprocessing, channels)`: the same from a Pillow image
- `ImageError`: the file is no such image, is damaged, or is too large

Whatever the file: the picture is turned upright as its EXIF data says; transparent parts become black, which is 0, the
background of MNIST; 16 bits become 8; of an animation the first frame is taken. (timm's own reading skips all of this:
photographs of phones lie on their side, and 16 bits above 255 are white.) Then `Preprocessing.fit` scales and cuts.
"""
import warnings

import numpy as np

from minivit.data.preprocess import MAX_PIXELS, Preprocessing

_FORMATS = ("JPEG", "PNG", "WEBP")  # Pillow knows fifty more, whose decoders are less well tested


class ImageError(ValueError):
    """A file that cannot be read as an image; the message says which file and why."""


def read_image(path, preprocessing, channels):
    """The picture in the file `path`, made fit for a model: uint8 (Sy, Sx, channels).

    preprocessing: a `Preprocessing`, or a size (Sy, Sx) in pixels: the picture is then scaled to cover it (bicubic) and
    cut to it around the centre; one that has the size already keeps its pixels. channels: 3 for red, green and blue, 1
    for grey.

    Raises ImageError (a ValueError) where the file is no JPEG, PNG or WebP image, is damaged, has more than 64 million
    pixels or would have when scaled; OSError where it cannot be opened, FileNotFoundError where there is none;
    ValueError for an impossible size or number of channels.
    """
    preprocessing = _checked(preprocessing, channels)
    with open(path, "rb") as file, quiet_pillow():
        return decode_image(file, path, preprocessing, channels)


def quiet_pillow():
    """A block without Pillow's warnings: of size, which is checked here, and of odd metadata. Python keeps what is
    silent for all threads at once, so threads that decode are started and awaited inside one such block."""
    return warnings.catch_warnings(action="ignore")


def decode_image(file, name, preprocessing, channels):
    """The picture in an open binary file, like `read_image`; `name` is what errors call it.

    preprocessing: a `Preprocessing`, or None for a picture that keeps its size.
    """
    image = open_image(file, name)
    try:
        image = _plain(image, channels)
    except Exception as error:              # a damaged file fails in any of many ways
        raise ImageError(f"{name} is damaged: it cannot be decoded ({error})") from error
    if preprocessing is None:
        return np.array(image).reshape(image.height, image.width, channels)
    try:
        return _fitted(image, preprocessing)
    except ValueError as error:
        raise ImageError(f"{name}: {error}") from error


def image_pixels(image, preprocessing, channels):
    """A Pillow image made fit for a model: uint8 (Sy, Sx, channels); see `read_image`. The image stays as it is."""
    preprocessing = _checked(preprocessing, channels)
    return _fitted(_plain(image, channels), preprocessing)


def _checked(preprocessing, channels):
    """`preprocessing` as a Preprocessing, or an error."""
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), not {channels!r}")
    return preprocessing if isinstance(preprocessing, Preprocessing) else Preprocessing(preprocessing)


def open_image(file, name):
    """The Pillow image in an open binary file, with its header read and its pixels not yet decoded; see `read_image`
    for what is refused."""
    from PIL import Image       # not at the top: `import minivit.data` loads NumPy only
    too_large = f"{name} has more than {MAX_PIXELS // 10**6} million pixels; scale it down first"
    try:
        image = Image.open(file, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(too_large) from error
    except Exception as error:
        raise ImageError(f"{name} is not an image that minivit reads: expected a JPEG, PNG or "
                         f"WebP file, undamaged ({error})") from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(too_large)
    return image


def _plain(image, channels):
    """Decoded, upright, opaque, 8 bits: a Pillow image of mode L or RGB."""
    from PIL import Image, ImageOps
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):                              # 16-bit grey
        deep = np.clip(np.asarray(image), 0, 65535).astype(np.uint32)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image.convert("RGB" if channels == 3 else "L")


def _fitted(image, preprocessing):
    """uint8 (Sy, Sx, C): a grey picture too has an axis of channels."""
    return np.array(preprocessing.fit(image)).reshape(*preprocessing.size, -1)
