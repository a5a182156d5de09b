"""The device array: a NumPy array behind a wall.

- `ndarray`: what CuPy's has too, as far as minivit uses it
- `compute`, `view`: a function of NumPy's on the arrays behind the wall; `inner`, `outer`: through it
- `from_host(values)`: a copy on the device
"""
import numbers
from types import SimpleNamespace

import numpy as np

from minivit.cuda.standin.machine import machine


def inner(value):
    """The NumPy array within a device array; numbers as they are. Raises what CuPy raises for anything else."""
    if isinstance(value, ndarray):
        if value._gpu != machine().current:
            raise ValueError(f"Array device must be same as the current device: array device = {value._gpu} while "
                             f"current = {machine().current}")
        return value._inner
    if not isinstance(value, (numbers.Number, np.generic, str, type(None))):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def outer(result):
    """`result` as a new device array."""
    machine().allocate()
    return ndarray(np.asarray(result), machine().current)


def compute(function, *arguments, out=None, **options):
    """A kernel: NumPy's `function` of the arguments, into `out` or into a new array, which CuPy makes in C order."""
    arguments = [inner(argument) for argument in arguments]
    with np.errstate(all="ignore"):                                 # a GPU warns of nothing
        if out is not None:
            target = inner(out)
            machine().launch(lambda: function(*arguments, out=target, **options))
            return out
        result = np.array(function(*arguments, **options), order="C")           # now, for its shape
        machine().launch(lambda: np.copyto(result, function(*arguments, **options)))
        return outer(result)


def view(function, array, *arguments, **options):
    """The same memory seen in another way; where that cannot be, a kernel copies."""
    result = function(array._inner, *arguments, **options)
    if np.may_share_memory(result, array._inner):
        return ndarray(result, array._gpu)
    return compute(lambda array: function(array, *arguments, **options), array)


def from_host(values, dtype=None, order="K"):
    """A copy of NumPy's numbers on the device."""
    machine().copy_to_device()
    return outer(np.array(values, dtype, order=order))


def read(array):
    """The host waits, and has a copy."""
    machine().synchronise()
    return array._inner.copy()                                      # of whichever GPU


def index_of(index):
    """An index with the NumPy arrays that are within its device arrays; those of the host CuPy copies to the device."""
    parts = index if isinstance(index, tuple) else (index,)
    parts = [from_host(part) if isinstance(part, (np.ndarray, list)) else part for part in parts]
    return tuple(part._inner if isinstance(part, ndarray) else part for part in parts)


def is_advanced(index):
    """Whether an index picks single elements."""
    return any(isinstance(part, np.ndarray) for part in index)


def operate(ufunc, a, b):
    """a + b and its like. What it does not know CuPy hands to that other's own `__array_ufunc__`."""
    other = b if isinstance(a, ndarray) else a
    if not isinstance(other, (ndarray, np.ndarray, np.generic)) and hasattr(other, "__array_ufunc__"):
        return other.__array_ufunc__(ufunc, "__call__", a, b)
    return compute(ufunc, a, b)


