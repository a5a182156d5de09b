"""Small kernels for the tests of the emulator, made from their bodies."""
from pathlib import Path

from minivit.cuda import emulate

CUDA = Path(__file__).parent / "cuda"


def kernel(body, parameters="", **options):
    """A kernel with this body."""
    return emulate(code=f'extern "C" __global__ void f({parameters}) {{ {body} }}', **options).get_function("f")


def kernels(bodies, parameters):
    """One module with a kernel for each of {name: body}, each with the line numbers of a file of its own."""
    texts = [f'#line 1 "kernel.cu"\nextern "C" __global__ void {c_name(name)}({parameters}) {{ {body} }}'
             for name, body in bodies.items()]
    return emulate(code="\n".join(texts), seconds=0.2)


def c_name(name):
    """What the kernel of that name is called in the text: `if` and `two-words` are no names in C."""
    return "test_" + name.replace("-", "_")


def run(function, y, *args, grid=(1,), block=(32,), **options):
    """`y`, after a kernel has been launched on it."""
    function(grid, block, (y, *args), **options)
    return y
