"""Layer normalisation: each token shifted to mean 0, scaled to variance 1, then given a learned scale and offset.

    xhat = (x - mean) * rstd        rstd = 1 / sqrt(var + eps)        mean and var over the last axis, var by 1/D
    y    = xhat * gamma + beta

Shapes: x (..., D), gamma and beta (D,), y like x.

Backward: mean and var depend on every x_i, which gives the two mean terms of dx.

    dxhat  = dy * gamma
    dx     = rstd * (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat))
    dgamma = sum of dy * xhat over all tokens        dbeta = sum of dy over all tokens

Source: Ba, Kiros and Hinton 2016, "Layer normalization", arXiv 1607.06450, eq. 4. Lesson 8 derives it, lesson 12
writes a kernel.
"""
from pathlib import Path

import numpy as np

from minivit.backend import xp_of
from minivit.cuda.kernels import Kernels
from minivit.function import Function, sum_of_rows
from minivit.ops.rows import BLOCK, SLICES, VARIANTS, blocks_of, column_sums, constants_of, launch_rows
from minivit.tensor import apply

KERNELS = Kernels(Path(__file__).with_suffix(".cu"), VARIANTS)
FAR = 4.0               # standard deviations from 0 to the mean of a token, up to which one subtraction centres it


def composed(x, gamma, beta, eps=1e-6):
    """The definition; autograd finds its gradient."""
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    xhat = centred / (variance + eps).sqrt()
    return xhat * gamma + beta


class LayerNorm(Function):
    """Layer norm by hand: it saves xhat, rstd and gamma."""

    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, gamma, beta, eps=1e-6):
        D = x.shape[-1]
        tokens = x.reshape(-1, D)
        weight = np.full(D, 1 / D, x.dtype)                             # matrix products are the fastest sums
        mean = tokens @ weight
        xhat = tokens - mean[:, None]
        rstd = 1 / np.sqrt(np.vecdot(xhat, xhat) / D + eps)
        if np.abs(mean * rstd).max(initial=0) > FAR:                    # rarely: then rounding the mean left an offset
            xhat -= (xhat @ weight)[:, None]
            rstd = 1 / np.sqrt(np.vecdot(xhat, xhat) / D + eps)
        rstd = rstd[:, None]
        xhat *= rstd
        ctx.save(xhat, rstd, gamma)
        y = xhat * gamma
        y += beta
        return y.reshape(x.shape)

    @staticmethod
    def backward(ctx, dy):
        xhat, rstd, gamma = ctx.saved
        shape, dy = dy.shape, dy.reshape(xhat.shape)
        product = dy * xhat
        dgamma, dbeta = sum_of_rows(product), sum_of_rows(dy)
        weight = gamma / len(gamma)
        mean, mean_along_xhat = dy @ weight, product @ weight           # of dxhat, and of dxhat * xhat
        dx = dy * gamma
        np.multiply(xhat, mean_along_xhat[:, None], out=product)
        product += mean[:, None]
        dx -= product
        dx *= rstd
        return dx.reshape(shape), dgamma, dbeta

    @staticmethod
    def forward_cuda(ctx, x, gamma, beta, eps=1e-6):
        xp, D = xp_of(x), x.shape[-1]
        x, gamma, beta = (xp.ascontiguousarray(array) for array in (x, gamma, beta))
        rows = x.size // D
        y, (mean, rest, rstd) = xp.empty_like(x), xp.empty((3, rows), x.dtype)
        launch_rows(KERNELS, "layernorm_forward", rows, D, (x, gamma, beta, y, mean, rest, rstd, rows, D, eps))
        ctx.save(x, gamma, mean, rest, rstd)
        return y

    @staticmethod
    def backward_cuda(ctx, dy):
        x, gamma, mean, rest, rstd = ctx.saved
        xp, D, rows, constants = xp_of(x), len(gamma), len(rstd), constants_of(len(gamma))
        dy, dx, blocks = xp.ascontiguousarray(dy), xp.empty_like(x), min(blocks_of(rows, D), SLICES)
        partial = xp.empty((blocks, 2, D), x.dtype)
        KERNELS.launch("layernorm_backward", blocks, BLOCK,
                       (dy, x, gamma, mean, rest, rstd, dx, partial, rows, D), constants=constants,
                       shared=BLOCK // constants["GROUP"] * 2 * D * x.itemsize)
        dgamma, dbeta = column_sums(KERNELS, partial, constants)
        return dx, dgamma, dbeta


def layernorm(x, gamma, beta, eps=1e-6):
    """Layer norm over the last axis of x (..., D), with scale gamma (D,) and offset beta (D,)."""
    if x.ndim == 0 or gamma.shape != x.shape[-1:] or beta.shape != x.shape[-1:]:
        raise ValueError(f"layernorm of x {x.shape} needs gamma and beta as long as the last axis of x, not "
                         f"{gamma.shape} and {beta.shape}")
    return apply(LayerNorm, x, gamma, beta, eps=eps)
