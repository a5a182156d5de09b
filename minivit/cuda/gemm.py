"""How a matrix product is said to BLAS: from shapes and strides to calls, and no array is touched.

- `plan(a, b, out)`: the calls that compute out = a @ b, each one a `Gemm`, from how the arrays lie, their `View`
- `layout(...)`: how BLAS can read a matrix where it lies, or None where it cannot
- `on_host(calls, ...)`: what a BLAS does with them, spelled in NumPy

BLAS comes from Fortran and counts by columns: it reads the row-major matrix M as M^T. So we plan backwards,

    out^T = b^T a^T

where all three lie in memory as they are. A matrix whose columns lie side by side, such as the view `weight.T`, is read
with the flag `transposed`. A step from one matrix to the next makes a batch, and step 0 repeats the same matrix: so
nothing is copied to transpose or to broadcast.

Shapes: a (..., n, k), b (..., k, m), out (..., n, m); the leading axes of a and b broadcast to those of out.

Source: NVIDIA, "cuBLAS library", section on cublasGemmStridedBatchedEx.
"""
import ctypes
import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minivit.cuda.bf16 import from_bf16

LIMIT = 2**31 - 1       # BLAS counts rows, columns and batches in C ints


@dataclass(frozen=True)
class Operand:
    """A batch of matrices in memory; all numbers count elements.

    offset: from the array's first element to the first matrix; leading: from a column to the next (from a row to the
    next where `transposed`); step: from a matrix to the next.
    """

    offset: int
    leading: int
    step: int
    transposed: bool = False


@dataclass(frozen=True)
class Gemm:
    """One call, by columns: C = alpha op(A) op(B) + beta C, `batch` times.

    op(A) (rows, inner), op(B) (inner, columns), C (rows, columns); op transposes, where the operand says so.
    swapped: A is read from the first array of the product, B from the second; otherwise from the second and the first.
    """

    rows: int
    columns: int
    inner: int
    batch: int
    a: Operand
    b: Operand
    c: Operand
    swapped: bool


class View(NamedTuple):
    """How an array lies in memory: its shape, and the elements from a place to the next along each axis."""

    shape: tuple
    steps: tuple

    @property
    def T(self):
        """The same with its matrices transposed."""
        return View(*((*pair[:-2], pair[-1], pair[-2]) for pair in self))

    @property
    def readable(self):
        """Whether BLAS can read and write the matrices where they lie."""
        return layout(*self.shape[-2:], *self.steps[-2:]) is not None

    def steps_along(self, batch):
        """The steps along the batch axes: 0 along those that are broadcast."""
        missing = len(batch) + 2 - len(self.shape)
        return [0] * missing + [step if size > 1 else 0 for size, step in zip(self.shape[:-2], self.steps)]


class Axis(NamedTuple):
    """An axis along which a product repeats, and the elements by which each of its arrays moves along it."""

    size: int
    a: int
    b: int
    out: int

    def continues(self, outer):
        """Whether one step along `outer` is as many along this axis as it has places: then both are one axis."""
        return all(here * self.size == there for here, there in zip(self[1:], outer[1:]))


def layout(rows, columns, row_step, column_step):
    """(transposed, leading) of a matrix with these steps between rows and between columns; None where BLAS cannot."""
    if (columns == 1 or column_step == 1) and (rows == 1 or row_step >= columns):
        return False, row_step if rows > 1 else columns
    if (rows == 1 or row_step == 1) and column_step >= rows:
        return True, column_step
    return None


@lru_cache(maxsize=4096)
def plan(a, b, out):
    """The calls that compute out = a @ b, for the Views of non-empty arrays whose matrices are readable.

    Usually it is one call; one for each place along the batch axes that do not form a single stride together.
    Raises ValueError where a number is beyond what BLAS can count.
    """
    if layout(*out.shape[-2:], *out.steps[-2:])[0]:     # out^T is row-major, and out^T = b^T a^T is a product too
        return _calls(b.T, a.T, out.T, swapped=True)
    return _calls(a, b, out, swapped=False)


