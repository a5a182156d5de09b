"""`emulate`: a `.cu` file as a module whose functions are launched on NumPy arrays, as with `cupy.RawModule`."""
import ctypes
import re
import struct
import sys
import threading
from pathlib import Path

import numpy as np

from minivit.cuda.emulator.build import CompileError, build, default_compiler, learners_part, why_no_emulator
from minivit.cuda.emulator.messages import Scene, findings_of
from minivit.cuda.emulator.native import NO_MEMORY, Launch, Library
from minivit.cuda.emulator.report import ORDERS, KernelError, LineCount, checked_launches
from minivit.cuda.emulator.source import (MOST_DYNAMIC, dynamic_arrays, files_of, first_file, lines_of, of_a_program,
                                          shared_shapes, translation_unit)
from minivit.cuda.signature import arguments, kernels_of
from minivit.cuda.source import with_headers
from minivit.errors import unknown

MOST_GRID, MOST_BLOCK, MOST_THREADS = (2**31 - 1, 65535, 65535), (1024, 1024, 64), 1024
USUAL_SHARED = 48 << 10             # bytes of shared memory that a kernel may have without asking
_launching = threading.Lock()       # the emulator has one set of stacks


class Module:
    """The kernels of one `.cu` text."""

    def __init__(self, text, file, constants, checked, order, seed, seconds, compiler):
        self.text, self.file, self.checked, self.compiler = text, file, checked, compiler
        self.order, self.seed, self.seconds = order, seed, seconds
        misplaced = of_a_program(text, file)
        if misplaced:
            raise CompileError(f"{file} does not compile:\n{misplaced}")
        self.kernels, self.libraries = kernels_of(text), {}
        self.unit, self.files = translation_unit(text, file, constants), files_of(text, file)
        self.shapes = shared_shapes(text, constants or {})
        self.library(self.checked_now())            # so that a mistake in the text shows here

    def checked_now(self):
        """Whether a launch is checked here: always, or because it is in a `checking` block."""
        return self.checked or checked_launches.get() is not None

    def library(self, checked):
        """The Library of the text for one mode. Raises CompileError with the compiler's words about the text."""
        if checked not in self.libraries:
            try:
                path = build(self.unit, self.compiler, checked)
            except CompileError as error:
                words = learners_part(str(error), lines_of(self.text, self.file))
                raise CompileError(f"{self.file} does not compile:\n{words}") from None
            self.libraries[checked] = Library(path, self.compiler, self.file, dynamic_arrays(self.text), checked)
        return self.libraries[checked]

    def get_function(self, name):
        """The kernel `name`, to be launched. Raises ValueError where there is none."""
        if name not in self.kernels:
            declared = f'a kernel is declared `extern "C" __global__ void {name}(...)`'
            if re.search(rf"__global__[^;{{]*\b{re.escape(name)}\s*\(", self.text):
                raise ValueError(f'{self.file} has {name}, but without `extern "C"` before its __global__, and C++ '
                                 f"then gives it another name: {declared}")
            raise ValueError(f"{unknown('kernel', name, self.kernels) if self.kernels else 'there is no kernel'} (in "
                             f"{self.file}; {declared})")
        return Function(self, self.kernels[name])


