"""What an operation is: a forward and a backward that turn arrays into arrays.

- `Function`: base class of every operation; its forms (composed, array, cuda) are a table
- `Context`: what one call leaves for its backward
- `Primitive`: an operation with one form, the alphabet in which `composed` forms are written
- `matmul(a, b)`, `dots(a, b)`: matrix and row-by-row products, on the device that the arrays are on
- `unbroadcast(gradient, shape)`: the backward of broadcasting; `sum_of_rows`: of an offset added to every row

Nothing here knows Tensors. Because backward works on plain arrays it cannot itself be differentiated: minivit computes
first-order gradients only.
"""
import numpy as np

from minivit.backend import xp_of
from minivit.cuda.matmul import matmul as device_matmul

FORMS = ("composed", "array", "cuda")
FUNCTIONS = {}          # name -> class, of every Function that has been imported


class Context:
    """What one call of a Function leaves for its backward.

    needs: for each input, whether its gradient is wanted. `save` keeps arrays (nothing, where no gradient is wanted);
    shapes and numbers are set as plain attributes (`ctx.axis = axis`).
    """

    def __init__(self, needs, recording):
        self.needs = needs
        self.recording = recording
        self.saved = ()

    def save(self, *arrays):
        """Keep `arrays` for backward, which finds them in `ctx.saved`."""
        if self.recording:
            self.saved = arrays


class Function:
    """An operation. A subclass writes

    - `forward(ctx, *arrays, **options)`, which returns an array or a tuple of arrays,
    - `backward(ctx, *dy)`, which gets a gradient per output (None for one that nothing used) and returns one per input
      (None where `ctx.needs` says that it is not wanted),
    - optionally `composed(*tensors, **options)`, its definition in Tensor arithmetic, and `forward_cuda` /
      `backward_cuda` with the same contract as forward and backward.

    The class gathers them in `forms`: composed -> a function on Tensors, array and cuda -> (forward, backward).
    portable: the array form is written with `xp` and runs on NumPy and on CuPy arrays; otherwise it is NumPy's alone.
    keeps_dtype: outputs have the dtype of the inputs (every Function but Cast).
    """

    portable = False
    keeps_dtype = True
    name = ""
    forms = {}

    def __init_subclass__(cls, abstract=False):
        if abstract:
            return
        cls.name = cls.__dict__.get("name", cls.__name__.lower())
        cls.forms = {}
        if hasattr(cls, "composed"):
            cls.forms["composed"] = cls.composed
        cls.forms["array"] = (cls.forward, cls.backward)
        if hasattr(cls, "forward_cuda"):
            cls.forms["cuda"] = (cls.forward_cuda, cls.backward_cuda)
        other = FUNCTIONS.get(cls.name)
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"there is an operation called {cls.name!r} already, {other.__module__}."
                            f"{other.__qualname__}: set another `name`, or lay your functions over its own for a block "
                            f"with using()")
        FUNCTIONS[cls.name] = cls


class Primitive(Function, abstract=True):
    """A Function with one form, which runs on every device and under every choice of form."""

    portable = True


def matmul(a, b, compute=None):
    """a @ b, as NumPy defines it. On a device it is our own call of cuBLAS; cuda/matmul.py says why.

    compute: "fp32" for a product that is a sum, which stays exact where a block `precision` rounds factors.
    """
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a @ b
    return device_matmul(a, b, compute=compute)


def dots(a, b):
    """The dot product of each row of a (..., n) with that of b (..., n): (...)."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.vecdot(a, b)              # through BLAS, without the array of products
    return (a * b).sum(axis=-1)             # CuPy has no vecdot


def shape_of(operand):
    """The shape of an array, and () for a number."""
    return getattr(operand, "shape", ())


def unbroadcast(gradient, shape):
    """`gradient` summed over the axes along which an array of `shape` (() for a number) was repeated to reach its own.

    Broadcasting copies a value to many places; its gradient is the sum of theirs.
    """
    if gradient.shape == shape:
        return gradient
    added = gradient.ndim - len(shape)
    stretched = tuple(added + axis for axis, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=tuple(range(added)) + stretched, keepdims=True).reshape(shape)


def sum_of_rows(rows):
    """The sum over the first axis of an array (n, m): a product with a row of ones, since BLAS adds faster than sum."""
    return matmul(xp_of(rows).ones(len(rows), rows.dtype), rows, compute="fp32")
