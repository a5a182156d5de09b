"""A sequence of patches put together to an image again: the inverse of patchify.

    images[b, c, gy * P + py, gx * P + px] = patches[b, gy * Gx + gx, (c * P + py) * P + px]

Shapes: patches (B, N, C * P * P), images (B, C, Sy, Sx), with Gx = Sx / P patches in a row.

The size of the image has to be given: 16 patches may be a grid of 4 x 4 or of 2 x 8. The number of channels need not.
"""
import numpy as np


def unpatchify(patches, P, S):
    """images (B, C, Sy, Sx), given patches (B, N, C * P * P), their side P, and the size S = (Sy, Sx) of an image."""
    B, N, numbers = patches.shape
    C, (Sy, Sx) = numbers // (P * P), S
    images = np.empty((B, C, Sy, Sx), patches.dtype)
    for n in range(N):
        gy, gx = divmod(n, Sx // P)
        top, left = gy * P, gx * P
        images[:, :, top:top + P, left:left + P] = patches[:, n].reshape(B, C, P, P)
    return images
