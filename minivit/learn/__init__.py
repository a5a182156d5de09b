"""Lessons and their exercises.

- `FAST`, `claim`, `show`, `lab`, `kept`: what lessons are written with
- `use(slug)`: the learner's own function of an exercise, if it has passed, else minivit's solution
- `check(slug, function)`: check a function here and now, as in a notebook; `minivit learn check` checks a file
"""
from minivit.learn import catalogue
from minivit.learn.check import check as check_function
from minivit.learn.kernel import Kernel
from minivit.learn.lesson import FAST, claim, kept, lab, show
from minivit.learn.own import use

__all__ = ["FAST", "check", "claim", "kept", "lab", "show", "use"]


def check(slug, function, seed=0):
    """Check `function` as an answer to exercise `slug`; prints the Verdict, and returns it.

    function: for an exercise in CUDA, the text of a `.cu` file. Raises CompileError where it does not compile.
    """
    if isinstance(function, str):
        function = Kernel(catalogue.exercise(slug).function, function)
        function.build()
    verdict = check_function(catalogue.exercise(slug), function, seed)
    print(verdict)
    return verdict