class ndarray:
    """A device array. Reductions return arrays too, of no axes; what reads their number waits."""

    __slots__ = ("_inner", "_gpu")
    __array_ufunc__ = None              # so that NumPy leaves `host + device` to __radd__, which refuses it
    __hash__ = None

    def __init__(self, inner, gpu):
        self._inner, self._gpu = inner, gpu

    shape = property(lambda self: self._inner.shape)
    strides = property(lambda self: self._inner.strides)
    dtype = property(lambda self: self._inner.dtype)
    ndim = property(lambda self: self._inner.ndim)
    size = property(lambda self: self._inner.size)
    nbytes = property(lambda self: self._inner.nbytes)
    itemsize = property(lambda self: self._inner.itemsize)
    device = property(lambda self: Device(self._gpu))
    data = property(lambda self: SimpleNamespace(ptr=self._inner.ctypes.data))
    T = property(lambda self: self.transpose())

    @property
    def flags(self):
        flags = self._inner.flags
        return SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata)

    # Between host and device. All but `set` wait.

    def __array__(self, *args, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
                        "array explicitly.")

    def __array_function__(self, function, types, arguments, options):
        raise TypeError(f"np.{function.__name__} was given a device array: call the function of xp_of(array)")

    def get(self, stream=None, order="C", out=None, blocking=True): return read(self)
    def item(self): return read(self).item()
    def tolist(self): return read(self).tolist()
    def __bool__(self): return bool(read(self))
    def __int__(self): return int(read(self))
    def __float__(self): return float(read(self))
    def __repr__(self): return repr(read(self))

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError(f"set needs a NumPy array {self.dtype} {self.shape}")
        if not self._inner.flags.c_contiguous:
            raise RuntimeError("Cannot set to non-contiguous array")
        machine().copy_to_device()
        inner(self)[...] = arr

    # Elements

    def __len__(self): return len(self._inner)
    def __iter__(self): return (self[k] for k in range(len(self)))

    def __getitem__(self, index):
        index = index_of(index)
        if not is_advanced(index):                                  # with an Ellipsis, one element is a view as well
            index += () if any(part is ... for part in index) else (...,)
            return view(lambda array: array[index], self)
        if any(isinstance(part, np.ndarray) and part.dtype == bool for part in index):
            machine().synchronise()                                 # the host must be told how many elements there are
        return compute(lambda array: array[index], self)

    def __setitem__(self, index, value):
        index, value = index_of(index), inner(value)
        if is_advanced(index):
            places = np.arange(self.size).reshape(self.shape)[index]
            if np.unique(places).size < places.size:
                raise ValueError("an element is assigned to twice by one index, and which value stays a GPU leaves to "
                                 "chance: add with xp.add.at, or take duplicates out")
        target = inner(self)
        machine().launch(lambda: target.__setitem__(index, value))

    # Shapes and types

    def reshape(self, *shape, order="C"): return view(np.ndarray.reshape, self, *shape, order=order)
    def transpose(self, *axes): return view(np.ndarray.transpose, self, *axes)
    def view(self, dtype=None): return view(np.ndarray.view, self, dtype)
    def swapaxes(self, axis1, axis2): return view(np.ndarray.swapaxes, self, axis1, axis2)
    def squeeze(self, axis=None): return view(np.ndarray.squeeze, self, axis)
    def ravel(self, order="C"): return view(np.ndarray.ravel, self, order)
    def copy(self, order="C"): return compute(np.ndarray.copy, self)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        return self if not copy and self.dtype == dtype else compute(lambda array: array.astype(dtype), self)

    # Reductions

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        return compute(np.sum, self, axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def max(self, axis=None, out=None, keepdims=False):
        return compute(np.max, self, axis=axis, out=out, keepdims=keepdims)

    def min(self, axis=None, out=None, keepdims=False):
        return compute(np.min, self, axis=axis, out=out, keepdims=keepdims)

    def argmax(self, axis=None, out=None, dtype=None, keepdims=False):
        return compute(np.argmax, self, axis=axis, out=out, keepdims=keepdims)

    def all(self, axis=None, out=None, keepdims=False):
        return compute(np.all, self, axis=axis, out=out, keepdims=keepdims)

    def any(self, axis=None, out=None, keepdims=False):
        return compute(np.any, self, axis=axis, out=out, keepdims=keepdims)

    # Arithmetic

    def __add__(self, other): return operate(np.add, self, other)
    def __radd__(self, other): return operate(np.add, other, self)
    def __sub__(self, other): return operate(np.subtract, self, other)
    def __rsub__(self, other): return operate(np.subtract, other, self)
    def __mul__(self, other): return operate(np.multiply, self, other)
    def __rmul__(self, other): return operate(np.multiply, other, self)
    def __truediv__(self, other): return operate(np.true_divide, self, other)
    def __rtruediv__(self, other): return operate(np.true_divide, other, self)
    def __matmul__(self, other): return operate(np.matmul, self, other)
    def __rmatmul__(self, other): return operate(np.matmul, other, self)
    def __pow__(self, other): return operate(np.power, self, other)
    def __lt__(self, other): return operate(np.less, self, other)
    def __le__(self, other): return operate(np.less_equal, self, other)
    def __gt__(self, other): return operate(np.greater, self, other)
    def __ge__(self, other): return operate(np.greater_equal, self, other)
    def __eq__(self, other): return operate(np.equal, self, other)
    def __ne__(self, other): return operate(np.not_equal, self, other)
    def __and__(self, other): return operate(np.bitwise_and, self, other)
    def __or__(self, other): return operate(np.bitwise_or, self, other)
    def __neg__(self): return compute(np.negative, self)
    def __abs__(self): return compute(np.absolute, self)
    def __invert__(self): return compute(np.invert, self)
    def __iadd__(self, other): return compute(np.add, self, other, out=self)
    def __isub__(self, other): return compute(np.subtract, self, other, out=self)
    def __imul__(self, other): return compute(np.multiply, self, other, out=self)
    def __itruediv__(self, other): return compute(np.true_divide, self, other, out=self)


class Device:
    """A GPU by its number; in a `with` block the current one."""

    def __init__(self, device=None):
        self.id, self.before = machine().current if device is None else device, []

    def __enter__(self):
        self.before.append(machine().current)
        machine().current = self.id
        return self

    def __exit__(self, *error):
        machine().current = self.before.pop()

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def __str__(self):
        return f"<CUDA Device {self.id}>"