def _calls(a, b, out, swapped):
    (n, k), m, batch = a.shape[-2:], b.shape[-1], out.shape[:-2]
    axes = [Axis(*axis) for axis in zip(batch, a.steps_along(batch), b.steps_along(batch), out.steps)]
    rows, axes = _with_more_rows(Axis(n, a.steps[-2], 0, out.steps[-2]), axes, (k, a.steps[-1]), (m, out.steps[-1]))
    a_transposed, a_leading = layout(rows.size, k, rows.a, a.steps[-1])
    b_transposed, b_leading = layout(k, m, *b.steps[-2:])
    _, out_leading = layout(rows.size, m, rows.out, out.steps[-1])
    longest = max(axes, key=lambda axis: axis.size, default=Axis(1, 0, 0, 0))
    others = [axis for axis in axes if axis is not longest]
    if max(rows.size, k, m, a_leading, b_leading, out_leading, longest.size) > LIMIT:
        raise ValueError(f"a product {a.shape} @ {b.shape} is beyond what BLAS counts in a C int: take it in parts")
    calls = []
    for place in itertools.product(*(range(axis.size) for axis in others)):
        of_a, of_b, of_out = (sum(i * getattr(axis, name) for i, axis in zip(place, others))
                              for name in ("a", "b", "out"))
        calls.append(Gemm(m, rows.size, k, longest.size, Operand(of_b, b_leading, longest.b, b_transposed),
                          Operand(of_a, a_leading, longest.a, a_transposed), Operand(of_out, out_leading, longest.out),
                          swapped))
    return tuple(calls)


def _with_more_rows(rows, axes, inner, columns):
    """(rows, batch axes): an axis along which b stands still is more rows of a, so x (B, N, D) @ W is one product.

    inner, columns: (size, step of a along it), (size, step of out along it).
    """
    *others, last = _merged(axes + [rows]) or [rows]
    as_a = layout(last.size, inner[0], last.a, inner[1])
    as_out = layout(last.size, columns[0], last.out, columns[1])
    if last.b == 0 and as_a is not None and as_out is not None:
        return last, others
    return rows, _merged(axes)


def _merged(axes):
    """The axes, each fused with the one before it where both are a single stride in all three arrays."""
    merged = []
    for axis in axes:
        if axis.size == 1:
            continue
        if merged and axis.continues(merged[-1]):
            axis = axis._replace(size=axis.size * merged.pop().size)
        merged.append(axis)
    return merged


def on_host(calls, a, b, out, alpha=1.0, beta=0.0, compute="fp32"):
    """The calls of a plan on NumPy arrays, as a BLAS carries them out: from addresses and leading dimensions alone.

    NumPy computes in the arrays' own precision, whatever `compute` says; in float32 where a and b are bf16.
    """
    for call in calls:
        first, second = (a, b) if call.swapped else (b, a)
        A = _by_columns(first, call.a, call.rows, call.inner, call.batch)
        B = _by_columns(second, call.b, call.inner, call.columns, call.batch)
        C = _by_columns(out, call.c, call.rows, call.columns, call.batch)
        if A.dtype == np.uint16:
            A, B = from_bf16(A), from_bf16(B)
        product = alpha * (A @ B)
        C[...] = product if beta == 0 else product + beta * C


def _by_columns(array, operand, rows, columns, batch):
    """The matrices (batch, rows, columns) that an operand names, as a view."""
    address = array.ctypes.data + array.itemsize * operand.offset
    memory = np.frombuffer((ctypes.c_char * array.itemsize).from_address(address), array.dtype)
    apart = (operand.leading, 1) if operand.transposed else (1, operand.leading)
    strides = [array.itemsize * step for step in (operand.step, *apart)]
    return np.lib.stride_tricks.as_strided(memory, (batch, rows, columns), strides)
