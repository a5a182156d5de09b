"""A strict stand-in for CuPy: device arrays without a device, so that the CUDA backend's Python code runs anywhere.

- `standing_in()`: a block in which CuPy's place is taken, and a `Machine` counts what a GPU would be asked to do

Its arrays are NumPy's behind a wall. What CuPy refuses is refused here: host arrays and lists among device arrays,
becoming a NumPy array without being asked, keywords that CuPy does not have. So is what a GPU leaves to chance: an
element assigned to twice by one index, an index outside of the array. And so are NumPy's functions on device arrays,
which CuPy would quietly answer with its own. What is offered is what minivit uses; CuPy has all of it (a test compares
the names and keywords) except `gemm`, which `cuda/matmul.py` asks for. Kernels run in the emulator.
"""
from minivit.cuda.standin.machine import Machine
from minivit.cuda.standin.module import standing_in

__all__ = ["Machine", "standing_in"]
