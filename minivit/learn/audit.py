"""Does the checker catch what is wrong, name it, and leave alone what is right? Measured on all exercises.

- `audit(chosen, full)`: the figures, as a dictionary

wrong answers: those that the exercises list; "named" if the verdict carries their name, so no two may be alike.
correct variants: other right answers; a false alarm is one that is refused, for any seed.
mutants: solutions with one thing changed by a machine (see `mutate`, and `mutate_cuda`). One that returns the same as
    the solution on the cases of several seeds is no mistake, and left out. "Diagnosed" if what is said of it is true of
    numbers that it was not found on, those of another seed; for one that raises, if the line that is named is the one
    that was changed.
seconds: of checking the solution, and a mutant, through the process that learners' files are checked in.
"""
import contextlib
import linecache
import random
import signal
import statistics
import tempfile
import types
import warnings
from pathlib import Path

from minivit.cuda import CompileError
from minivit.learn.catalogue import exercise, slugs, solution_file, why_not_here
from minivit.learn.check import judge
from minivit.learn.examination import Examination
from minivit.learn.exercise import EXACT
from minivit.learn.kernel import Kernel
from minivit.learn.mutate import mutants
from minivit.learn.mutate_cuda import cuda_mutants
from minivit.learn.sandbox import check_file
from minivit.learn.trials import agree, attempt

UNTOLD = ("values", "extreme", "shape", "type", "outputs", "nothing", "not-finite", "training", "differences")
RAISED = ("raises", "raises:shapes", "recursion", "memory", "exit")
SECONDS = 3             # of computing, after which a mutant counts as one that never ends
STRICT = 1e-9           # two functions whose results differ by less are the same
STRICT_CUDA = 1e-6      # in float32, where another order of adding up is another rounding


def audit(chosen=(), full=False):
    """The figures together of the exercises with these slugs, or of all that can be checked here. full: more seeds and
    mutants of each. Raises ValueError for a slug that there is not, and where one cannot be checked here."""
    for slug in chosen:
        exercise(slug)
        if why_not_here(slug) is not None:
            raise ValueError(f"{slug} cannot be checked here: {why_not_here(slug)}")
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):     # NumPy's, of what is meant to be wrong
        return summary({slug: audit_one(slug, full) for slug in chosen or slugs() if why_not_here(slug) is None})


def summary(figures):
    """The figures together of {slug: what `audit_one` returned}."""
    seconds = [each for one in figures.values() for each in one["seconds"]]
    counts = [name for name in next(iter(figures.values())) if name != "seconds"]
    return {"lessons": len({exercise(slug).lesson for slug in figures}), "exercises": len(figures),
            **{name: sum(one[name] for one in figures.values()) for name in counts},
            "median_seconds": round(statistics.median(seconds), 3), "max_seconds": round(max(seconds), 3)}


def audit_one(slug, full=False):
    """The figures of one exercise; "seconds" is a list."""
    checked = exercise(slug)
    examinations = [Examination(checked, seed) for seed in range(3 if full else 2)]
    verdicts = [(wrong, judge(examinations[0], wrong.function)) for wrong in checked.wrong]
    right = (checked.solution, *checked.correct)
    alarms = sum(not judge(each, function) for seed in range(50 if full else 2)
                 for each in [Examination(checked, seed, train=not seed)] for function in right)
    made = changed_solutions(slug, 20 if full else 6)
    found = [mutant_verdicts(examinations[:2], function) for _, function in made]
    told = [diagnosed(mutant, *both) for (mutant, _), both in zip(made, found)]
    return {"wrong_answers": len(verdicts), "caught": sum(verdict.status != "pass" for _, verdict in verdicts),
            "named": sum(verdict.message == wrong.name for wrong, verdict in verdicts),
            "correct_variants": len(checked.correct), "false_alarms": alarms,
            "mutants": len(made), "mutants_caught": sum(first is None or first.status != "pass" for first, _ in found),
            "mutants_diagnosed": sum(told), "seconds": timings(slug, [mutant for mutant, _ in made[:2 * full]])}


def changed_solutions(slug, count):
    """[(Mutant, its function)]: the first `count`, in a random but fixed order, that differ from the solution."""
    checked, found, file = exercise(slug), [], solution_file(slug)
    made = (cuda_mutants if file.suffix == ".cu" else mutants)(file.read_text(encoding="utf-8"))
    random.Random(slug).shuffle(made)
    trials = [trial for seed in range(5) for each in [Examination(checked, seed)]
              for trial in each.cases + each.singles + each.extremes]
    for mutant in made:
        function = (kernel_of if file.suffix == ".cu" else function_of)(mutant, checked.function)
        if function is not None and not _equal(checked, function, trials):
            found.append((mutant, function))
            if len(found) == count:
                break
    return found


def function_of(mutant, name):
    """The function of a mutant's source; None where the source itself cannot be run."""
    module = types.ModuleType("mutant")
    file = f"<mutant {mutant.text}>"
    linecache.cache[file] = len(mutant.source), None, mutant.source.splitlines(keepends=True), file
    try:
        exec(compile(mutant.source, file, "exec"), vars(module))
    except Exception:
        return None
    return vars(module)[name]


def kernel_of(mutant, name):
    """The kernel of a mutant's source; None where it does not compile."""
    try:
        kernel = Kernel(name, mutant.source)
        kernel.build()
        return kernel
    except CompileError:
        return None


def _equal(checked, function, trials):
    strict = STRICT if checked.tolerance == EXACT else STRICT_CUDA
    for trial in trials:
        right, other = (_in_time(attempt, checked, each, trial.arguments) for each in (checked.solution, function))
        if other is None or other.error is not None or other.findings or right.changed != other.changed or not all(
                agree(b, a, strict) and getattr(a, "dtype", None) == getattr(b, "dtype", None)
                for a, b in zip(right.outputs, other.outputs)):
            return False
    return True


def mutant_verdicts(examinations, function):
    """The Verdicts of examinations with different seeds; None where the function does not come to an end."""
    return [_in_time(judge, each, function) for each in examinations]


def diagnosed(mutant, first, second):
    """Whether the first verdict says more than that something is wrong, and it is true."""
    if first is None or first.status == "pass" or first.message in UNTOLD:
        return False
    if first.message in RAISED:
        return first.sentences[0].startswith(f"line {mutant.line},")
    return second is not None and second.message == first.message


def timings(slug, changed):
    """Seconds that a check takes as a learner sees it, of the solution and of mutants."""
    with tempfile.TemporaryDirectory() as folder:
        files = [solution_file(slug)]
        for mutant in changed:
            files.append(Path(folder) / solution_file(slug).name)
            files[-1].write_text(mutant.source, encoding="utf-8")
        return [check_file(slug, file).seconds for file in files]


class _Endless(BaseException):
    """So that an `except Exception` does not stop it."""


def _in_time(function, *arguments):
    """function(*arguments), or None where it computes for too long (on systems that can tell)."""
    if not hasattr(signal, "setitimer"):
        return function(*arguments)

    def ring(number, frame):
        raise _Endless

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        with contextlib.suppress(_Endless):
            return function(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
