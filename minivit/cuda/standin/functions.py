"""The functions of the array module, with CuPy's names and keywords.

`FUNCTIONS` and `UFUNCS` are what `module` makes the stand-in of.
"""
import numpy as np

from minivit.cuda.gemm import on_host
from minivit.cuda.standin.array import compute, from_host, index_of, inner, machine, ndarray, outer, view


class Ufunc:
    """An element-wise function of NumPy's, by its name."""

    def __init__(self, name):
        self.numpy = getattr(np, name)

    def __call__(self, *arrays, out=None, dtype=None, casting="same_kind"):
        return compute(self.numpy, *arrays, out=out, dtype=dtype, casting=casting)

    def at(self, a, indices, b):
        a, indices, b = inner(a), index_of(indices), inner(b)
        machine().launch(lambda: self.numpy.at(a, indices, b))


def array(obj, dtype=None, copy=True, order="K"):
    if not isinstance(obj, ndarray):
        return from_host(obj, dtype, order)
    result = np.array(obj._inner, dtype, order=order)               # from another GPU too
    machine().launch(lambda: np.copyto(result, obj._inner))
    return outer(result)


def asarray(a, dtype=None, order=None):
    return a if isinstance(a, ndarray) and dtype in (None, a.dtype) else array(a, dtype)


def ascontiguousarray(a, dtype=None):
    return a if a.flags.c_contiguous and dtype in (None, a.dtype) else array(a, dtype, order="C")


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True): return a.get()


def empty(shape, dtype=float, order="C"): return outer(np.empty(shape, dtype))
def zeros(shape, dtype=float, order="C"): return compute(lambda: np.zeros(shape, dtype))
def ones(shape, dtype=float, order="C"): return compute(lambda: np.ones(shape, dtype))
def full(shape, fill_value, dtype=None, order="C"): return compute(lambda x: np.full(shape, x, dtype), fill_value)
def arange(start, stop=None, step=1, dtype=None): return compute(lambda: np.arange(start, stop, step, dtype))
def empty_like(prototype, dtype=None, order="K"): return outer(np.empty_like(inner(prototype), dtype, order))
def zeros_like(a, dtype=None, order="K"): return compute(np.zeros_like, a, dtype=dtype)
def ones_like(a, dtype=None, order="K"): return compute(np.ones_like, a, dtype=dtype)


def broadcast_to(array, shape): return view(np.broadcast_to, array, shape)
def as_strided(x, shape=None, strides=None): return view(np.lib.stride_tricks.as_strided, x, shape, strides)
def pad(array, pad_width, **options): return compute(lambda x: np.pad(x, pad_width, **options), array)
def repeat(a, repeats, axis=None): return compute(lambda x: np.repeat(x, repeats, axis), a)


def concatenate(tup, axis=0):
    if len(tup) > 8:                                                # their addresses, for one kernel that copies all
        machine().copy_to_device()
    return compute(lambda *parts: np.concatenate(parts, axis), *tup)


def stack(tup, axis=0): return compute(lambda *parts: np.stack(parts, axis), *tup)


def split(ary, indices_or_sections, axis=0):
    return [ndarray(part, ary._gpu) for part in np.split(ary._inner, indices_or_sections, axis)]


def where(condition, x, y): return compute(np.where, condition, x, y)
def clip(a, a_min, a_max, out=None): return compute(np.clip, a, a_min, a_max, out=out)


def gemm(calls, a, b, out, alpha, beta, compute):
    """Not CuPy's: the matrix products that `cuda/matmul.py` has planned."""
    a, b, out = inner(a), inner(b), inner(out)
    machine().launch(lambda: on_host(calls, a, b, out, alpha, beta, compute), count=len(calls))


UFUNCS = ("add", "subtract", "multiply", "divide", "negative", "absolute", "exp", "log", "sqrt", "square", "tanh",
          "sign", "copysign", "maximum", "minimum", "isfinite")
FUNCTIONS = (ndarray, array, asarray, ascontiguousarray, asnumpy, empty, zeros, ones, full, arange, empty_like,
             zeros_like, ones_like, broadcast_to, pad, repeat, concatenate, stack, split, where, clip, gemm)