class Function:
    """A kernel: `function(grid, block, args, shared_mem=0)`."""

    def __init__(self, module, kernel):
        self.module, self.kernel = module, kernel
        self.static = next(iter(module.libraries.values())).places.static_bytes(kernel.name)
        if self.static > USUAL_SHARED:
            raise ValueError(f"{kernel.name} declares {self.static} bytes of __shared__ variables, and {USUAL_SHARED} "
                             f"are allowed: declare one array `extern __shared__` instead, and give its bytes as "
                             f"shared_mem")
        self.max_dynamic_shared_size_bytes = USUAL_SHARED - self.static

    def __call__(self, grid, block, args, shared_mem=0):
        """Run it over `grid` blocks of `block` threads; both are tuples (x,), (x, y) or (x, y, z).

        args are NumPy arrays and numbers as the kernel declares them, shared_mem bytes of dynamic shared memory.
        Raises TypeError and ValueError for arguments that a GPU would refuse or misread, KernelError for what the
        kernel does wrong (in a `checking` block it is collected instead).
        """
        args = arguments(self.kernel, args)
        grid, block = _shape("grid", grid, MOST_GRID), _shape("block", block, MOST_BLOCK)
        self._check_limits(block, shared_mem)
        module, within = self.module, checked_launches.get()
        checked = module.checked_now()
        order, seed = (within.order, within.seed) if within and within.order else (module.order, module.seed)
        library = module.library(checked)
        packed = b"".join(_packed(parameter, value) for parameter, value in zip(self.kernel.parameters, args))
        packed = ctypes.create_string_buffer(packed)
        launch = Launch(library.kernel(self.kernel.name), ctypes.pointer(library.place), library.marker(),
                        ctypes.addressof(packed), len(args), checked, grid, block, shared_mem, ORDERS.index(order),
                        seed, module.seconds)
        with _launching:
            if library.run(launch) == NO_MEMORY:
                raise MemoryError(f"{self.kernel.name}: no memory for a copy of its arrays")
            sys.stdout.write(library.printed())
            scene = Scene(self.kernel, module.shapes, args, grid, block, library.places, module.files, shared_mem,
                          module.seconds, checked, library.place.load_address or 0)
            findings = findings_of(library.findings(), scene)
            if within:
                within.report.add(findings, _lines(library))
        if findings and not within:
            raise KernelError(findings)

    def _check_limits(self, block, shared_mem):
        name, threads = self.kernel.name, block[0] * block[1] * block[2]
        if threads > MOST_THREADS:
            raise ValueError(f"{name}: a block of {block} has {threads} threads; a GPU allows {MOST_THREADS}")
        most, limit = self.max_dynamic_shared_size_bytes, MOST_DYNAMIC - self.static
        if not 0 <= shared_mem <= min(most, limit):
            advice = (f". For more, a kernel must ask: function.max_dynamic_shared_size_bytes = {shared_mem}"
                      if most < shared_mem <= limit else f"; no GPU has more than {limit}" * (shared_mem > limit))
            raise ValueError(f"{name}: shared_mem={shared_mem} is not from 0 to {min(most, limit)} bytes"
                             + f", beside {self.static} bytes of __shared__ variables" * bool(self.static) + advice)


def _lines(library):
    """{(file, line): LineCount} of the last launch: the sums over each line's instructions."""
    base, counts, lines = library.place.load_address or 0, library.counts(), {}
    places = library.places.find([count.pc - base for count in counts])
    for count in counts:
        place = places[count.pc - base]
        new = LineCount(place.file, place.line, count.requests, count.sectors, count.ideal_sectors, count.passes,
                        count.ideal_passes)
        key = place.file, place.line
        lines[key] = lines[key] + new if key in lines else new
    return lines


def _shape(name, shape, most):
    if not isinstance(shape, tuple) or not 1 <= len(shape) <= 3 or not all(isinstance(n, (int, np.integer))
                                                                           for n in shape):
        raise TypeError(f"{name} must be a tuple of one to three integers, not {shape!r}")
    whole = tuple(map(int, shape)) + (1,) * (3 - len(shape))
    if min(whole) < 1:
        raise ValueError(f"{name} {shape} is empty: where there is nothing to do, launch nothing")
    if any(n > limit for n, limit in zip(whole, most)):
        raise ValueError(f"{name} {shape} is larger than {most}, which a GPU allows"
                         + f", with {MOST_THREADS} threads in all" * (name == "block"))
    return whole


def _packed(parameter, value):
    """memory.h: Argument."""
    if not isinstance(value, np.ndarray):
        if not isinstance(value, np.generic):
            raise TypeError(f"{parameter.name}: the emulator runs on NumPy arrays, not on {type(value).__name__}")
        return struct.pack("<q8s3q", 0, value.tobytes(), 0, 0, 0)
    start, end = np.lib.array_utils.byte_bounds(value)
    whole = value
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    phase = (start - whole.ctypes.data) % 256           # a view keeps its distance from the start of the allocation
    return struct.pack("<qQ3q", 1, start, end - start, phase, parameter.const)


def emulate(path=None, *, code=None, constants=None, checked=False, order="ascending", seed=0, seconds=60.0,
            compiler=None):
    """The kernels of a `.cu` file, or of its text `code`, to be run on NumPy arrays with no GPU.

    As with cupy.RawModule: `emulate("softmax.cu").get_function("softmax")((rows,), (128,), (x, y, rows, cols))`.
    constants: {name: number} become `constexpr` lines before the text. checked: look at every memory access, and raise
    KernelError for what is wrong. order: in which the threads run, "ascending", "descending" or "random" by `seed`: no
    result may depend on it. seconds: of computing, after which a launch is stopped. compiler: "g++" or "clang++".
    Raises RuntimeError where there is no emulator, CompileError where the text is not CUDA C++.
    """
    if (path is None) == (code is None):
        raise TypeError("emulate needs either the path of a .cu file or code=its text")
    if order not in ORDERS:
        raise ValueError(f"unknown order {order!r}: the orders are {', '.join(ORDERS)}")
    reason = why_no_emulator()
    if reason:
        raise RuntimeError(reason)
    text = code if path is None else with_headers(path)
    file = first_file(text) or "kernel.cu" if path is None else Path(path).name
    return Module(text, file, constants, checked, order, seed, seconds, compiler or default_compiler())
