"""Scaled dot-product attention: each query takes a weighted mean of the values, by how well it matches their keys.

    S = q k^T / sqrt(K)        P = softmax(S) over the keys        y = P v

Shapes: q (B, H, N, K), k and v (B, H, M, K), S and P (B, H, N, M), y (B, H, N, K); mask (True where a query may look at
a key) broadcasts to S; dropout acts on P. A query that may look nowhere gets y = 0.

Backward:

    dv = P^T dy        dP = dy v^T
    dS = P * (dP - sum over keys of dP * P)        and that sum is dy . y, since y = P v
    dq = dS k / sqrt(K)        dk = dS^T q / sqrt(K)

Source: Vaswani et al. 2017, "Attention is all you need", arXiv 1706.03762, eq. 1; Dosovitskiy et al. 2020, arXiv
2010.11929, eq. 5-8. Lessons 5 (forward) and 7 (backward) derive it.
"""
import math

import numpy as np

from minivit.backend import xp_of
from minivit.function import Function
from minivit.ops.combine import where
from minivit.ops.dropout import address, check_probability, dropout as drop, keep_mask
from minivit.ops.softmax import softmax
from minivit.ops.tiles import heads_side_by_side, launch_heads, mask_and_strides, strides, tokens_whole
from minivit.streams import next_draw
from minivit.tensor import Tensor, apply

SAFE = 30.0             # exp of scores this small can neither overflow nor vanish, and finding row maxima is slow
NOWHERE = -1e30         # the score of a key that may not be looked at: exp of it is 0, and it is still a number


def composed(q, k, v, mask=None, dropout=0.0, draw=None):
    """The definition; autograd finds its gradient."""
    scores = q @ k.swapaxes(-1, -2) * (1 / math.sqrt(q.shape[-1]))
    if mask is not None:
        scores = where(mask, scores, NOWHERE)
    weights = softmax(scores)
    if mask is not None:
        weights = weights * mask
    if dropout:
        weights = drop(weights, dropout, draw)
    return weights @ v


class Attention(Function):
    """Attention by hand: it saves q, k, v, the weights and its result."""

    composed = staticmethod(composed)

    @staticmethod
    def forward(ctx, q, k, v, mask=None, dropout=0.0, draw=None):
        B, H, N, K = q.shape
        ctx.scale = 1 / math.sqrt(K)
        weights = q @ k.swapaxes(-1, -2)                                # (B, H, N, M)
        weights *= ctx.scale
        if mask is not None:
            weights = np.where(mask, weights, q.dtype.type(NOWHERE))
        if not -SAFE < weights.min() <= weights.max() < SAFE:           # rarely: then exp needs the shift by the max
            weights -= weights.max(axis=-1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= (weights @ np.ones(weights.shape[-1], q.dtype))[..., None]
        if mask is not None:
            weights *= mask
        kept = keep_mask(draw, weights.shape, dropout, q.dtype) if dropout else None
        y = np.empty((B, N, H, K), q.dtype).swapaxes(1, 2)              # heads side by side: merging them is free
        np.matmul(weights if kept is None else weights * kept, v, out=y)
        ctx.save(q, k, v, weights, kept, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        q, k, v, weights, kept, y = ctx.saved
        dv = (weights if kept is None else weights * kept).swapaxes(-1, -2) @ dy
        dscores = dy @ v.swapaxes(-1, -2)                               # (B, H, N, M): dP, and from here on dS in place
        if kept is not None:
            dscores *= kept
        dscores -= np.einsum("bhnk,bhnk->bhn", dy, y)[..., None]
        dscores *= weights
        dscores *= ctx.scale
        return dscores @ k, dscores.swapaxes(-1, -2) @ q, dv

    @staticmethod
    def forward_cuda(ctx, q, k, v, mask=None, dropout=0.0, draw=None):
        (B, H, N, K), M = q.shape, k.shape[2]
        q, k, v = tokens_whole(q), tokens_whole(k), tokens_whole(v)
        y, lse = heads_side_by_side(q), xp_of(q).empty((B, H, N), q.dtype)
        mask, ctx.mask_strides = mask_and_strides(mask, (B, H, N, M))
        ctx.sizes = H, N, M, K, 1 / math.sqrt(K)
        ctx.dropout = dropout, 1 / (1 - dropout), *(address(draw, H * N * M, q) if dropout else (0, 0, 0, None))
        launch_heads("attention_forward", B * H, N, K, (
            q, k, v, mask, y, lse, *ctx.sizes, *strides(q, k, v), *ctx.mask_strides, *strides(y), *ctx.dropout))
        ctx.save(q, k, v, mask, y, lse)
        return y

    @staticmethod
    def backward_cuda(ctx, dy):
        q, k, v, mask, y, lse = ctx.saved
        (B, H, N, K), M, dy = q.shape, k.shape[2], tokens_whole(dy)
        dq, dk, dv, dot = *map(heads_side_by_side, (q, k, v)), xp_of(q).empty_like(lse)
        places = *strides(dy, q, k, v), *ctx.mask_strides
        launch_heads("attention_backward_q", B * H, N, K, (
            dy, q, k, v, mask, y, lse, dq, dot, *ctx.sizes, *places, *strides(y, dq), *ctx.dropout))
        launch_heads("attention_backward_kv", B * H, M, K, (
            dy, q, k, v, mask, lse, dot, dk, dv, *ctx.sizes, *places, *strides(dk), *ctx.dropout))
        return dq, dk, dv


def attention(q, k, v, mask=None, dropout=0.0):
    """Scaled dot-product attention of q (B, H, N, K) over keys k and values v (B, H, M, K): (B, H, N, K).

    mask: boolean array that broadcasts to (B, H, N, M), True where query n may look at key m.
    dropout: the share of attention weights set to 0; its numbers come from the enclosing `randomness` block.
    Raises ValueError for shapes that do not fit, TypeError for a mask that is not boolean.
    """
    if q.ndim != 4 or k.shape != v.shape or k.ndim != 4 or q.shape[:2] + q.shape[3:] != k.shape[:2] + k.shape[3:]:
        raise ValueError(f"attention needs q (B, H, N, K) with k and v (B, H, M, K), not q {q.shape}, k {k.shape}, "
                         f"v {v.shape}")
    check_probability(dropout, "attention's dropout")
    if mask is not None:
        mask = mask.data if isinstance(mask, Tensor) else mask
        scores = q.shape[:3] + k.shape[2:3]
        if getattr(mask, "dtype", None) != bool:
            raise TypeError(f"attention's mask is a boolean array, True where a query may look, not "
                            f"{getattr(mask, 'dtype', type(mask).__name__)}")
        if len(mask.shape) > 4 or any(m not in (1, s) for m, s in zip(mask.shape[::-1], scores[::-1])):
            raise ValueError(f"attention's mask {mask.shape} does not broadcast to the scores (B, H, N, M) = {scores}")
    draw = next_draw("attention's dropout") if dropout else None
    return apply(Attention, q, k, v, mask=mask, dropout=dropout, draw=draw)
