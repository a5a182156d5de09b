"""The gradient of convolution by the image, the kernel and the bias.

    y[b, o, gy, gx] = bias[o] + sum over c, ky, kx of weight[o, c, ky, kx] * x[b, c, gy * stride + ky, gx * stride + kx]

Shapes: x and dx (B, C, Sy, Sx), weight and dweight (O, C, Ky, Kx), dbias (O,), dy (B, O, Gy, Gx).

As in the forward pass, the formula reads the image with `padding` rows and columns of zeros on each side; dx is the
gradient of the image itself, without that border.

Every term of the sum is a product of a weight and a pixel. What arrives at y goes to the weight times that pixel, and
to the pixel times that weight. A weight is used at every place and for every image; a pixel lies in several windows
wherever windows overlap.
"""
import numpy as np


def conv2d_backward(dy, x, weight, stride, padding):
    """dx, dweight and dbias, given the gradient dy of y. stride and padding are numbers of pixels."""
    (Sy, Sx), (Ky, Kx) = x.shape[2:], weight.shape[2:]
    border = (padding, padding)
    x = np.pad(x, ((0, 0), (0, 0), border, border))
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for gy in range(dy.shape[2]):
        for gx in range(dy.shape[3]):
            top, left = gy * stride, gx * stride
            window = np.s_[:, :, top:top + Ky, left:left + Kx]              # of x, and of dx
            arrives = dy[:, :, gy, gx]                                      # (B, O)
            dweight += np.einsum("bo,bcyx->ocyx", arrives, x[window])
            dx[window] += np.einsum("bo,ocyx->bcyx", arrives, weight)
    dbias = dy.sum(axis=(0, 2, 3))
    return dx[:, :, padding:padding + Sy, padding:padding + Sx], dweight, dbias
