"""The Tensor: an array that remembers how it was computed, so that gradients can be carried back to its sources.

- `Tensor(data, requires_grad=True)`: a leaf; operators and methods record what they do
- `tensor.backward()`: fills `.grad` of every leaf that `tensor` was computed from
- `apply(function, *inputs, **options)`: run any Function on Tensors: pick its form, unwrap, run, wrap, record

The names are PyTorch's where it has the same thing.
"""
import math
import numbers
import operator

import numpy as np

from minivit import primitives as p
from minivit import tape
from minivit.backend import device_of, on, to_host, usable, xp_of
from minivit.call import is_tensor, operands, run
from minivit.modes import choose


def apply(function, *inputs, **options):
    """The Tensor, or tuple of Tensors, that `function` makes of `inputs` in the form that is chosen for them.

    inputs: Tensors, arrays, numbers or None. options: passed to forward as they are.
    """
    arrays = operands(function, inputs)
    form, functions = choose(function, arrays)
    if form == "composed":
        return functions(*(Tensor(a) if hasattr(a, "dtype") and not is_tensor(i) else i
                           for i, a in zip(inputs, arrays)), **options)
    outputs, node = run(function, functions, inputs, arrays, options)
    if isinstance(outputs, tuple):
        return tuple(_result(output, node, index) for index, output in enumerate(outputs))
    return _result(outputs, node, 0)


def _result(array, node, index):
    tensor = Tensor(array)
    if node is not None:
        tensor.requires_grad, tensor._node, tensor._index = True, node, index
    return tensor


