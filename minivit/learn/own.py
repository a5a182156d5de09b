"""The learner's functions where minivit has its own: in lessons, and in training.

- `use(slug)`: the learner's function if it is solved, else the solution's
- `load(slug, file)`: the function of an exercise in a learner's file
- `kernel_files(folder)`: the files in a folder with which a model can be trained, all checked again
- `laid_over(functions)`: which halves of which operations they are

A learner's file is run here only after it has passed its check, which happens in a process of its own.
"""
import sys
import types
from pathlib import Path

from minivit.function import FUNCTIONS
from minivit.learn.catalogue import exercise, slugs, solution_file
from minivit.learn.kernel import Kernel
from minivit.learn.lesson import lab
from minivit.learn.progress import Lab
from minivit.learn.sandbox import check_file


def use(slug):
    """The function of exercise `slug`: the learner's, if their file passed its last check and is still the same, else
    the solution's. One line says which. Raises ValueError for an unknown exercise."""
    solution, own = exercise(slug).solution, Lab(lab())
    solved = own.standing(slug).state == "pass"
    print(f"[{'yours' if solved else 'reference'}] {slug}")
    return load(slug, own.file(slug)) if solved else solution


def load(slug, file):
    """What exercise `slug` asks for, from a learner's file, which is run; of CUDA, the kernel."""
    if file.suffix == ".cu":
        return Kernel(exercise(slug).function, file.read_text(encoding="utf-8"))
    module = types.ModuleType(f"minivit_lab_{slug}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module               # dataclasses look for the module of a class there
    exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    return vars(module)[exercise(slug).function]


def kernel_files(folder):
    """{slug: file} of the exercises in `folder` that pass and are about kernels; those still to do are left out.

    Raises ValueError, with the checker's diagnosis, for a file that does not pass.
    """
    found = {}
    for slug in slugs():
        file = Path(folder) / solution_file(slug).name
        if exercise(slug).kernels is not None and file.exists():
            verdict = check_file(slug, file)
            if verdict:
                found[slug] = file
            elif verdict.status != "todo":
                raise ValueError(f"{file} does not pass, so nothing was trained\n{verdict}\nnext: minivit learn watch "
                                 f"{slug}, or train with minivit's kernels: minivit train")
    return found


def laid_over(functions):
    """{operation: ((slug, forward), (slug, backward))} of {slug: function}; the slug of minivit's own halves is None.

    The halves of one operation may come from two exercises. Where two are about the same half, the later one counts: in
    the order of the lessons it contains the other.
    """
    table = {}
    for slug, function in functions.items():
        for name, pair in exercise(slug).kernels(function).items():
            minivits = FUNCTIONS[name].forms["array"]
            before = table.get(name, tuple((None, half) for half in minivits))
            table[name] = tuple((slug, half) if half is not known else kept
                                for half, known, kept in zip(pair, minivits, before))
    return table
