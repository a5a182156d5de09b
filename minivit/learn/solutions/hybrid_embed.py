"""The hybrid's embedding: a token for every place of a feature map.

A convolutional network has made features of the image, C numbers at each of Gy x Gx places. A hybrid takes each place
for a patch of 1 x 1: its C numbers go through the same linear map E, and then all is as in a ViT.

    tokens[b, gy * Gx + gx] = E features[b, :, gy, gx] + bias
    z0 = [x_class; tokens] + positions

Shapes: features (B, C, Gy, Gx), E (D, C), bias (D,), x_class (D,), positions (1 + N, D) with N = Gy * Gx,
z0 (B, 1 + N, D). Tokens come in the order in which one reads: the first row of places from left to right, then the
next. The first position is that of the class token.

Source: Dosovitskiy et al. 2020, arXiv 2010.11929, section 3.1, "Hybrid architecture", and eq. 1.
"""
import numpy as np


def hybrid_embed(features, E, bias, x_class, positions):
    """z0 (B, 1 + N, D), the first tokens of a batch of feature maps."""
    B, C, Gy, Gx = features.shape
    places = features.transpose(0, 2, 3, 1).reshape(B, Gy * Gx, C)
    tokens = places @ E.T + bias                                            # (B, N, D)
    first = np.broadcast_to(x_class, (B, 1, len(x_class)))
    return np.concatenate([first, tokens], axis=1) + positions
