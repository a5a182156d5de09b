"""An image cut into a sequence of patches.

    patches[b, gy * Gx + gx, (c * P + py) * P + px] = images[b, c, gy * P + py, gx * P + px]

Shapes: images (B, C, Sy, Sx), patches (B, N, C * P * P) with N = Gy * Gx, Gy = Sy / P and Gx = Sx / P.

In words: patches come in the order in which one reads, the first row of them from left to right, then the next row.
Within a patch come all pixels of the first channel, row by row, then those of the next channel: (C, P, P).
"""
import numpy as np


def patchify(images, P):
    """patches (B, N, C * P * P). P, the side of a patch in pixels, divides Sy and Sx."""
    B, C, Sy, Sx = images.shape
    patches = []
    for top in range(0, Sy, P):
        for left in range(0, Sx, P):
            patch = images[:, :, top:top + P, left:left + P]                # (B, C, P, P)
            patches.append(patch.reshape(B, C * P * P))
    return np.stack(patches, axis=1)
