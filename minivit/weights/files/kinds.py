"""The kinds of numbers in files of weights, by the names that safetensors gives them, and what NumPy makes of them.

- `numbers(data, kind)`: bytes -> a flat array in this machine's byte order

minivit computes in float32 and float64, so floats of 16 bits are widened to float32, which has all of their values. A
bfloat16 is the upper half of a float32: shifting its bits up by 16 is the whole conversion.
"""
import numpy as np

STORED = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
          "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "u1"}


def size(kind):
    """The bytes of one number."""
    return np.dtype(STORED[kind]).itemsize


def numbers(data, kind, order="<"):
    """The numbers of one kind, a key of STORED, in bytes of the order "<" (little-endian) or ">".

    The array shares memory with `data` where nothing has to be converted.
    """
    stored = np.frombuffer(data, order + STORED[kind])
    if kind == "BF16":
        bits = stored.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    if kind == "F16":
        return stored.astype(np.float32)
    if kind == "BOOL":
        return stored != 0              # NumPy relies on a bool being 0 or 1; a file may hold any byte
    return stored.astype(stored.dtype.newbyteorder("="), copy=False)
