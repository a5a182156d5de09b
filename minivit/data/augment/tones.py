"""What can be done to the colours of images: uint8 (B, Sy, Sx, C) to the same, bit for bit as Pillow does it.

- `invert`, `posterize`, `solarize`, `solarize_add`: every value by one rule; `autocontrast`, `equalize`: by a rule that
  depends on the values in its channel
- `brightness`, `contrast`, `colour`, `sharpness`: from an image that lacks something (light, differences, colours,
  edges) at factor 0 to the image itself at 1, and past it
- `hue`, `blur`

The second argument has a number for each image. C is 1 or 3; colour and hue leave grey images as they are.
"""
import numpy as np

from minivit.data.augment.pillow import check_colours, picture, pixels_of


def invert(x):
    """Black becomes white."""
    return 255 - x


def posterize(x, bits):
    """Only the first `bits` of 8 bits are kept."""
    return x & _each(0xFF00 >> bits & 0xFF).astype(np.uint8)


def solarize(x, threshold):
    """Values from `threshold` on are inverted."""
    return np.where(x < _each(threshold), x, 255 - x)


def solarize_add(x, added):
    """Values below 128 are raised, by up to 128."""
    return np.where(x < 128, x + _each(added).astype(np.uint8), x)


def autocontrast(x):
    """Each channel stretched linearly, so that its darkest value becomes 0 and its brightest 255."""
    channels = np.ascontiguousarray(x.reshape(len(x), -1, x.shape[3]).swapaxes(1, 2))       # (B, C, Sy * Sx)
    low, high = channels.min(2, keepdims=True), channels.max(2, keepdims=True)
    low, high = np.where(low < high, low, 0), np.where(low < high, high, 255)               # one value alone stays
    scale = 255 / (high - low)
    return _looked_up(x, np.clip(np.arange(256) * scale - low * scale, 0, 255))


def equalize(x):
    """Each channel's values moved so that all are about equally frequent; those that are nearly so stay."""
    B, Sy, Sx, C = x.shape
    counts = np.bincount(_numbered(x).ravel(), minlength=256 * B * C).reshape(B, C, 256)
    brightest = 255 - (counts[..., ::-1] > 0).argmax(2, keepdims=True)          # the last value that is there
    rest = Sy * Sx - np.take_along_axis(counts, brightest, axis=2)
    step = rest // 255                                                          # pixels for each of the new values
    table = (counts.cumsum(2) - counts + step // 2) // np.maximum(step, 1)
    return _looked_up(x, np.where(step > 0, np.minimum(table, 255), np.arange(256)))


def brightness(x, factor):
    """From black (0) to the image (1) and brighter."""
    return _blend(0, x, factor)


def contrast(x, factor):
    """From the mean grey (0) to the image (1) and stronger contrasts."""
    mean = grey(x).mean((1, 2, 3), keepdims=True)
    return _blend((mean + 0.5).astype(int), x, factor)


def colour(x, factor):
    """From shades of grey (0) to the image (1) and stronger colours."""
    return _blend(grey(x), x, factor) if x.shape[3] == 3 else x


def sharpness(x, factor):
    """From a smoothed image (0) to the image (1) and sharper edges."""
    from PIL import ImageFilter
    return _blend(np.stack([pixels_of(picture(one).filter(ImageFilter.SMOOTH)) for one in x]), x, factor)


def hue(x, turn):
    """The circle of hues turned, by a part of it from -0.5 to 0.5."""
    if x.shape[3] == 1:
        return x
    from PIL import Image
    one_image = picture(x.reshape(-1, *x.shape[2:]))                            # all below one another
    hues, saturation, value = one_image.convert("HSV").split()
    steps = _each((turn * 255).astype(int) % 256).astype(np.uint8)
    turned = np.asarray(hues).reshape(x.shape[:3] + (1,)) + steps           # past 255 uint8 begins again, as hues do
    hues = Image.fromarray(turned.reshape(-1, x.shape[2]))
    return pixels_of(Image.merge("HSV", (hues, saturation, value)).convert("RGB")).reshape(x.shape)


def blur(x, radius):
    """Smoothed by a Gaussian with a standard deviation of `radius` pixels."""
    from PIL import ImageFilter
    return np.stack([pixels_of(picture(one).filter(ImageFilter.GaussianBlur(float(r)))) for one, r in zip(x, radius)])


def grey(x):
    """Luminance (B, Sy, Sx, 1), by the weights 0.299, 0.587 and 0.114 in units of 2^-16."""
    check_colours(x)
    if x.shape[3] == 1:
        return x
    red, green, blue = np.moveaxis(x.astype(np.uint32), 3, 0)
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000 >> 16).astype(np.uint8)[..., None]


def _numbered(x):
    """The values of each image's channels with numbers of their own: 256 k to 256 k + 255 for channel k of all."""
    B, C = len(x), x.shape[3]
    return x + 256 * np.arange(B * C).reshape(B, 1, 1, C)


def _looked_up(x, table):
    """The values of x in the table (B, C, 256) of new ones, rounded down."""
    return table.astype(np.uint8).ravel()[_numbered(x)]


def _blend(lacking, x, factor):
    """lacking + factor (x - lacking), rounded down and cut off at 0 and 255."""
    out = x.astype(np.float32)
    out -= lacking
    out *= _each(factor).astype(np.float32)
    out += lacking
    return out.clip(0, 255).astype(np.uint8)


def _each(numbers):
    """One number for each image: (B,) -> (B, 1, 1, 1)."""
    return np.asarray(numbers)[:, None, None, None]
