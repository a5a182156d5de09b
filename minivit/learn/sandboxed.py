"""What runs in the process that `sandbox` starts: one file of a learner's, and the check of what it defines.

    python -m minivit.learn.sandboxed SLUG PATH SEED TIMEOUT MEMORY FOLDER

writes FOLDER/verdict.json, or, when the time is up, where the program was to FOLDER/trace.txt.
"""
import contextlib
import faulthandler
import os
import re
import sys
import types
from pathlib import Path

from minivit.cuda import CompileError
from minivit.errors import unknown
from minivit.learn.catalogue import exercise, why_not_here
from minivit.learn.check import check
from minivit.learn.kernel import TO_DO, Kernel
from minivit.learn.raising import told
from minivit.learn.verdict import FORM, IMPORT, Verdict, ended

try:
    import resource
except ImportError:         # Windows
    resource = None

PRINTED = 16 << 20          # bytes that a file may print, or write anywhere
MOST_WORDS = 4              # lines of a C++ compiler that are shown: the first mistake often makes the others


def main(slug, path, seed, timeout, memory, folder):
    """Check, write the verdict, and end at once: threads that the file has started must not go on."""
    path, folder = Path(path), Path(folder)
    trace = open(folder / "trace.txt", "w", encoding="utf-8")
    faulthandler.enable(trace)                                          # crashes of the interpreter
    faulthandler.dump_traceback_later(float(timeout), exit=True, file=trace)
    verdict = judged(slug, path, int(seed), int(memory))
    with contextlib.suppress(Exception):                                # the learner may have closed it
        sys.stdout.flush()
    (folder / "half.json").write_text(verdict.to_json(), encoding="utf-8")
    os.replace(folder / "half.json", folder / "verdict.json")
    os._exit(0)


def judged(slug, path, seed, memory):
    """The Verdict on a file."""
    def stopped(kind, *texts, status="error", level=IMPORT):
        return Verdict(slug, status, level, kind, tuple(map(ended, texts)), seed=seed)

    limited = limit(memory)
    function = (_kernel if path.suffix == ".cu" else _function)(slug, path, stopped)
    if isinstance(function, Verdict):
        return function
    try:
        verdict = check(exercise(slug), function, seed)
    except BaseException as error:                                      # of the learner's, what is no Exception
        text = told(error, sys.modules.get(_module_name(slug), function))
        if text.startswith("line "):
            return stopped("raises", text, level=FORM)
        return stopped("checker", f"the check itself failed, which is no fault of yours: {text}", level=FORM)
    if not limited and not verdict:
        verdict = verdict.but(sentences=(*verdict.sentences, "(This system does not limit the memory of a check.)"))
    return verdict


def _module_name(slug):
    return f"minivit_lab_{slug}"


def _function(slug, path, stopped):
    """The function that a file in Python defines, or stopped(kind, text): a Verdict."""
    module = types.ModuleType(_module_name(slug))
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    except SyntaxError as error:
        line, text = error.lineno and f", line {error.lineno}", error.text and f", `{error.text.strip()}`"
        return stopped("syntax", f"{path.name}{line or ''}{text or ''}: {error.msg}")
    except NotImplementedError as error:
        return stopped("todo", str(error) or "not written yet", status="todo")
    except BaseException as error:
        return stopped("import", f"{path.name} cannot be imported, because of {told(error, module)}")
    name = exercise(slug).function
    if name not in vars(module):
        names = [known for known, value in vars(module).items() if callable(value)]
        return stopped("name", f"{path.name} has no {name}: {unknown('name', name, names)}" if names else
                       f"{path.name} has no {name}, nor any other function")
    return vars(module)[name]


def _kernel(slug, path, stopped):
    """The kernel in a file in CUDA, built; or stopped(kind, text): a Verdict."""
    reason = why_not_here(slug)
    if reason:
        return stopped("no-compiler", f"this exercise cannot be checked here: {reason}")
    kernel = Kernel(exercise(slug).function, path.read_text(encoding="utf-8", errors="replace"))
    try:
        kernel.build()
    except CompileError as error:
        missing = TO_DO.search(str(error))
        if missing:
            return stopped("todo", missing[1], status="todo")
        words = str(error).partition("\n")[2]             # the first line says that it does not compile
        return stopped("syntax", *re.sub("\n    (.*)", r", `\1`", words).splitlines()[:MOST_WORDS])
    except ValueError as error:
        return stopped("name", str(error))
    return kernel


def limit(memory):
    """Limit the memory and the output of this process; False where the system cannot limit memory."""
    if resource is None:
        return False
    try:
        for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, PRINTED), (resource.RLIMIT_AS, memory)):
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    except (ValueError, OSError):       # macOS, for RLIMIT_AS
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
