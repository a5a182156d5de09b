"""What a kernel declares, and the one check of what it is given, before the emulator as before CuPy.

- `kernels_of(text)`: {name: Kernel} of every `extern "C" __global__ void name(...)` in a `.cu` text
- `arguments(kernel, args)`: the arguments in the exact types that the kernel declares, or an error that teaches

CuPy checks none of it. It passes a Python float as a double and a Python int as a long long, and the driver copies as
many of these bytes as the parameter has: the kernel reads garbage, and nobody says a word. A view whose rows lie apart
in memory is passed as if they lay side by side.
"""
import math
import re
from dataclasses import dataclass

import numpy as np

from minivit.errors import shown

DTYPES = {
    "float": np.float32, "double": np.float64, "bool": np.bool_,
    "char": np.int8, "signed char": np.int8, "unsigned char": np.uint8,
    "short": np.int16, "unsigned short": np.uint16, "int": np.int32, "unsigned": np.uint32, "unsigned int": np.uint32,
    "long long": np.int64, "unsigned long long": np.uint64, "size_t": np.uint64,
}
VECTORS = {f"{kind}{n}": DTYPES[kind] for kind in ("float", "int") for n in (2, 4)}     # behind pointers only
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
KERNEL = re.compile(r"""
    extern\s*"C"\s+ (?: __launch_bounds__\s*\([^()]*\)\s* )?
    __global__\s+   (?: __launch_bounds__\s*\([^()]*\)\s* )?
    void\s+         (?: __launch_bounds__\s*\([^()]*\)\s* )?
    (?P<name>\w+)\s* \( (?P<parameters>[^()]*) \)""", re.VERBOSE)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: an array's first element (pointer) or one number, of `dtype`."""

    name: str
    dtype: np.dtype
    pointer: bool
    const: bool             # behind a pointer: the kernel only reads

    def __str__(self):
        return f"{'const ' * self.const}{self.dtype}{'*' * self.pointer} {self.name}"


@dataclass(frozen=True)
class Kernel:
    """A kernel's name and its parameters, in order."""

    name: str
    parameters: tuple

    @property
    def strided(self):
        """Whether the kernel is told strides (a parameter with that word in its name), so that arrays may have gaps."""
        return any("stride" in parameter.name for parameter in self.parameters)


def without_comments(text):
    """The text with every comment blanked out, so that lines keep their numbers."""
    return COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)


def kernels_of(text):
    """{name: Kernel} of all kernels in a `.cu` text that can be launched by name: those declared `extern "C"`.

    Raises ValueError for a parameter whose type has no counterpart in NumPy.
    """
    return {found["name"]: Kernel(found["name"], tuple(_parameter(found["name"], declaration)
                                                       for declaration in found["parameters"].split(",")
                                                       if declaration.strip() not in ("", "void")))
            for found in KERNEL.finditer(without_comments(text))}


def _parameter(kernel, declaration):
    before, bracket, _ = declaration.partition("[")                         # float y[] is float* y
    words = re.findall(r"\w+|\*", before) + ["*"] * bool(bracket)
    names = [word for word in words if word not in ("const", "volatile", "*", "__restrict__")]
    name, kind, pointer, const = names[-1], " ".join(names[:-1]), "*" in words, "const" in words
    if " ".join(names) in DTYPES | VECTORS:
        raise ValueError(f"{kernel}: parameter `{declaration.strip()}` has no name; give it one, so that messages can")
    known = DTYPES | VECTORS if pointer else DTYPES
    if words.count("*") > 1 or kind not in known:
        raise ValueError(f"{kernel}: parameter `{declaration.strip()}` has a type that cannot be passed from NumPy; "
                         f"there are: {', '.join(known)}, and pointers to them")
    return Parameter(name, np.dtype(known[kind]), pointer, const)


def arguments(kernel, args):
    """`args` as `kernel` declares them: arrays unchanged, numbers as NumPy scalars of the declared type, None as null.

    Arrays, of NumPy or of a device, must have the declared dtype and be C-contiguous; where the kernel is told strides,
    contiguous along the last axis. Raises TypeError or ValueError with the kernel, the parameter and the fix.
    """
    if len(args) != len(kernel.parameters):
        raise TypeError(f"{kernel.name} takes {len(kernel.parameters)} arguments "
                        f"({', '.join(map(str, kernel.parameters))}), and was given {len(args)}")
    return [_pointer(kernel, parameter, value) if parameter.pointer else _scalar(kernel, parameter, value)
            for parameter, value in zip(kernel.parameters, args)]


def _pointer(kernel, parameter, value):
    where = f"{kernel.name}: {parameter.name}"
    if value is None or isinstance(value, np.uintp) and value == 0:         # the second: it was checked before
        return np.uintp(0)                  # CuPy's own None would leave the driver without an argument
    if not hasattr(value, "flags") or isinstance(value, np.generic):
        raise TypeError(f"{where} must be an array of {parameter.dtype} or None, not {shown(value)}")
    if value.dtype != parameter.dtype:
        raise TypeError(f"{where} is declared {parameter.dtype}*, and the array is {value.dtype}: "
                        f"convert it with .astype(np.{parameter.dtype})")
    if not value.flags.c_contiguous and not (kernel.strided and value.ndim and value.strides[-1] == value.itemsize):
        raise ValueError(f"{where} is a view with gaps (shape {value.shape}, strides {value.strides}), and a kernel "
                         f"sees one run of memory: pass np.ascontiguousarray({parameter.name})")
    if not parameter.const and not getattr(value.flags, "writeable", True):
        raise ValueError(f"{where} is written by the kernel, and the array is read-only: pass a copy, or declare the "
                         f"parameter const if the kernel only reads it")
    return value


def _scalar(kernel, parameter, value):
    where = f"{kernel.name}: {parameter.name}"
    if isinstance(value, np.generic):
        if value.dtype != parameter.dtype:
            raise TypeError(f"{where} is declared {parameter.dtype}, and was given a np.{value.dtype}, whose "
                            f"bytes mean something else: pass np.{parameter.dtype}(...) or a Python number")
        return value
    wanted = {"f": (int, float), "b": (bool,)}.get(parameter.dtype.kind, (int,))
    if not isinstance(value, wanted):
        given = f"an array of shape {value.shape}" if hasattr(value, "shape") else shown(value)
        raise TypeError(f"{where} is one {parameter.dtype}, not {given}")
    fits = True
    if parameter.dtype.kind in "iu":
        fits = np.iinfo(parameter.dtype).min <= value <= np.iinfo(parameter.dtype).max
    elif parameter.dtype.kind == "f":
        fits = abs(value) <= float(np.finfo(parameter.dtype).max) or not math.isfinite(value)
    if not fits:
        raise OverflowError(f"{where} is one {parameter.dtype}, which cannot hold {value}")
    return parameter.dtype.type(value)
