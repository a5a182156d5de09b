"""Exercises in CUDA: a kernel as a function that can be checked like any other, in the emulator.

- `Kernel(name, text)`: a kernel of a `.cu` text; calling it launches it, and every access to memory is looked at
- `solved(slug)`: that of an exercise's solution
- `costs(kernel, report)`: what a right kernel does that a GPU would pay for

How it goes through the checker: an exercise's `probe` launches the kernel on arrays and returns what it has written;
`trials.attempt` collects what the emulator finds on the way. Wrong answers are the solution's text with a part of it
written otherwise.
"""
import functools
import inspect
import itertools
import keyword
import re

from minivit.cuda import emulate
from minivit.cuda.signature import kernels_of
from minivit.learn.catalogue import solution_file

SECONDS = 0.25              # of computing, after which a launch is stopped: a check's arrays are small
DEAR = 1.5                  # times the ideal, from which on the cost of a line is told
TO_DO = re.compile(r"#error (TODO: write \w+)")         # what a stub has for a body


class Kernel:
    """The kernel `name` of the text of a `.cu` file. It is built when it is first needed.

    `kernel(grid, block, args, shared_mem=0)` launches it on NumPy arrays, as with cupy.RawModule, and raises
    KernelError for what it does wrong; in a `checking()` block that is collected instead.
    """

    def __init__(self, name, text):
        self.__name__, self.text, self.__doc__ = name, text, _comment_at_the_top(text)
        self.function = None

    def __call__(self, grid, block, args, shared_mem=0):
        self.build()(grid, block, args, shared_mem)

    def build(self):
        """The emulator's function, built once.

        Raises CompileError where the text is not CUDA C++, ValueError where there is no such kernel in it, RuntimeError
        where nothing can be emulated.
        """
        if self.function is None:
            code = f'#line 1 "{self.__name__}.cu"\n{self.text}'
            self.function = emulate(code=code, checked=True, seconds=SECONDS).get_function(self.__name__)
        return self.function

    @functools.cached_property
    def __signature__(self):
        """What the kernel takes, for `inspect.signature`."""
        names = [parameter.name for parameter in kernels_of(self.text)[self.__name__].parameters]
        return inspect.Signature([inspect.Parameter(name + "_" * keyword.iskeyword(name),
                                                    inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names])

    def but(self, *changes):
        """The kernel with parts of its text changed: before, after, before, after ... Each must be there just once."""
        text = self.text
        for before, after in zip(changes[::2], changes[1::2], strict=True):
            if text.count(before) != 1:
                raise ValueError(f"{self.__name__}: {before!r} is {text.count(before)} times in the text, not once")
            text = text.replace(before, after)
        return Kernel(self.__name__, text)


def solved(slug):
    """The kernel of an exercise's solution, which has its name."""
    return Kernel(slug, solution_file(slug).read_text(encoding="utf-8"))


def _comment_at_the_top(text):
    lines = itertools.takewhile(lambda line: line.startswith("//"), text.splitlines())
    return "\n".join(line.removeprefix("//").removeprefix(" ") for line in lines)


def costs(kernel, report):
    """Sentences about what a Report of a right kernel shows: lines that use memory badly, and races without effect."""
    lines, said = kernel.text.splitlines(), [str(finding) for finding in report.findings if finding.benign]
    for (file, number), count in sorted(report.lines.items()):
        if file != f"{kernel.__name__}.cu" or not 0 < number <= len(lines):
            continue
        here = f"line {number}, `{lines[number - 1].strip()}`"
        if count.coalescing > DEAR:
            said.append(f"It is right, and could cost less: {here}, has a GPU fetch {count.coalescing:.1f} times the "
                        f"memory that it uses, since neighbouring threads touch numbers that lie apart. Let thread i "
                        f"take number i, and then go on by as many as there are threads.")
        if count.bank_conflicts > DEAR:
            said.append(f"It is right, and could cost less: {here}, goes to shared memory "
                        f"{count.bank_conflicts:.0f} times where once would do: threads of a warp ask the same bank "
                        f"for different numbers.")
    return said
