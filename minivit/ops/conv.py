"""Convolution: one small linear map, the kernel, applied to every window of an image.

    y[b, o, gy, gx] = bias[o] + sum over c, ky, kx of weight[o, c, ky, kx] * x[b, c, gy * stride + ky, gx * stride + kx]

Shapes: x (B, C, Sy, Sx), weight (O, C, Ky, Kx), bias (O,), y (B, O, Gy, Gx). As in every deep-learning library it is a
correlation: the kernel is not flipped.

Written with a matrix of all windows, a column each ("im2col"), it is one matrix product:

    y = W X        W (O, C * Ky * Kx)        X (C * Ky * Kx, B * Gy * Gx)

Backward:

    dW = dy X^T        dbias = sum of dy over images and places
    dx = W^T dy, each element added to the pixel that it was copied from
       = the convolution of dy with the flipped kernel, its inputs and outputs exchanged, where the stride is 1

Source: LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition"; the matrix of windows:
Chellapilla et al. 2006, "High performance convolutional neural networks for document processing". Lesson 4 derives it.
"""
import math
from dataclasses import replace

from minivit.backend import device_of, xp_of
from minivit.function import Function, matmul
from minivit.ops.linear import linear
from minivit.ops.patches import ExtractPatches, bordered
from minivit.ops.windows import windows
from minivit.tensor import apply

# Of a block, about. On a CPU so many that BLAS is fast, so few that the matrix stays in the cache; on a GPU so many
# that a launch is worth its time, so few that the matrix does not fill the memory.
COLUMNS, GPU_COLUMNS = 512, 1 << 17


def composed(x, weight, bias, g):
    """The definition; autograd finds its gradient."""
    patches = apply(ExtractPatches, x, g=g)                             # (B, Gy, Gx, C * Ky * Kx)
    return linear(patches, weight.reshape(len(weight), -1), bias).transpose(0, 3, 1, 2)


def blocks(x, g):
    """Slices that cut images into blocks of about so many windows as is good for the device, or of one image."""
    count = COLUMNS if device_of(x) == "cpu" else GPU_COLUMNS
    size = max(1, count // (g.grid[0] * g.grid[1]))
    return [slice(start, start + size) for start in range(0, len(x), size)]


def columns(x, g):
    """The windows of images (B, C, Sy, Sx) as a matrix (C * Ky * Kx, B * Gy * Gx)."""
    x = bordered(x, g)
    (B, C), (image, channel, row, pixel) = x.shape[:2], x.strides
    view = xp_of(x).lib.stride_tricks.as_strided(       # (C, Ky, Kx, B, Gy, Gx): windows that overlap share pixels
        x, (C,) + g.size + (B,) + g.grid, (channel, row, pixel, image, row * g.stride[0], pixel * g.stride[1]))
    return view.reshape(C * g.size[0] * g.size[1], -1)      # a copy, except of one image with windows of one pixel


def spread(dcolumns, g, B):
    """The transpose of `columns`: every element added to the pixel that it was copied from, (B, C, Sy, Sx)."""
    parts = dcolumns.reshape((-1,) + g.size + (B,) + g.grid)            # (C, Ky, Kx, B, Gy, Gx)
    dx = xp_of(parts).zeros((len(parts), B) + g.padded, parts.dtype)
    for y in range(g.size[0]):
        for x in range(g.size[1]):
            dx[(...,) + g.windows(y, x)] += parts[:, y, x]
    return dx[(...,) + g.inside()].swapaxes(0, 1)


def rows(y):
    """What every filter makes of every window, (B, O, Gy, Gx), as a matrix (O, B * Gy * Gx)."""
    return y.swapaxes(0, 1).reshape(y.shape[1], -1)


def convolve(x, weight, g):
    """Array to array: y (B, O, Gy, Gx), without a bias."""
    W, y = weight.reshape(len(weight), -1), xp_of(x).empty((len(x), len(weight)) + g.grid, x.dtype)
    for images in blocks(x, g):
        y[images] = matmul(W, columns(x[images], g)).reshape(len(W), -1, *g.grid).swapaxes(0, 1)
    return y


def weight_gradient(x, dy, shape, g):
    """Array to array: dy X^T, as the transpose of X dy^T: BLAS is faster with few columns than with few rows."""
    dW = xp_of(x).zeros((math.prod(shape[1:]), shape[0]), x.dtype)
    for images in blocks(x, g):
        dW += matmul(columns(x[images], g), rows(dy[images]).T)
    return dW.T.reshape(shape)


def input_gradient(dy, weight, g):
    """Array to array: dx (B, C, Sy, Sx). Where it can, as a convolution: copying is faster than adding."""
    before = tuple(size - 1 - b for size, b in zip(g.size, g.before))
    if g.stride == (1, 1) and min(before) >= 0:
        back = replace(g, image=g.grid, grid=g.image, before=before,
                       padded=tuple(i + size - 1 for i, size in zip(g.image, g.size)))
        return convolve(dy, weight[:, :, ::-1, ::-1].swapaxes(0, 1), back)
    W = weight.reshape(len(weight), -1)
    dx = xp_of(dy).empty((len(dy), weight.shape[1]) + g.image, dy.dtype)
    for images in blocks(dy, g):
        dx[images] = spread(matmul(W.T, rows(dy[images])), g, len(dy[images]))
    return dx


class Conv2d(Function):
    """Convolution by hand: it saves x and the weight, and makes the matrix of windows again in backward."""

    portable = True
    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, weight, bias, g):
        ctx.save(x, weight)
        ctx.g = g
        y = convolve(x, weight, g)
        if bias is not None:
            y += bias[:, None, None]
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved
        dx = input_gradient(dy, weight, ctx.g) if ctx.needs[0] else None
        dweight = weight_gradient(x, dy, weight.shape, ctx.g) if ctx.needs[1] else None
        return dx, dweight, dy.sum(axis=(0, 2, 3)) if ctx.needs[2] else None


def conv2d(x, weight, bias=None, stride=1, padding=0):
    """The convolution (B, O, Gy, Gx) of images x (B, C, Sy, Sx) with weight (O, C, Ky, Kx) and bias (O,).

    stride: pixels from window to window, a number or (y, x). padding: pixels of zeros around the image, as PyTorch has
    it, or "SAME" or "VALID" as TensorFlow has it. Raises ValueError where shapes do not fit, or no window does.
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(f"conv2d needs x (B, C, Sy, Sx) and a weight (O, C, Ky, Kx) of as many channels C, not "
                         f"{x.shape} and {weight.shape}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"conv2d with weight {weight.shape} needs a bias {weight.shape[:1]}, not {bias.shape}")
    return apply(Conv2d, x, weight, bias, g=windows(x.shape[2:], weight.shape[2:], stride, padding))
