"""float32 rounded to bfloat16, for matrix products; see bf16.cu.

- `to_bf16(x)`: the bits, as an array of uint16 that lies in memory as x does
- `from_bf16(bits)`: NumPy's float32 of them
"""
from pathlib import Path

import numpy as np

from minivit.backend import xp_of
from minivit.cuda.kernels import Kernels, ceil_div

KERNELS = Kernels(Path(__file__).with_suffix(".cu"))
BLOCK = 256


def to_bf16(x):
    """The float32 array x (..., n, m) as bfloat16, in uint16. A transposed x stays transposed, without a copy."""
    if x.ndim > 1 and not x.flags.c_contiguous and x.swapaxes(-1, -2).flags.c_contiguous:
        return to_bf16(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    xp = xp_of(x)
    x = xp.ascontiguousarray(x)
    y = xp.empty(x.shape, np.uint16)
    KERNELS.launch("to_bf16", ceil_div(x.size, BLOCK), BLOCK, (x, y, x.size))
    return y


def from_bf16(bits):
    """The numbers, as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
