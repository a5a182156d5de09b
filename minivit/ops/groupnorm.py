"""Group normalisation: the channels of an image in groups, each group shifted to mean 0 and scaled to variance 1.

    xhat = (x - mean) * rstd        rstd = 1 / sqrt(var + eps)        mean and var over a group's channels and pixels
    y    = xhat * gamma + beta      gamma and beta: one number per channel

Shapes: x (B, C, Sy, Sx) or (B, C, ...), gamma and beta (C,), y like x. One image at a time, unlike batch norm: no
running averages, and the same result for any batch. With one group it is layer norm over an image, with C groups
instance norm.

Backward, as for layer norm, with means over a group:

    dxhat  = dy * gamma
    dx     = rstd * (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat))
    dgamma = sum of dy * xhat over images and pixels        dbeta = sum of dy over images and pixels

Its partner is weight standardisation: each filter of a convolution is shifted and scaled so before it is used.

    w <- (w - mean) / sqrt(var + eps)        mean and var over a filter's C * Ky * Kx numbers

Sources: Wu and He 2018, "Group normalization", arXiv 1803.08494, eq. 7; Qiao et al. 2019, "Weight standardization",
arXiv 1903.10520, eq. 9.
"""
from minivit.backend import xp_of
from minivit.function import Function, dots, matmul
from minivit.ops.layernorm import layernorm
from minivit.tensor import Tensor, apply


def composed(x, gamma, beta, groups, eps=1e-5):
    """The definition; autograd finds its gradient."""
    rows = x.reshape(len(x), groups, -1)
    centred = rows - rows.mean(-1, keepdims=True)
    xhat = centred / ((centred * centred).mean(-1, keepdims=True) + eps).sqrt()
    y = xhat.reshape(*x.shape[:2], -1) * gamma.reshape(-1, 1) + beta.reshape(-1, 1)
    return y.reshape(x.shape)


class GroupNorm(Function):
    """Group norm by hand: it saves xhat, rstd and gamma."""

    portable = True
    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, x, gamma, beta, groups, eps=1e-5):
        B, C = x.shape[:2]
        rows = x.reshape(B * groups, -1)
        n = rows.shape[1]
        weight = xp_of(x).full(n, 1 / n, x.dtype)                       # matrix products are the fastest sums
        xhat = rows - matmul(rows, weight, compute="fp32")[:, None]
        xhat -= matmul(xhat, weight, compute="fp32")[:, None]           # what rounding the mean of large x had left
        rstd = 1 / xp_of(x).sqrt(dots(xhat, xhat) / n + eps)
        xhat *= rstd[:, None]
        xhat, rstd = xhat.reshape(B, C, -1), rstd.reshape(B, groups)
        ctx.save(xhat, rstd, gamma)
        y = xhat * gamma[:, None]
        y += beta[:, None]
        return y.reshape(x.shape)

    @staticmethod
    def backward(ctx, dy):
        xhat, rstd, gamma = ctx.saved
        (B, C, S), groups, shape = xhat.shape, rstd.shape[1], dy.shape
        dy = dy.reshape(xhat.shape)
        sums = matmul(dy, xp_of(dy).ones(S, dy.dtype), compute="fp32")  # (B, C), over pixels
        sums_along_xhat = dots(dy, xhat)
        n = C * S // groups

        def mean(sums):                                                 # over each group, for each of its channels
            means = (sums * gamma).reshape(B, groups, -1).sum(axis=2) * rstd / n
            return xp_of(dy).repeat(means, C // groups, axis=1)[:, :, None]

        dx = dy * (gamma * xp_of(dy).repeat(rstd, C // groups, axis=1))[:, :, None]
        dx -= xhat * mean(sums_along_xhat)
        dx -= mean(sums)
        return dx.reshape(shape), sums_along_xhat.sum(axis=0), sums.sum(axis=0)


def groupnorm(x, groups, gamma, beta, eps=1e-5):
    """Group norm of x (B, C, ...) with C / groups channels to a group, scale gamma (C,) and offset beta (C,)."""
    if x.ndim < 2 or gamma.shape != x.shape[1:2] or beta.shape != x.shape[1:2]:
        raise ValueError(f"groupnorm of x {x.shape} needs x (B, C, ...) and gamma and beta (C,), not {gamma.shape} and "
                         f"{beta.shape}")
    if groups < 1 or x.shape[1] % groups:
        raise ValueError(f"groupnorm: {x.shape[1]} channels cannot be divided into {groups} groups of equal size")
    return apply(GroupNorm, x, gamma, beta, groups=groups, eps=eps)


def standardise(weight, eps=1e-8):
    """Weight standardisation of a weight (O, C, Ky, Kx): every filter with mean 0 and variance 1. It is layer norm over
    a filter, without scale and offset."""
    filters = weight.reshape(len(weight), -1)
    one, zero = (Tensor(xp_of(weight.data).full(filters.shape[1], value, weight.dtype)) for value in (1, 0))
    return layernorm(filters, one, zero, eps).reshape(weight.shape)
