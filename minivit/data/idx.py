"""The idx file format, in which MNIST and its relatives (Fashion-MNIST, KMNIST) are published.

- `read_idx(path)`: the array in such a file, gzipped or not

The format, big-endian throughout (described at http://yann.lecun.com/exdb/mnist):

    2 bytes 0, 1 byte for the type of the numbers, 1 byte for how many dimensions there are
    4 bytes for each dimension: its length
    the numbers, last dimension fastest, and nothing after them
"""
import gzip
import math
import zlib
from pathlib import Path

import numpy as np

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_BYTES = 2 ** 30     # unpacked: MNIST's largest file has 47 million, and a few kilobytes may unpack to terabytes
_GZIP = b"\x1f\x8b"     # a gzipped file is known by its first two bytes, whatever its name


def read_idx(path):
    """The array in the idx file `path`, in this machine's byte order.

    Raises FileNotFoundError where there is no such file, ValueError where it is not an idx file or
    is damaged.
    """
    data = _contents(Path(path))
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _DTYPES:
        raise ValueError(f"{path} is not an idx file: it begins with "
                         f"{data[:4].hex(' ') or 'nothing'}, expected 00 00, a type (08 09 0b 0c "
                         f"0d 0e) and the number of dimensions; is it another kind of file?")
    dtype, dimensions = np.dtype(_DTYPES[data[2]]), data[3]
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise ValueError(f"{path} is truncated: expected {header} bytes of header for {dimensions} "
                         f"dimensions, found {len(data)}; fetch the file again")
    shape = tuple(np.frombuffer(data, ">u4", count=dimensions, offset=4).tolist())
    expected, found = math.prod(shape) * dtype.itemsize, len(data) - header
    if found != expected:
        wrong = "is truncated" if found < expected else f"has {found - expected} trailing bytes"
        raise ValueError(f"{path} {wrong}: expected {expected} bytes after the header for "
                         f"{dtype.name} of shape {shape}, found {found}; fetch the file again")
    return np.frombuffer(data, dtype, offset=header).reshape(shape).astype(dtype.newbyteorder("="))


def _contents(path):
    """The bytes of the file, unpacked where it is gzipped."""
    data = path.read_bytes()
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.open(path) as file:
            data = file.read(MAX_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file ({error}), as an interrupted download "
                         f"leaves it; fetch the file again") from error
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path} unpacks to more than {MAX_BYTES} bytes, which are not read")
    return data
