"""Attention rollout: how much of each embedded token is in each token after the last block.

    A   = the maps of a block's H heads made into one (N, N): their mean, their max or their min
    M   = A + I with each row divided by its sum             row n: what token n takes from whom, once
    R_l = M_l R_(l-1)        R_0 = I

Shapes: maps (L, B, H, N, N), block by block; in each map row n is how token n divides its attention. A, M and R are
(B, N, N): each image has its own. fusion is "mean", "max" or "min".

The I stands for the residual stream, by which a token keeps itself. A row of R adds up to 1, whatever the fusion: it
says how token n is mixed from the tokens that the first block was given.
"""
import numpy as np


def attention_rollout(maps, fusion):
    """R (B, N, N) after the last block."""
    fuse = {"mean": np.mean, "max": np.max, "min": np.min}[fusion]
    N = maps.shape[-1]
    R = np.eye(N)
    for block in maps:
        A = fuse(block, axis=1) + np.eye(N)
        R = A / np.sum(A, axis=-1, keepdims=True) @ R
    return R
