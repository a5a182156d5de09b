"""Which array library an array belongs to, where it lies, and what this machine can compute with.

- `xp_of(*arrays)`: the module (NumPy or CuPy) whose functions fit these arrays
- `device_of(array)`: "cpu", "cuda" (the first GPU) or "cuda:1"
- `to_device(array, device)`, `to_host(array)`, `beside(array, other)`: the same numbers elsewhere; `copy_into` writes
  them into an array that is there
- `on(*arrays)`, `on_device(device)`: a block in which new arrays of a GPU are made there
- `usable(device)`: a device by its name, "auto" too; `why_no_cuda()`: None where CUDA can be used, else the reason
- `cpu_count()`: cores that this process may use
- `keep_memory()`: a block in which freed memory is kept for the next arrays

Data decides the device: there is no mode to switch. Arrays are moved by hand, and never on the way.
"""
import contextlib
import ctypes
import importlib
import os
import re
import sys
from contextvars import ContextVar

import numpy as np

_stand_in = ContextVar("minivit_stand_in", default=None)        # a module that takes CuPy's place in a block


def xp_of(*arrays):
    """The array module of `arrays`: CuPy if they are CuPy arrays, else NumPy. Numbers and None fit both.

    CuPy is never imported for the question: an array of CuPy's means that it already is.
    Raises TypeError where the arrays are on several devices.
    """
    cuda = _stand_in.get() or sys.modules.get("cupy")
    if cuda is None:
        return np
    there = [array for array in arrays if isinstance(array, cuda.ndarray)]
    if not there:
        return np
    if len(arrays) > 1:
        here = [array for array in arrays if isinstance(array, np.ndarray)]
        if here or len({array.device.id for array in there}) > 1:
            devices = dict.fromkeys(device_of(array) for array in here + there)
            raise TypeError(f"arrays on {' and '.join(devices)} cannot meet in one operation: move them to one device, "
                            f"with .to({device_of(there[0])!r}) say")
    return cuda


def device_of(array):
    """Where an array lies: "cpu", "cuda" for the first GPU, "cuda:1" for the next."""
    cuda = _stand_in.get() or sys.modules.get("cupy")
    if cuda is None or not isinstance(array, cuda.ndarray):
        return "cpu"
    return f"cuda:{array.device.id}" if array.device.id else "cuda"


def to_device(array, device):
    """`array` on `device`, there in C order; itself where it is there already. Raises ValueError as `usable` does."""
    here = device_of(array)
    device = device if device == here else usable(device)
    if device == here:
        return array
    if device == "cpu":
        return array.get()
    with on_device(device):
        return _cuda().array(array, order="C")


def to_host(array):
    """`array` as NumPy's. From a GPU this waits until all that computes it is done."""
    return to_device(array, "cpu")


def beside(array, other):
    """`array` on the device of the array `other`."""
    return to_device(array, device_of(other))


def copy_into(target, source):
    """Write `source`, wherever it lies, into the array `target`."""
    with on(target):
        target[...] = beside(source, target)


def on(*arrays):
    """A block in which new arrays are made where `arrays` lie: CUDA computes on its current device."""
    cuda = _stand_in.get() or sys.modules.get("cupy")
    if cuda is not None:
        for array in arrays:
            if isinstance(array, cuda.ndarray):
                return array.device
    return contextlib.nullcontext()


def on_device(device):
    """The same, by the name of the device. Raises ValueError as `usable` does."""
    device = usable(device)
    return contextlib.nullcontext() if device == "cpu" else _cuda().cuda.Device(_number(device))


def usable(device):
    """The device that "cpu", "cuda", "cuda:1" or "auto" (cuda where it can be used, else cpu) means here.

    Raises ValueError for any other name, and for a device that is not there.
    """
    if device == "auto":
        return "cuda" if why_no_cuda() is None else "cpu"
    if device == "cpu":
        return device
    if not isinstance(device, str) or not re.fullmatch(r"cuda(:\d+)?", device):
        raise ValueError(f"there is no device {device!r}: write cpu, cuda, cuda:1 for a second GPU, or on the command "
                         f"line auto")
    reason = why_no_cuda()
    if reason is not None:
        raise ValueError(f"device {device} cannot be used: {reason}. `minivit doctor` says what mends it; device cpu "
                         f"works everywhere")
    there = _cuda().cuda.runtime.getDeviceCount()
    if _number(device) >= there:
        raise ValueError(f"there is no device {device}: this machine has {there} GPU(s), counted from cuda:0")
    return f"cuda:{_number(device)}" if _number(device) else "cuda"


def _number(device):
    """0 of "cuda", 1 of "cuda:1"."""
    return int(device.partition(":")[2] or 0)


def _cuda():
    """CuPy, or what stands in for it."""
    return _stand_in.get() or importlib.import_module("cupy")


@contextlib.contextmanager
def in_place_of_cupy(module):
    """A block in which `module` stands in for CuPy: arrays of its `ndarray` are those of a device."""
    token = _stand_in.set(module)
    try:
        yield
    finally:
        _stand_in.reset(token)


def why_no_cuda():
    """None where CuPy finds a GPU that it can use, else a sentence that says what is missing."""
    if _stand_in.get() is not None:
        return None
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
