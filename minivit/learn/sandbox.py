"""Checking a learner's file in a process of its own, which may take only so much time and memory.

- `check_file(slug, path)`: a Verdict, whatever the file does: endless loops, huge arrays, os._exit, output of any kind

The process (see `sandboxed`) runs that file and no other of the learner's. It writes its verdict to a file, so that
what the learner prints cannot be taken for it.
"""
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from minivit.learn.catalogue import exercise
from minivit.learn.verdict import FORM, IMPORT, Verdict

GRACE = 10              # seconds beyond the time limit, for the process to start and to stop by itself
SHOWN = 1000            # characters of what was printed that are kept
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                                     "VECLIB_MAXIMUM_THREADS")}


def check_file(slug, path, seed=0, timeout=20, memory=2 << 30):
    """The Verdict on the file at `path` as an answer to exercise `slug`.

    timeout: seconds; memory: bytes (where the system can limit it, else the verdict says so).
    Raises ValueError for an unknown exercise.
    """
    start, path = time.perf_counter(), Path(path).absolute()
    if not path.is_file():
        return Verdict(exercise(slug).slug, "error", IMPORT, "missing", (f"there is no file {path}.",), seed=seed)
    with tempfile.TemporaryDirectory(prefix="minivit-check-") as folder:
        folder = Path(folder)
        code = _run([exercise(slug).slug, path, seed, timeout, memory, folder], folder, timeout + GRACE)
        if (folder / "verdict.json").exists():
            verdict = Verdict.from_json((folder / "verdict.json").read_text(encoding="utf-8"))
        else:
            verdict = Verdict(slug, "error", FORM, *_end(code, path, folder, timeout), seed=seed)
        printed = (folder / "printed.txt").read_text(encoding="utf-8", errors="replace").strip()
    if len(printed) > SHOWN:
        printed = f"{printed[:SHOWN]}\n... and {len(printed) - SHOWN:,} characters more"
    return verdict.but(printed=printed, seconds=time.perf_counter() - start)


def _run(arguments, folder, limit):
    """The exit code of the process; None where it had to be stopped from outside."""
    roots = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(roots), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-P", "-m", "minivit.learn.sandboxed", *map(str, arguments)]
    with open(folder / "printed.txt", "wb") as printed:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT,
                                   env=environment, cwd=folder, start_new_session=True)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _stop(process)


def _stop(process):
    """End the process and those that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _end(code, path, folder, timeout):
    """(message, sentences) for a process that left no verdict."""
    trace = folder / "trace.txt"
    trace = trace.read_text(encoding="utf-8", errors="replace") if trace.exists() else ""
    escaped = re.escape(str(path).encode("ascii", "backslashreplace").decode())     # as faulthandler writes it
    line = re.search(rf'File "{escaped}", line (\d+)', trace)
    where = f" It was at line {line[1]} of {path.name}." if line else ""
    if code is None or "Timeout" in trace:
        return "timeout", (f"it was stopped after {timeout} seconds: is there a loop that never ends?{where}",)
    if code < 0:
        name = signal.Signals(-code).name
        return "crash", (f"the process was ended by {name}{' (out of memory?)' * (name == 'SIGKILL')}.{where}",)
    return "exit", (f"it ended the whole process (exit code {code}): is there an exit() or os._exit()?{where}",)
