"""The kernels of a `.cu` file, launched on whatever their arrays are: by CuPy on a GPU, else by the emulator.

    KERNELS = Kernels(Path(__file__).with_suffix(".cu"), variants=[{"GROUP": 32}, {"GROUP": 128}])
    KERNELS.launch("softmax_forward", grid, 128, (x, y, rows, n), constants={"GROUP": 32})

Constants are compile-time constants of the file. They must be among the `variants`, so that the tests can compile and
check every text that ever runs. Before either way stands the same check of the arguments (see `signature`).
"""
import sys
from functools import cached_property
from pathlib import Path

import numpy as np

from minivit.backend import on, xp_of
from minivit.cuda.emulator.module import emulate
from minivit.cuda.signature import arguments, kernels_of
from minivit.cuda.source import source

FILES = {}              # name -> Kernels, of every `.cu` file whose operation was imported
USUAL_SHARED = 47 * 1024        # bytes that a block may have without asking: 48 KB, less 1 KB for static variables


class Kernels:
    """The kernels of the `.cu` file at `path`.

    variants: every set of constants that is in use. shared: {kernel: function of the constants} for kernels with
    dynamic shared memory whose bytes follow from the constants.
    """

    def __init__(self, path, variants=({},), shared=None):
        self.path, self.variants, self.shared = Path(path), list(variants), shared or {}
        self.functions = {}             # (array module, constants, kernel) -> function(grid, block, args, shared_mem)
        FILES[self.path.name] = self

    @cached_property
    def declared(self):
        """{name: signature.Kernel}, in the order of the file."""
        return kernels_of(source(self.path, self.variants[0]))

    def launch(self, name, grid, block, args, shared=None, constants=None):
        """Run a kernel in `grid` blocks (a number or up to three) of `block` threads.

        args: arrays of one device, numbers, and None for a null pointer. shared: bytes of dynamic shared memory.
        Nothing runs where a side of the grid is 0: then there is nothing to compute.
        """
        grid, block = (side if isinstance(side, tuple) else (side,) for side in (grid, block))
        constants = constants or {}
        if constants not in self.variants:
            raise ValueError(f"{self.path.name} is checked with the constants {self.variants}, not with {constants}: "
                             f"add them to its variants")
        if shared is None:
            shared = self.shared[name](**constants) if name in self.shared else 0
        args = arguments(self.declared[name], args)
        if 0 not in grid:
            with on(*args):
                self._function(xp_of(*args), name, constants, shared)(grid, block, tuple(args), shared_mem=shared)

    def launched_on_gpu(self):
        """The sets of constants with which CuPy launched a kernel in this process."""
        launched = {key for xp, key, _ in self.functions if xp is sys.modules.get("cupy")}
        return [constants for constants in self.variants if tuple(constants.items()) in launched]

    def _function(self, xp, name, constants, shared):
        key = xp, tuple(constants.items()), name
        if key not in self.functions:
            text = source(self.path, constants)
            module = emulate(code=text) if xp is np else xp.RawModule(code=text, options=("-std=c++17",))
            self.functions[key] = module.get_function(name)
        function = self.functions[key]
        if shared > USUAL_SHARED:
            function.max_dynamic_shared_size_bytes = shared
        return function


def ceil_div(a, b):
    """a / b, rounded up: how many blocks of b it takes for a."""
    return -(-a // b)
