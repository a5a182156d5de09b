"""The same disorder for all images: their patches in another order.

An image is cut into N = Gy * Gx patches of P x P pixels, numbered as one reads: n = gy * Gx + gx. In the result, patch
number k is what patch number order[k] was in the image:

    patch k of result = patch order[k] of images

Shapes: images (B, C, Sy, Sx), order (N,) with each of 0, ..., N - 1 once, result (B, C, Sy, Sx); Gy = Sy / P and Gx =
Sx / P.

The order is the same for all images and all channels. Within a patch, the pixels stay where they are. With P = 1 every
pixel is a patch, and all pixels change places.
"""
import numpy as np


def permute_pixels(images, order, P):
    """result (B, C, Sy, Sx), in the dtype of images. P divides Sy and Sx."""
    Gx = images.shape[3] // P
    result = np.empty_like(images)
    for k, old in enumerate(order):
        to_y, to_x = P * (k // Gx), P * (k % Gx)
        y, x = P * (old // Gx), P * (old % Gx)
        result[:, :, to_y:to_y + P, to_x:to_x + P] = images[:, :, y:y + P, x:x + P]
    return result
