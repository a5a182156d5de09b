"""Splitting tokens into heads.

A token has D numbers. H heads divide them among themselves: K = D / H for each, side by side. Head 0 has the first K of
every token, head 1 the next K, and so on:

    y[b, h, n, i] = x[b, n, h * K + i]

Shapes: x (B, N, D), y (B, H, N, K). Nothing is computed, numbers only change places.
"""
import numpy as np


def split_heads(x, H):
    """y (B, H, N, K), given tokens x (B, N, D) and the number of heads H, which divides D."""
    B, N, D = x.shape
    K = D // H
    y = np.empty((B, H, N, K), x.dtype)
    for h in range(H):
        y[:, h] = x[:, :, h * K:(h + 1) * K]
    return y
