"""Patch extraction and its inverse: an image cut into a grid of flattened windows, and put together again.

    patches[b, gy, gx, (c, py, px)] = images[b, c, gy * stride + py * dilation, gx * stride + px * dilation]

Shapes: images (B, C, Sy, Sx), patches (B, Gy, Gx, C * Py * Px). Windows, strides, dilation ("rates") and the paddings
"VALID" and "SAME" are those of TensorFlow's `extract_patches`; the elements of a patch are ordered (C, Py, Px), as in
the weight of a convolution, where TensorFlow has (Py, Px, C).

Extraction copies pixels, so its backward adds the patches' gradients into the pixels they came from (`scatter`).
Merging divides that sum by the number of patches over each pixel: it returns the image where patches overlap too.

Source: Dosovitskiy et al. 2020, arXiv 2010.11929, section 3.1. Lesson 6.
"""
from dataclasses import dataclass

import numpy as np

from minivit.backend import beside, xp_of
from minivit.function import Function
from minivit.tensor import apply


@dataclass(frozen=True)
class Geometry:
    """Where the windows of one image lie: all fields are pairs (y, x)."""

    image: tuple
    size: tuple
    stride: tuple
    dilation: tuple
    grid: tuple
    before: tuple           # rows and columns of zeros above and left of the image
    padded: tuple           # the image's size with its border

    def windows(self, offset_y, offset_x):
        """The pixels of the padded image at one place (offset_y, offset_x) of every window, as an index."""
        return tuple(slice(offset * dilation, offset * dilation + (grid - 1) * stride + 1, stride)
                     for offset, dilation, grid, stride
                     in zip((offset_y, offset_x), self.dilation, self.grid, self.stride))

    def inside(self):
        """The image's own pixels in the padded one, as an index."""
        return tuple(slice(before, before + size) for before, size in zip(self.before, self.image))

    def pixels(self):
        """The padded image's pixel number of every patch element: (Gy * Gx, Py * Px) integers."""
        numbers = np.arange(self.padded[0] * self.padded[1]).reshape(self.padded)
        window = np.stack([numbers[self.windows(y, x)] for y in range(self.size[0]) for x in range(self.size[1])], -1)
        return window.reshape(self.grid[0] * self.grid[1], -1)

    def coverage(self):
        """How many patches lie over each pixel of the image (Sy, Sx), at least 1 so that one can divide by it."""
        count = np.bincount(self.pixels().ravel(), minlength=self.padded[0] * self.padded[1])
        return np.maximum(count.reshape(self.padded)[self.inside()], 1)


def pair(value, name):
    """`value` as (y, x): a positive integer for both, or two of them."""
    values = (value, value) if isinstance(value, (int, np.integer)) else tuple(value)
    if len(values) != 2 or any(not isinstance(v, (int, np.integer)) or v < 1 for v in values):
        raise ValueError(f"{name} must be a positive integer or a pair (y, x) of them, not {value!r}")
    return int(values[0]), int(values[1])


