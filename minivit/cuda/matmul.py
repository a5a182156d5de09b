"""The matrix product of device arrays, without a copy wherever BLAS can read them as they lie.

CuPy has one too, and it will not do: it copies transposed operands of a batch, ignores TF32 there, and refuses to be
captured into a CUDA graph. So the product is planned here (gemm.py) and carried out by a call of our own (cublas.py),
or by the array module's own `gemm`, if it has one: that is how a stand-in for a device computes without a GPU. NumPy
arrays are multiplied by the same plan, for whoever wants to see it work.
"""
from contextvars import ContextVar

import numpy as np

from minivit.backend import on, xp_of
from minivit.cuda import cublas
from minivit.cuda.bf16 import to_bf16
from minivit.cuda.gemm import View, on_host, plan

PRECISION = ContextVar("minivit_precision", default="fp32")     # of products of float32: see modes.precision


def matmul(a, b, out=None, alpha=1.0, beta=0.0, compute=None):
    """out = alpha a @ b + beta out, for a (..., n, k), b (..., k, m), out (..., n, m) on one device; returns out.

    Leading axes broadcast. A vector is a row on the left and a column on the right, as in NumPy. With beta = 1,
    gradients are added up where they lie. Without `out` the result is a new array; with it, `out` must share no memory
    with a or b. compute: "fp32"; "tf32", which rounds the factors to 10 bits of mantissa, or "bf16", to 7, for the
    tensor cores of GPUs from 2020 on (sums are float32's in all); by default what the block `precision` says. float64
    is multiplied in float64.

    Raises TypeError for other dtypes and for arrays on several devices, ValueError for shapes or settings that do not
    fit.
    """
    compute = PRECISION.get() if compute is None else compute
    if a.ndim == 1:
        product = matmul(a[None, :], b, None if out is None else out[..., None, :], alpha, beta, compute)
        return product[..., 0, :] if b.ndim > 1 else product[..., 0]
    if b.ndim == 1:
        return matmul(a, b[:, None], None if out is None else out[..., None], alpha, beta, compute)[..., 0]
    xp, shape = xp_of(a, b, out), _checked_shape(a, b, out, beta, compute)
    with on(a):
        if out is None:
            out = xp.empty(shape, a.dtype)
        if out.size == 0:
            return out
        if a.shape[-1] == 0:                        # sums of nothing
            out[...] = 0 if beta == 0 else beta * out
            return out
        if compute == "bf16" and a.dtype == np.float32:
            a, b = to_bf16(a), to_bf16(b)
        a, b = (x if _view(x).readable else xp.ascontiguousarray(x) for x in (a, b))
        target = out if _view(out).readable else xp.array(out, order="C")
        calls = plan(_view(a), _view(b), _view(target))
        gemm = on_host if xp is np else getattr(xp, "gemm", cublas.gemm)
        gemm(calls, a, b, target, alpha, beta, compute)
        if target is not out:
            out[...] = target
        return out


def _view(x):
    """How x lies in memory; a step that is no whole number of elements becomes -1, which BLAS cannot read."""
    return View(x.shape, tuple(step // x.itemsize if step % x.itemsize == 0 else -1 for step in x.strides))


def _checked_shape(a, b, out, beta, compute):
    """The shape of the product."""
    if compute not in cublas.COMPUTE:
        raise ValueError(f"compute={compute!r}: a product is computed in {', '.join(cublas.COMPUTE)}")
    into = a.dtype if out is None else out.dtype
    if not a.dtype == b.dtype == into or a.dtype.name not in cublas.TYPES:
        raise TypeError(f"a product of {a.dtype} and {b.dtype} into {into}: all must be float32, or all float64; "
                        f"convert with .astype")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"{a.shape} @ {b.shape}: the last axis of the left must be as long as the rows of the right")
    shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + (a.shape[-2], b.shape[-1])
    if out is None and beta:
        raise ValueError(f"beta = {beta} times which array? Give out as well")
    if out is not None and out.shape != shape:
        raise ValueError(f"{a.shape} @ {b.shape} has the shape {shape}, and out has {out.shape}")
    return shape
