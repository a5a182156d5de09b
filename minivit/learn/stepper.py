"""Steps through a lesson in the terminal: text and code of a cell, then what the code prints.

    python -m minivit.learn.stepper FILE CELL

goes on with a lesson from a cell (0 for the first), in a process of its own. A step ends after a cell of code, or where
an exercise is set. On a terminal the Enter key asks for the next step, and the lesson stays in memory. Elsewhere one
step is all, and the next process first runs the code before its cell again, silently: lessons draw from seeds, so they
come to the same numbers.
"""
import contextlib
import io
import os
import sys
import time
import traceback
import types

from minivit.learn.lesson import lab
from minivit.learn.percent import read_lesson, rendered
from minivit.learn.progress import Lab


def main(argv):
    """Run the command line above. Returns 0, 1 where a cell has raised an error, 130 where Ctrl-C has stopped one."""
    sys.stdout.reconfigure(errors="replace")            # a terminal without ticks gets question marks
    lesson, at = read_lesson(argv[0]), int(argv[1])
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    module.__file__ = str(lesson.path)                  # for the lesson, all is as if it ran as a script
    try:
        return go_on(lesson, at, Lab(lab()), vars(module), sys.stdin.isatty() and sys.stdout.isatty())
    except KeyboardInterrupt:
        print("\ninterrupted: minivit learn next begins this cell again", file=sys.stderr)
        return 130


def go_on(lesson, at, own, namespace, interactive=False):
    """Show and run `lesson` from cell `at`: one step, or as many as are asked for. Places are recorded in `own`, a Lab.

    Returns 0, or 1 where a cell has raised an error: then the place stays before its step.
    """
    try:
        _run_again(lesson, at, namespace)
        while at < len(lesson.cells):
            end = lesson.step_from(at)
            for cell in lesson.cells[at:end]:
                _show(cell, lesson.path)
                _run(cell, lesson.path, namespace)
            at = end
            own.remember(lesson, at)
            _say_what_next(lesson, at, own, interactive)
            if not interactive or not _asked_for_more():
                break
    except Exception as error:
        sys.stdout.flush()
        _explain(error, lesson.path)
        return 1
    return 0


def _run(cell, path, namespace):
    """Run a cell of code; its lines are numbered as in the lesson's file, so errors point into that."""
    if cell.code:
        exec(compile("\n" * (cell.line - 1) + cell.text, str(path), "exec"), namespace)
        sys.stdout.flush()


def _run_again(lesson, at, namespace):
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for cell in lesson.cells[:at]:
            _run(cell, lesson.path, namespace)
    if time.perf_counter() - start > 0.5:
        print(f"(the code before this cell has run again: {time.perf_counter() - start:.1f} s)\n")


def _show(cell, path):
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    if not cell.code:
        print(rendered(cell.text, colour=colour) + "\n")
        return
    dim, plain = ("\033[2m", "\033[0m") if colour else ("", "")
    print(f"{dim}--- {path.name}, line {cell.line}{plain}")
    for line in cell.text.splitlines():
        print(f"{dim}|{plain} {line}".rstrip())
    print(f"{dim}---{plain}", flush=True)


def _say_what_next(lesson, at, own, interactive):
    for slug in lesson.cells[at - 1].exercises:
        print(f"your file: {own.copy(slug)}\nwhile you write:  minivit learn watch {slug}   (in another terminal)\n"
              f"when you are stuck:  minivit learn hint {slug}\n")
    if at < len(lesson.cells):
        print(f"\ncell {at} of {len(lesson.cells)} of lesson {lesson.number}"
              + ("" if interactive else "; next: minivit learn next"))
        return
    print(f"\nThe end of lesson {lesson.number}.")
    for slug in lesson.exercises:
        standing = own.standing(slug)
        print(f"  {slug}: {standing}" + ("" if standing.state == "pass" else f" (minivit learn check {slug})"))
    print("next: minivit learn")


def _asked_for_more():
    with contextlib.suppress(EOFError):
        if input("[Enter] go on   [q] leave  ").strip().lower() not in ("q", "quit", "exit"):
            return True
    print("go on with: minivit learn next")
    return False


def _explain(error, path):
    """Print an error with those of its frames that a reader of the lesson knows: from the lesson's file on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != str(path):
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames)
    line = error.lineno if isinstance(error, SyntaxError) else frames.tb_lineno if frames else 1
    print(f"\nthe lesson stopped at {path}:{line}. When that is mended: minivit learn next", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
