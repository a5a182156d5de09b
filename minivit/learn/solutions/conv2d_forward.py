"""Convolution: one small linear map, the kernel, applied to every window of an image.

    y[b, o, gy, gx] = bias[o] + sum over c, ky, kx of weight[o, c, ky, kx] * x[b, c, gy * stride + ky, gx * stride + kx]

Shapes: x (B, C, Sy, Sx), weight (O, C, Ky, Kx), bias (O,), y (B, O, Gy, Gx).

First, `padding` rows and columns of zeros are put around the image, on each of its four sides; the formula reads that
larger image. Then there are as many windows as fit into it:

    Gy = (Sy + 2 * padding - Ky) // stride + 1        Gx likewise

Loops are welcome: over the places gy and gx, say, with all images and filters of one place at once.
"""
import numpy as np


def conv2d_forward(x, weight, bias, stride, padding):
    """y (B, O, Gy, Gx). stride and padding are numbers of pixels, the same for rows and columns."""
    B, C, Sy, Sx = x.shape
    Ky, Kx = weight.shape[2:]
    Gy, Gx = (Sy + 2 * padding - Ky) // stride + 1, (Sx + 2 * padding - Kx) // stride + 1
    border = (padding, padding)
    x = np.pad(x, ((0, 0), (0, 0), border, border))
    y = np.empty((B, len(weight), Gy, Gx), x.dtype)
    for gy in range(Gy):
        for gx in range(Gx):
            top, left = gy * stride, gx * stride
            window = x[:, :, top:top + Ky, left:left + Kx]                  # (B, C, Ky, Kx)
            y[:, :, gy, gx] = np.einsum("bcyx,ocyx->bo", window, weight) + bias
    return y
