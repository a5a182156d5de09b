"""NumPy's .npz files, in which Google keeps ViT's weights: a zip with one `name.npy` per array.

    6 bytes             "\\x93NUMPY"
    2 bytes             the version, 1, 2 or 3
    2 bytes, or 4       the length of the header, little-endian; 4 from version 2 on
    the header          {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
    the array

The header is Python, which NumPy evaluates (as literals only); here a pattern takes it apart, and whatever else stands
there is refused. So are arrays of Python objects: they are pickles.

Source: numpy.lib.format, version 3.0 of the format.
"""
import io
import re
import zipfile

import numpy as np

from minivit.errors import shown
from minivit.weights.files.archive import leads_out
from minivit.weights.files.kinds import STORED, numbers, size
from minivit.weights.files.untrusted import damaged, elements
from minivit.weights.store import WeightsError, write_atomic

_HEADER = re.compile(r"\{'descr': '([<>|])(\w+)', 'fortran_order': (True|False), 'shape': \(([\d, ]{0,400})\), \}\s*",
                     re.ASCII)
# NumPy has no bfloat16. Where JAX adds the type, NumPy writes it as what it knows of it: two bytes of anything, V2.
_KINDS = {stored: kind for kind, stored in STORED.items() if kind not in ("BF16", "BOOL")}
_KINDS |= {"V2": "BF16", "b1": "BOOL"}


def read_npz(archive):
    """{name: array} of an Archive; names like Transformer/encoderblock_0/... are kept. Raises WeightsError."""
    return {name.removesuffix(".npy"): _read_npy(archive.read(name), name) for name in archive.names}


def _read_npy(data, name):
    long = data[6:7] != b"\1"                           # version 1 has a short header
    begin = 12 if long else 10
    stop = begin + int.from_bytes(data[8:begin], "little")
    header = _HEADER.fullmatch(data[begin:stop].decode("latin-1"))
    if data[:6] != b"\x93NUMPY" or data[6:8] not in (b"\1\0", b"\2\0", b"\3\0") or header is None:
        raise damaged(f"{shown(name)} begins with {shown(data[:stop])}, expected NumPy's header")
    order, stored, fortran, lengths = header.groups()
    if stored not in _KINDS:
        objects = ": Python objects, which would have to be unpickled" if stored == "O" else ""
        raise WeightsError(f"cannot be read: {shown(name)} is of type {shown(order + stored)}{objects}. Weights are of "
                           f"{', '.join(_KINDS)}")
    kind, shape = _KINDS[stored], tuple(int(length) for length in lengths.replace(",", " ").split())
    expected = elements(shape, name) * size(kind)
    if len(data) - stop != expected:
        raise damaged(f"{shown(name)} has {len(data) - stop} bytes of numbers, and {stored} of shape {shown(shape)} "
                      f"takes {expected}")
    flat = numbers(memoryview(data)[stop:], kind, ">" if order == ">" else "<")
    return flat.reshape(shape, order="F" if fortran == "True" else "C")


def write_npz(path, arrays):
    """Write {name: array} as a file that `np.load` reads, atomically. Equal content makes equal bytes.

    Raises WeightsError for what is no array of numbers.
    """
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:         # it dates members to 1980 where nobody tells it a date
        for name in sorted(arrays):
            array = np.asarray(arrays[name])
            if leads_out(name):
                raise WeightsError(f"{path} cannot hold {shown(name)}: the name leads out of the archive")
            if array.dtype.str[1:] not in _KINDS:
                raise WeightsError(f"{path} cannot hold {name} of type {array.dtype}: expected {', '.join(_KINDS)}")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
                np.lib.format.write_array(member, little, version=(1, 0), allow_pickle=False)
    write_atomic(path, data.getbuffer())
