"""An emulator of CUDA: it runs `.cu` files on a CPU, and says what is wrong with them.

    from minivit.cuda import checking, emulate

    softmax = emulate("softmax.cu").get_function("softmax")
    with checking() as report:
        softmax((rows,), (128,), (x, y, rows, cols))        # as with cupy.RawModule, on NumPy arrays
    print(report)

How it works, in the order to read it:

- `source.py`, `cuda.h`, `cuda_math.h`, `seam.h`: a `.cu` text is C++ once CUDA's words are defined
- `build.py`, `guard.cpp`: the compiler, and a cache of what it made
- `fiber.cpp`: each thread of a block has a stack of its own, and one processor goes from stack to stack
- `block.cpp`: which thread runs; `meeting.cpp`: how threads meet, at barriers, in shuffles and votes
- `memory.cpp`: arrays lie between guard zones
- `checks.cpp`: in checked mode the compiler puts a call before every load and store: memcheck, initcheck
- `races.cpp`, `order.cpp`: racecheck, by what happens before what
- `profile.cpp`: coalescing and bank conflicts, counted per line
- `launch.cpp`, `signals.cpp`: a launch, and what interrupts one: crashes, endless loops, Ctrl-C
- `module.py`, `native.py`: the same from Python
- `findings.cpp`, `messages.py`, `places.py`, `report.py`: what a learner is told

What it does not know: half precision, tensor cores, textures, cooperative groups, kernels that start kernels, and more
than one `extern __shared__` array in a file. What it does not see: races on `__device__` variables; indices just beyond
local, `__device__` and `__constant__` arrays; local variables that were never set. Numbers differ from a GPU's in the
last bits: __expf and its like are exact here, denormals stay, and a * b + c is rounded twice.
"""
