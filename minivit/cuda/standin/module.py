"""The stand-in as a whole: `MODULE` takes the place of the module `cupy`, within `standing_in()`."""
import contextlib
from types import ModuleType, SimpleNamespace

from minivit.backend import in_place_of_cupy
from minivit.cuda.emulator.module import emulate
from minivit.cuda.standin.array import Device, inner
from minivit.cuda.standin.functions import FUNCTIONS, UFUNCS, Ufunc, as_strided
from minivit.cuda.standin.machine import counting, machine
from minivit.cuda.standin.stream import (
    Event, MemoryPool, Stream, get_current_stream, get_default_memory_pool, get_elapsed_time, using_allocator)


class RawModule:
    """The kernels of a CUDA source, run by the emulator."""

    def __init__(self, *, code, options=()):
        self.emulated = emulate(code=code)

    def get_function(self, name):
        return RawKernel(self.emulated.get_function(name))


class RawKernel:
    """One kernel: kernel(grid, block, args)."""

    def __init__(self, emulated):
        self.emulated = emulated

    @property
    def max_dynamic_shared_size_bytes(self):
        return self.emulated.max_dynamic_shared_size_bytes

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size):
        self.emulated.max_dynamic_shared_size_bytes = size

    def __call__(self, grid, block, args, *, shared_mem=0):
        args = tuple(inner(argument) for argument in args)
        machine().launch(lambda: self.emulated(grid, block, args, shared_mem=shared_mem))


MODULE = ModuleType("standin", __doc__)
vars(MODULE).update(
    {function.__name__: function for function in FUNCTIONS} | {name: Ufunc(name) for name in UFUNCS},
    RawModule=RawModule, get_default_memory_pool=get_default_memory_pool,
    lib=SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=as_strided)),
    cuda=SimpleNamespace(Device=Device, alloc_pinned_memory=bytearray, get_current_stream=get_current_stream,
                         Event=Event, get_elapsed_time=get_elapsed_time, Stream=Stream, MemoryPool=MemoryPool,
                         using_allocator=using_allocator,
                         runtime=SimpleNamespace(getDeviceCount=lambda: machine().gpus)))


@contextlib.contextmanager
def standing_in(gpus=1):
    """A block in which CuPy is the stand-in, on a machine with so many GPUs: `with standing_in() as machine`."""
    with counting(gpus) as its, in_place_of_cupy(MODULE):
        yield its
