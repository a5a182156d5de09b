"""What `minivit cuda check` and `profile` share: launching a CUDA file of the learner's, and quoting its lines."""
import math
import re
from pathlib import Path

import numpy as np

from minivit.cuda import CompileError, emulate
from minivit.cuda.trial import check_names, described, evaluate, made_up, numbers_of
from minivit.errors import unknown

EXAMPLES = """A file of your own is launched on arrays that are made up from the signature of each kernel:

  minivit cuda check softmax.cu --grid rows --block 64 --set rows=4 --set n=33 --set x=rows*n

--set gives a number its value, and an array its number of elements, which may be spelled with the kernel's numbers. By
default integers are 33, floats 0.5, and arrays have as many elements as all integers multiplied, or one for each thread
where there is no integer: give their true sizes, or an access behind the end stays unseen. What the kernel only reads
(const) is random, the rest begins at 0.
--args FILE.npz holds arguments by name, as numpy.savez(FILE, x=x, rows=numpy.int32(4)) writes them."""


LAUNCH = {"kernel": None, "grid": "2", "block": "64", "shared": "0", "set": [], "args": None, "constant": [], "seed": 0}


def add_launch(parser):
    """The flags that say how a file is launched."""
    group = parser.add_argument_group("how a file of your own is launched")
    group.add_argument("--kernel", metavar="NAME", help="one kernel of the file (default: each of them)")
    group.add_argument("--grid", metavar="X[,Y[,Z]]", help="blocks (default: 2)")
    group.add_argument("--block", metavar="X[,Y[,Z]]", help="threads of a block (default: 64)")
    group.add_argument("--shared", metavar="BYTES", help="dynamic shared memory (default: 0)")
    group.add_argument("--set", action="append", metavar="NAME=VALUE", help="a number, or how many elements "
                       "an array has (none: a null pointer); may be given several times")
    group.add_argument("--args", metavar="FILE.npz", help="arguments by name")
    group.add_argument("--constant", action="append", metavar="NAME=VALUE", help="a line `constexpr int NAME = "
                       "VALUE;` before the file")
    group.add_argument("--seed", type=int, metavar="N", help="of the random numbers (default: 0)")
    parser.set_defaults(**LAUNCH)


def refuse_launch(arguments):
    """Raise ValueError for a flag of `add_launch` that was given where no file of the learner's is launched."""
    for name, default in LAUNCH.items():
        if getattr(arguments, name) != default:
            raise ValueError(f"--{name} goes with a CUDA file of your own")


def _built(path, constants):
    """The emulated module of a file, or an error that says what may be missing on the command line."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}: name a .cu file, or check --all of minivit's own kernels")
    try:
        return emulate(path, constants=constants)
    except CompileError as error:
        unset = dict.fromkeys(re.findall(r"'([A-Z][A-Z0-9_]*)' was not declared", str(error)))
        if not unset:
            raise
        raise CompileError(f"{error}\nIf constants are set where the file is launched, set them here too: "
                           f"{' '.join(f'--constant {name}=32' for name in unset)}, say") from error


def launch(arguments):
    """Run the kernels of the file `arguments.what`, and say with what. Raises ValueError for what cannot be."""
    path, constants = Path(arguments.what), {name: evaluate(value, {}) for name, value in _pairs(arguments.constant)}
    module = _built(path, constants)
    kernels, words, given = module.kernels, dict(_pairs(arguments.set)), _given(arguments.args)
    if not kernels:
        raise ValueError(f'{arguments.what} holds no kernel: one begins with extern "C" __global__ void NAME(')
    if arguments.kernel:
        if arguments.kernel not in kernels:
            raise ValueError(unknown("kernel", arguments.kernel, kernels))
        kernels = {arguments.kernel: kernels[arguments.kernel]}
    check_names(kernels.values(), [*words, *given])
    for name, kernel in kernels.items():
        numbers = numbers_of(kernel, words, given)
        grid, block = (tuple(evaluate(side, numbers) for side in text.split(","))
                       for text in (arguments.grid, arguments.block))
        args = made_up(kernel, numbers, words, given, arguments.seed, math.prod(grid + block))
        shared = evaluate(arguments.shared, numbers)
        if not isinstance(shared, int):
            raise ValueError(f"shared memory is a whole number of bytes, not {shared}")
        print(f"{name}: grid {grid}, block {block}" + (f", {shared} bytes of shared memory" if shared else "") + "; "
              + ", ".join(map(described, kernel.parameters, args)))
        function = module.get_function(name)
        function.max_dynamic_shared_size_bytes = max(shared, function.max_dynamic_shared_size_bytes)
        function(grid, block, args, shared_mem=shared)


def _pairs(texts):
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is not NAME=VALUE")
        yield name.strip(), value


def _given(path):
    """{name: array or number} of an .npz file."""
    if path is None:
        return {}
    loaded = np.load(path)
    if isinstance(loaded, np.ndarray):
        raise ValueError(f"{path} holds one array without a name: write numpy.savez(FILE, name=array, ...)")
    with loaded as file:
        return {name: file[name] if file[name].ndim else file[name][()] for name in file.files}


def line_of(folders, file, number):
    """The text of a line of the file of that name, in the first of `folders` that has it; "" where there is none."""
    for path in (Path(folder) / file for folder in folders):
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            return lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return ""
