"""The patch embedding as a convolution.

The linear way cuts the image into patches (B, N, C * P * P), in reading order, their numbers in the order (C, P, P),
and multiplies each by the same matrix:

    tokens = patches E^T + bias        E (D, C * P * P), bias (D,), tokens (B, N, D)

A convolution of kernel size P and stride P computes the same numbers: its windows are the patches. Its kernel has the
shape (D, C, P, P), and its result (B, D, Gy, Gx) is a picture, where a sequence of tokens is wanted.
"""


def embed_as_conv(images, E, bias, P, conv2d):
    """tokens (B, N, D) of images (B, C, Sy, Sx), by one call of conv2d(x, weight, bias, stride, padding)."""
    B, C, Sy, Sx = images.shape
    D = len(E)
    kernel = E.reshape(D, C, P, P)
    y = conv2d(images, kernel, bias, P, 0)                                  # (B, D, Gy, Gx)
    return y.reshape(B, D, -1).swapaxes(1, 2)
