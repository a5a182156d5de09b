"""What an exercise is: a function to write, how it is tried out, and the wrong answers that learners give.

- `Exercise`: everything the checker needs to know of one function
- `Wrong`: a wrong answer with a name, and what is said to the learner who gave it
- `Property`: something that holds for every right answer

An exercise `slug` has two files. `solutions/<slug>.py` is what a learner might hand in: a docstring that sets the task,
and the solved function; the stub that learners get is the same file with the body taken out. `exercises/<slug>.py`
holds `EXERCISE`, an object of the class below. Where the answer is CUDA, the solution is `solutions/<slug>.cu`, and the
function that is tried is a `kernel.Kernel`.
"""
from collections.abc import Callable
from dataclasses import dataclass

EXACT = 1e-6            # the tolerance in float64


@dataclass(frozen=True)
class Wrong:
    """A wrong answer: `function` computes it, `says` names the mistake, and why it is one, in a sentence or two.

    specific: whether it belongs to this exercise, rather than to any (a sign, a transpose).
    """

    name: str
    function: Callable
    says: str
    specific: bool = False


@dataclass(frozen=True)
class Property:
    """What every right answer has in common: holds(function, rng) is None, or a sentence that says what is not so."""

    name: str
    holds: Callable


@dataclass(frozen=True)
class Exercise:
    """A function to write. All callables are given, or give, NumPy arrays and plain Python values.

    slug: its name, that of its files, and (unless `name` says otherwise) of the function to write.
    lesson, minutes, difficulty (1 to 3): for the learner.
    task: one sentence: what to write.
    solution: the solved function. oracle: an independent way to the same result, mostly minivit's own.
    cases: cases(rng) -> [(label, arguments)], at least three, float64, with a size-1 axis and without squares.
    outputs: the names of what the function returns, in order.
    probe: probe(function, *arguments) -> a tuple of arrays, where calling the function is not enough to see what it
        does (it changes its arguments, builds a graph, takes several steps). None: function(*arguments).
    float32: whether float32 arguments must give float32 results.
    tolerance: how far a result may be off, as a share of the largest number; CUDA computes in float32.
    properties: what is tried after the values. extreme: like cases, with numbers that break careless code (float32).
    numeric: numeric(*arguments) -> the outputs by finite differences, for exercises about gradients.
    kernels: kernels(function) -> {operation: (forward, backward)}, to train a model with the learner's function.
    advice: advice(function, rng) -> sentences about what a right answer could still do better.
    wrong: at least five wrong answers, two of them specific. correct: at least two more right ones, written otherwise.
    hints: three, of growing strength. why: a paragraph for the learner who has solved it.
    """

    slug: str
    lesson: int
    minutes: int
    difficulty: int
    task: str
    solution: Callable
    oracle: Callable
    cases: Callable
    outputs: tuple
    wrong: tuple
    correct: tuple
    hints: tuple
    why: str
    name: str = ""
    probe: Callable | None = None
    float32: bool = True
    tolerance: float = EXACT
    properties: tuple = ()
    extreme: Callable | None = None
    numeric: Callable | None = None
    kernels: Callable | None = None
    advice: Callable | None = None

    @property
    def function(self):
        """The name of the function to write."""
        return self.name or self.slug

    def run(self, function, arguments):
        """What `function` returns, or shows to `probe`, as a tuple of as many values as there are outputs."""
        result = self.probe(function, *arguments) if self.probe else function(*arguments)
        return result if isinstance(result, tuple) else (result,)
