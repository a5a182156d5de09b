"""One call of a Function: what goes in, what is checked, and what is recorded.

- `operands(function, inputs)`: the arrays and numbers in tensors and constants, all of one floating-point type
- `run(...)`: forward, the check of what it returned, and the node on the tape

An input is a tensor (anything with `.data`, `.requires_grad` and `.edge`), an array, a number, or None.
"""
import numbers

import numpy as np

from minivit.backend import on
from minivit.function import Context, Primitive
from minivit.modes import grad_enabled
from minivit.tape import Node


def is_tensor(value):
    """Whether `value` can stand on the tape."""
    return hasattr(type(value), "edge")


def operands(function, inputs):
    """The inputs as arrays of one floating-point type; Python numbers stay numbers, so that they widen nothing.

    Raises TypeError where float32 and float64 meet: a silent conversion would hide where precision was lost.
    """
    arrays = [_operand(value) for value in inputs]
    dtypes = {array.dtype for array in arrays if hasattr(array, "dtype") and array.dtype.kind == "f"}
    if len(dtypes) > 1:
        given = ", ".join(str(getattr(array, "dtype", type(array).__name__)) for array in arrays)
        raise TypeError(f"{function.name} was given {given}: minivit does not mix floating-point types. Convert one "
                        f"side, with .astype(np.float32) for instance")
    if not dtypes:
        if not issubclass(function, Primitive):
            given = ", ".join(str(getattr(array, "dtype", type(array).__name__)) for array in arrays)
            raise TypeError(f"{function.name} needs floating-point tensors, and was given {given}: convert with "
                            f".astype(np.float32)")
        return arrays
    dtype = dtypes.pop()
    return [_cast(array, dtype) if hasattr(array, "dtype") and array.dtype != dtype else array for array in arrays]


def _cast(array, dtype):
    with on(array):
        return array.astype(dtype)


def _operand(value):
    if is_tensor(value):
        return value.data
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):         # NumPy's scalars too: as float64 they would widen a float32 result
        return float(value)
    return np.asarray(value) if isinstance(value, (list, tuple)) else value


def run(function, functions, inputs, arrays, options):
    """(outputs, node): run (forward, backward) on `arrays`; node is None where nothing is recorded.

    outputs is the array, or tuple of arrays, that forward returned.
    """
    forward, backward = functions
    needs = tuple(is_tensor(value) and value.requires_grad for value in inputs)
    recording = any(needs) and grad_enabled()
    ctx = Context(needs, recording)
    try:
        result = forward(ctx, *arrays, **options)
    except (ValueError, IndexError) as error:
        given = ", ".join(str(getattr(array, "shape", array)) for array in arrays)
        raise type(error)(f"{function.name}({given}): {error}") from error
    several = isinstance(result, tuple)
    outputs = tuple(_checked(function, output, arrays) for output in (result if several else (result,)))
    node = None
    if recording:
        edges = [value.edge if need else None for value, need in zip(inputs, needs)]
        likes = [(array.shape, array.dtype) if need else None for array, need in zip(arrays, needs)]
        node = Node(function.name, backward, ctx, edges, likes, len(outputs))
    return (outputs if several else outputs[0]), node


def _checked(function, output, arrays):
    if isinstance(output, (np.generic, float)):         # NumPy turns 0-d results into scalars
        output = np.asarray(output)
    if not hasattr(output, "dtype"):
        raise TypeError(f"forward of {function.name} returned a {type(output).__name__}: return an array, or a tuple "
                        f"of arrays")
    dtype = next((a.dtype for a in arrays if hasattr(a, "dtype") and a.dtype.kind == "f"), None)
    if function.keeps_dtype and dtype is not None and output.dtype != dtype:
        raise TypeError(f"forward of {function.name} returned {output.dtype} for {dtype} inputs: use Python numbers "
                        f"(math.sqrt, not np.sqrt) as constants, and arrays of the input's dtype")
    return output
