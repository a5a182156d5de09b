"""Which array library an array belongs to, and what this machine can compute with.

- `xp_of(*arrays)`: the module (NumPy or CuPy) whose functions fit these arrays
- `why_no_cuda()`: None where CUDA can be used, else the reason in a sentence
- `cpu_count()`: cores that this process may use
- `keep_memory()`: a block in which freed memory is kept for the next arrays
"""
import contextlib
import ctypes
import importlib
import os
import sys

import numpy as np


def xp_of(*arrays):
    """The array module of `arrays`: CuPy if one of them is a CuPy array, else NumPy.

    CuPy is never imported for the question: an array of CuPy's means that it already is.
    """
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(array, cupy.ndarray) for array in arrays):
        return cupy
    return np


def why_no_cuda():
    """None where CuPy finds a GPU that it can use, else a sentence that says what is missing."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        return f"CuPy is not installed ({error})"
    except Exception as error:                  # a broken install fails in many ways; each has its own words
        return f"CuPy does not import: {type(error).__name__}: {error}"
    if cupy.cuda.runtime.driverGetVersion() == 0:       # 0 without a driver; never raises
        return "no NVIDIA driver on this machine"
    if not cupy.cuda.is_available():
        return "the NVIDIA driver reports no GPU"
    return None


def cpu_count():
    """Cores that this process may use (an affinity mask or a container can allow fewer than exist)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def keep_memory():
    """A block in which freed memory stays with the process: glibc on Linux; elsewhere nothing changes.

    A step of training frees its arrays and allocates as many again. By default glibc gives large ones back to the
    system each time, and touching each page anew costs several times what computing on it does. One arena, so that what
    a thread frees serves the others. At the end the memory is given back.
    """
    TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8              # malloc.h
    try:
        libc = ctypes.CDLL("libc.so.6")
        mallopt, trim = libc.mallopt, libc.malloc_trim
    except (OSError, AttributeError):
        yield
        return
    for option, value in ((TRIM_THRESHOLD, 2**31 - 1), (MMAP_THRESHOLD, 2**30), (ARENA_MAX, 1)):
        mallopt(option, value)
    try:
        yield
    finally:
        mallopt(TRIM_THRESHOLD, 128 * 1024)                             # glibc's defaults
        mallopt(MMAP_THRESHOLD, 128 * 1024)
        trim(0)
