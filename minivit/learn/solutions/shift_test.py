"""How far a network is from moving its map along with the image.

f makes maps (B, O, Gy, Gx) of images (B, C, Sy, Sx) of any size; from one place of a map to the next it goes `stride`
pixels. If f is equivariant, an image moved by dy pixels down and dx to the right gives the same map, moved by ty = dy /
stride and tx = dx / stride places.

Nothing may be made up at the edge, so both images are cut out of the ones given, with the same size:

    still = images without their first dy rows and dx columns
    moved = images without their last dy rows and dx columns        (what is in `still` lies further down and right)

Then f(moved) at the place (gy + ty, gx + tx) belongs to f(still) at (gy, gx). Compare the pairs of places of which
neither lies within `margin` places of an edge of its map: a is those of f(still), b those of f(moved), and

    error = sqrt(sum of (b - a)^2) / sqrt(sum of a^2)        for each image, over all channels and places

Shapes: images (B, C, Sy, Sx), error (B,). dy and dx are >= 0, and multiples of stride.
"""
import numpy as np


def shift_test(f, images, dy, dx, stride, margin):
    """error (B,), 0 for an f that is equivariant away from the edges."""
    Sy, Sx = images.shape[2:]
    still, moved = f(images[:, :, dy:, dx:]), f(images[:, :, :Sy - dy, :Sx - dx])
    ty, tx = dy // stride, dx // stride
    Gy, Gx = still.shape[2:]
    a = still[:, :, margin:Gy - margin - ty, margin:Gx - margin - tx]
    b = moved[:, :, margin + ty:Gy - margin, margin + tx:Gx - margin]
    axes = (1, 2, 3)
    return np.sqrt(((b - a) ** 2).sum(axis=axes)) / np.sqrt((a ** 2).sum(axis=axes))