def geometry(image, size, stride=None, padding="VALID", dilation=1):
    """The Geometry of windows of `size` over an image (Sy, Sx); stride defaults to size: patches side by side."""
    image, size, dilation = pair(image, "image size"), pair(size, "patch size"), pair(dilation, "dilation")
    stride = size if stride is None else pair(stride, "stride")
    reach = tuple((s - 1) * d + 1 for s, d in zip(size, dilation))         # pixels from a window's first to its last
    if padding == "SAME":
        grid = tuple(-(-i // s) for i, s in zip(image, stride))
    elif padding == "VALID":
        grid = tuple((i - r) // s + 1 for i, r, s in zip(image, reach, stride))
    else:
        raise ValueError(f"padding must be 'VALID' or 'SAME', not {padding!r}")
    if min(grid) < 1:
        raise ValueError(f"patches that reach over {reach} pixels do not fit into an image of {image}: make them "
                         f"smaller, or pad with padding='SAME'")
    border = tuple(max((g - 1) * s + r - i, 0) if padding == "SAME" else 0
                   for g, s, r, i in zip(grid, stride, reach, image))
    return Geometry(image, size, stride, dilation, grid, tuple(b // 2 for b in border),
                    tuple(i + b for i, b in zip(image, border)))


def bordered(x, g, value=0.0):
    """Array to array: images (B, C, Sy, Sx) with a border of `value`; x itself where g has no border."""
    if g.padded == g.image:
        return x
    padded = xp_of(x).full(x.shape[:2] + g.padded, value, x.dtype)
    padded[(...,) + g.inside()] = x
    return padded


def gather(images, g):
    """Array to array: the patches (B, Gy, Gx, C * Py * Px) of images (B, C, Sy, Sx)."""
    images = bordered(images, g)
    (B, C), (b, c, y, x) = images.shape[:2], images.strides
    windows = xp_of(images).lib.stride_tricks.as_strided(   # a view (B, Gy, Gx, C, Py, Px): windows may share pixels
        images, (B,) + g.grid + (C,) + g.size,
        (b, y * g.stride[0], x * g.stride[1], c, y * g.dilation[0], x * g.dilation[1]))
    return windows.reshape(B, *g.grid, -1)


def scatter(patches, g):
    """Array to array, the transpose of `gather`: every patch element added into the pixel it came from."""
    B = len(patches)
    parts = patches.reshape((B,) + g.grid + (-1,) + g.size)             # (B, Gy, Gx, C, Py, Px)
    images = xp_of(patches).zeros((B, parts.shape[3]) + g.padded, patches.dtype)
    for y in range(g.size[0]):
        for x in range(g.size[1]):
            images[(slice(None), slice(None)) + g.windows(y, x)] += parts[..., y, x].transpose(0, 3, 1, 2)
    return images[(slice(None), slice(None)) + g.inside()]


def composed_windows(x, g, value=0.0):
    """Every window of x (B, C, Sy, Sx) as a row, (B, C, Gy, Gx, Py * Px): padding, then one indexing operation."""
    border = tuple((before, padded - before - size) for before, padded, size in zip(g.before, g.padded, g.image))
    flat = x.pad(((0, 0), (0, 0)) + border, value).reshape(*x.shape[:2], -1)
    return flat[:, :, g.pixels()].reshape(*x.shape[:2], *g.grid, -1)


def composed_extract(images, g):
    """The definition: the windows of all channels, one after the other."""
    return composed_windows(images, g).transpose(0, 2, 3, 1, 4).reshape(len(images), *g.grid, -1)


def composed_merge(patches, g):
    """The definition: for every pixel, the mean of the patch elements that lie over it."""
    B, pixels = len(patches), g.pixels().ravel()
    elements = patches.reshape(B, g.grid[0] * g.grid[1], -1, g.size[0] * g.size[1]).transpose(0, 2, 1, 3)
    elements = elements.reshape(B, -1, len(pixels)).pad(((0, 0), (0, 0), (0, 1)))       # a last element: 0
    order = np.argsort(pixels, kind="stable")                           # patch elements, grouped by pixel
    rank = np.arange(len(pixels)) - np.searchsorted(pixels[order], pixels[order])       # 0, 1, ... in each group
    over = np.full((g.padded[0] * g.padded[1], rank.max() + 1), len(pixels))
    over[pixels[order], rank] = order
    images = elements[:, :, over].sum(-1).reshape(B, -1, *g.padded)
    return images[(slice(None), slice(None)) + g.inside()] / beside(g.coverage().astype(patches.dtype), patches.data)


class ExtractPatches(Function):
    """Extraction by hand: gather, and back scatter."""

    name = "extract_patches"
    portable = True
    composed = staticmethod(composed_extract)

    @staticmethod
    def forward(ctx, images, g):
        ctx.g = g
        return gather(images, g)

    @staticmethod
    def backward(ctx, dy):
        return scatter(dy, ctx.g)


class MergePatches(Function):
    """Merging by hand: scatter over coverage, and back gather."""

    name = "merge_patches"
    portable = True
    composed = staticmethod(composed_merge)

    @staticmethod
    def forward(ctx, patches, g):
        ctx.g = g
        return scatter(patches, g) / beside(g.coverage().astype(patches.dtype), patches)

    @staticmethod
    def backward(ctx, dy):
        return gather(dy / beside(ctx.g.coverage().astype(dy.dtype), dy), ctx.g)


def extract_patches(images, size, stride=None, padding="VALID", dilation=1):
    """The patches (B, Gy, Gx, C * Py * Px) of images (B, C, Sy, Sx), elements ordered (C, Py, Px).

    size, stride (default: size) and dilation are integers or pairs (y, x), in pixels.
    Raises ValueError where no window fits.
    """
    if images.ndim != 4:
        raise ValueError(f"extract_patches needs images (B, C, Sy, Sx), not {images.shape}")
    return apply(ExtractPatches, images, g=geometry(images.shape[2:], size, stride, padding, dilation))


def merge_patches(patches, image_size, size, stride=None, padding="VALID", dilation=1):
    """The inverse: images (B, C, Sy, Sx) from patches (B, Gy, Gx, C * Py * Px); where patches overlap, their mean.

    Pixels under no patch are 0. Raises ValueError where the patches are not those of such an image.
    """
    g = geometry(image_size, size, stride, padding, dilation)
    if patches.ndim != 4 or patches.shape[1:3] != g.grid or patches.shape[3] % (g.size[0] * g.size[1]):
        raise ValueError(f"merge_patches needs patches (B, {g.grid[0]}, {g.grid[1]}, C * {g.size[0] * g.size[1]}) "
                         f"for an image of {g.image}, not {patches.shape}")
    return apply(MergePatches, patches, g=g)
