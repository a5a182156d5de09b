"""The first tokens of a Vision Transformer: a class token before the patches, and positions.

    z = [class token; patch 1; patch 2; ...] + positions

Shapes: patches (B, n, D), cls_token (1, 1, D), pos_embed (1, n + 1, D), z (B, n + 1, D).

The class token is the same for every image, and so are the positions. The first row of pos_embed is the position of the
class token.
"""
import numpy as np


def add_cls_pos(patches, cls_token, pos_embed):
    """z (B, n + 1, D)."""
    B, n, D = patches.shape
    z = np.empty((B, n + 1, D), patches.dtype)
    z[:, :1] = cls_token
    z[:, 1:] = patches
    return z + pos_embed