class Tensor:
    """An n-dimensional array of float32 or float64 (or of integers or booleans, which carry no gradient).

    data: an array, whose dtype is kept, or nested lists of numbers, which become float32 (integers stay integers).
    requires_grad: whether `backward` leaves a gradient in `.grad`.
    Raises TypeError for any other dtype, and for an integer tensor that requires a gradient.
    """

    __slots__ = ("data", "requires_grad", "grad", "_node", "_index", "_hooks", "__weakref__")
    __hash__ = object.__hash__

    def __init__(self, data, requires_grad=False):
        if isinstance(data, Tensor):
            raise TypeError("the data of a Tensor is an array: use tensor.detach() for a tensor without a history")
        if not hasattr(data, "dtype"):
            data = np.asarray(data)
            data = data.astype(np.float32) if data.dtype == np.float64 else data
        elif isinstance(data, np.generic):
            data = np.asarray(data)
        if data.dtype.kind not in "fiub" or data.dtype.kind == "f" and data.dtype.itemsize not in (4, 8):
            raise TypeError(f"a Tensor holds float32, float64, integers or booleans, not {data.dtype}: "
                            f"convert the array with .astype(np.float32)")
        if requires_grad and data.dtype.kind != "f":
            raise TypeError(f"a {data.dtype} tensor cannot require a gradient: only floating-point numbers can be "
                            f"nudged. Convert the array with .astype(np.float32)")
        self.data, self.requires_grad = data, requires_grad
        self.grad = self._node = self._index = self._hooks = None

    shape = property(lambda self: self.data.shape, doc="Length of each axis.")
    ndim = property(lambda self: self.data.ndim, doc="Number of axes.")
    size = property(lambda self: self.data.size, doc="Number of elements.")
    dtype = property(lambda self: self.data.dtype, doc="Type of the elements.")
    device = property(lambda self: device_of(self.data), doc='Where the elements are: "cpu", "cuda" or "cuda:1".')
    edge = property(lambda self: self if self._node is None else (self._node, self._index),
                    doc="Where its gradient goes on the tape.")
    has_hooks = property(lambda self: bool(self._hooks), doc="Whether hooks wait for the gradient of this leaf.")
    is_leaf = property(lambda self: self._node is None, doc="Whether it was made by hand, not by an operation.")
    T = property(lambda self: self.transpose(), doc="The axes in reverse order.")

    def backward(self, gradient=None, sink=tape.receive):
        """Add, into `.grad` of each leaf that requires a gradient, the derivative of sum(self * gradient).

        gradient: an array like `self`; it may be left out where self is one number. sink(leaf, gradient, owned), if
        given, receives the leaves' gradients instead of `.grad`; owned tells that no one else holds that array.
        Raises RuntimeError if nothing was recorded, or was consumed by an earlier backward.
        """
        if not self.requires_grad:
            raise RuntimeError("backward on a tensor that has no gradient to carry back: no leaf it was computed from "
                               "has requires_grad=True, or it was computed under no_grad()")
        if gradient is None:
            if self.size != 1:
                raise ValueError(f"backward() without a gradient starts from one number, and this tensor has shape "
                                 f"{self.shape}: reduce it, say with .mean(), or pass a gradient of that shape")
            with on(self.data):
                gradient = xp_of(self.data).ones_like(self.data)
        gradient = gradient.data if isinstance(gradient, Tensor) else gradient
        if getattr(gradient, "shape", None) != self.shape or gradient.dtype != self.dtype:
            got = f"{gradient.dtype} {gradient.shape}" if hasattr(gradient, "dtype") else repr(gradient)
            raise ValueError(f"the gradient must be like the tensor, {self.dtype} {self.shape}, not {got}")
        xp_of(self.data, gradient)                      # raises where they are on different devices
        with on(self.data):
            tape.backward([(self.edge, gradient)], sink)

    def receive(self, gradient, owned=False):
        """Run this leaf's hooks on its complete gradient and add the result into `.grad` (a copy, unless owned)."""
        hooked = tape.hooked(self._hooks or (), gradient, "a leaf")
        owned = owned and hooked is gradient
        if self.grad is None:
            self.grad = hooked if owned else hooked.copy()
        else:
            self.grad += hooked

    def register_hook(self, hook):
        """Call hook(gradient) once in each backward, with this tensor's complete gradient; it may return another."""
        if not self.requires_grad:
            raise RuntimeError("a hook on a tensor that does not require a gradient would never be called")
        if self.is_leaf:
            self._hooks = (self._hooks or []) + [hook]
        else:
            self._node.hooks.setdefault(self._index, []).append(hook)
        return self

    def retain_grad(self):
        """Leave this tensor's gradient in `.grad`, as if it were a leaf."""
        def keep(gradient):
            self.grad = gradient.copy() if self.grad is None else self.grad + gradient
        return self if self.is_leaf else self.register_hook(keep)

    def to(self, device):
        """The same numbers on "cpu", "cuda" or "cuda:1"; itself where it is there. Gradients find their way back.

        Raises ValueError, with the reason, where there is no such device.
        """
        device = usable(device)
        return self if self.device == device else apply(p.To, self, device=device)

    def detach(self):
        """The same array without its history."""
        return Tensor(self.data)

    def item(self):
        """The number of a tensor that holds just one, as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one element, and this one has shape {self.shape}")
        return self.data.item()

    def numpy(self):
        """The array itself. Raises TypeError where it has a history (use `.detach().numpy()` or `.data`), and where it
        is on a GPU (use `.to("cpu")`)."""
        return np.asarray(self)

    def astype(self, dtype):
        """The same numbers as float32 or float64."""
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise TypeError(f"a differentiable tensor is float32 or float64, not {np.dtype(dtype)}: "
                            f"use .data.astype(...) for an array of another type")
        return self if self.dtype == dtype else apply(p.Cast, self, dtype=dtype)

    # NumPy's protocols. A ufunc on a Tensor would lose the gradient, so all but the operators' own are refused.

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise TypeError("this tensor requires a gradient, which an array cannot carry: use t.detach() or t.data")
        if self.device != "cpu":
            raise TypeError(f"this tensor is on {self.device}, and NumPy's arrays are on cpu: use t.to('cpu')")
        return np.array(self.data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        name = ufunc.__name__
        if method == "__call__" and not options and name in _OPERATORS:
            return _OPERATORS[name](*(Tensor(x) if _is_array(x) else _number(x) for x in inputs))
        raise TypeError(f"np.{name} would lose the tensor's gradient: use "
                        + (f"t.{name}()" if hasattr(Tensor, name) else "t.detach() or t.data if none is needed"))

    def __repr__(self):
        values = np.array2string(to_host(self.data), precision=4, separator=", ", threshold=60, prefix="Tensor(")
        source = "" if self.is_leaf else f", from={self._node.name}"
        place = "" if self.device == "cpu" else f", {self.device}"
        return f"Tensor({values}, {self.dtype}{place}{source}{', requires_grad=True' if self.requires_grad else ''})"

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return (self[k] for k in range(len(self)))

    def __bool__(self):
        return bool(self.item())

    def __float__(self):
        return float(self.item())

    def __getitem__(self, index):
        parts = tuple(_array(part) for part in index) if isinstance(index, tuple) else _array(index)
        return apply(p.GetItem, self, index=parts)

    def __setitem__(self, index, value):
        raise TypeError("a Tensor is not assigned to in place, since its history would no longer be true: use "
                        "where(condition, a, b) or concat, or assign to t.data before it is used")

    def __add__(self, other): return apply(p.Add, self, other)
    def __radd__(self, other): return apply(p.Add, other, self)
    def __sub__(self, other): return apply(p.Sub, self, other)
    def __rsub__(self, other): return apply(p.Sub, other, self)
    def __mul__(self, other): return apply(p.Mul, self, other)
    def __rmul__(self, other): return apply(p.Mul, other, self)
    def __truediv__(self, other): return apply(p.Div, self, other)
    def __rtruediv__(self, other): return apply(p.Div, other, self)
    def __matmul__(self, other): return apply(p.MatMul, self, other)
    def __rmatmul__(self, other): return apply(p.MatMul, other, self)
    def __neg__(self): return apply(p.Neg, self)
    def __abs__(self): return apply(p.Abs, self)

    def __pow__(self, exponent):
        if not isinstance(exponent, numbers.Real):
            raise TypeError(f"the exponent of a tensor must be a number, not {type(exponent).__name__}: "
                            f"write a ** b as (a.log() * b).exp()")
        return apply(p.Pow, self, p=_number(exponent))

    def __rpow__(self, base):
        if not base > 0:
            raise ValueError(f"{base} ** tensor: the powers of a number that is not positive need not be real")
        return (self * math.log(base)).exp()

    # Comparisons give plain boolean arrays: they have no derivative.

    def __lt__(self, other): return _compared(operator.lt, self.data, _array(other))
    def __le__(self, other): return _compared(operator.le, self.data, _array(other))
    def __gt__(self, other): return _compared(operator.gt, self.data, _array(other))
    def __ge__(self, other): return _compared(operator.ge, self.data, _array(other))
    def __eq__(self, other): return _compared(operator.eq, self.data, _array(other))
    def __ne__(self, other): return _compared(operator.ne, self.data, _array(other))

    def exp(self): return apply(p.Exp, self)
    def log(self): return apply(p.Log, self)
    def sqrt(self): return apply(p.Sqrt, self)
    def tanh(self): return apply(p.Tanh, self)
    def erf(self): return apply(p.Erf, self)
    def abs(self): return apply(p.Abs, self)
    def sum(self, axis=None, keepdims=False): return apply(p.Sum, self, axis=axis, keepdims=keepdims)
    def max(self, axis=None, keepdims=False): return apply(p.Max, self, axis=axis, keepdims=keepdims)
    def min(self, axis=None, keepdims=False): return apply(p.Min, self, axis=axis, keepdims=keepdims)

    def mean(self, axis=None, keepdims=False):
        """The mean over `axis`."""
        total = self.sum(axis, keepdims)
        return total * (total.size / max(self.size, 1))

    def var(self, axis=None, keepdims=False):
        """The variance over `axis`: the mean of the squared distances from the mean."""
        return ((self - self.mean(axis, keepdims=True)) ** 2).mean(axis, keepdims)

    def reshape(self, *shape):
        """The same elements in the same order in another shape; one size may be -1."""
        return apply(p.Reshape, self, shape=_sequence(shape))

    def transpose(self, *axes):
        """The axes in the order given, or reversed."""
        return apply(p.Transpose, self, axes=_sequence(axes) or tuple(reversed(range(self.ndim))))

    def swapaxes(self, a, b):
        """Axes a and b exchanged."""
        axes = list(range(self.ndim))
        axes[a], axes[b] = axes[b], axes[a]
        return apply(p.Transpose, self, axes=tuple(axes))

    def expand(self, *shape):
        """Repeated along new axes and axes of size 1 to `shape`."""
        return apply(p.Expand, self, shape=_sequence(shape))

    def pad(self, widths, value=0.0):
        """With a border of `value`; widths is ((before, after), ...), one pair per axis."""
        return apply(p.Pad, self, widths=widths, value=value)

    def split(self, sizes, axis=0):
        """Cut along `axis` into parts of the given sizes, or of one size (the last may be smaller)."""
        if isinstance(sizes, numbers.Integral):
            if sizes < 1:
                raise ValueError(f"split into parts of {sizes}: the size must be at least 1")
            length = self.shape[axis]
            sizes = [min(sizes, length - start) for start in range(0, length, sizes)]
        return apply(p.Split, self, sizes=tuple(sizes), axis=axis)

    def unbind(self, axis=0):
        """The slices along `axis`, without it, as a tuple."""
        return apply(p.Unbind, self, axis=axis)


_OPERATORS = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
              "matmul": operator.matmul, "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
              "greater_equal": operator.ge, "equal": operator.eq, "not_equal": operator.ne}


def _sequence(arguments):
    """f(2, 3) and f((2, 3)) alike."""
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)) else arguments


def _array(value):
    return value.data if isinstance(value, Tensor) else value


def _compared(compare, a, b):
    xp_of(a, b)                                         # raises where they are on different devices
    with on(a):
        return compare(a, b)


def _is_array(value):
    return hasattr(value, "dtype") and not isinstance(value, (Tensor, np.generic))


def _number(value):
    """NumPy's scalars as Python numbers, which do not turn a float32 result into float64."""
    return value.item() if isinstance(value, np.generic) else value
