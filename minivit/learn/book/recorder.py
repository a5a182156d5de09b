"""Runs a lesson, cell by cell, in a process of its own, for the book.

    python -m minivit.learn.book.recorder FILE

writes a line of JSON to stdout for each cell: {"printed": what it printed}, and where a cell has raised an error
{"cell": its number, "line": where in the file, "error": the traceback}, which is then the last line.
"""
import contextlib
import io
import json
import os
import sys
import traceback
import types

from minivit.learn.percent import read_lesson


def main(argv):
    """Run the command line above. Returns 0, or 1 where a cell has raised an error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as records:
        os.dup2(2, 1)                                   # what writes past Python must not come among the records
        lesson = read_lesson(argv[0])
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        module.__file__ = str(lesson.path)              # for the lesson, all is as if it ran as a script
        for number, cell in enumerate(lesson.cells):
            record = _run(cell, number, lesson.path, vars(module))
            print(json.dumps(record), file=records)
            if "error" in record:
                return 1
    return 0


def _run(cell, number, path, namespace):
    printed = io.StringIO()
    try:
        if cell.code:
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * (cell.line - 1) + cell.text, str(path), "exec"), namespace)
    except Exception as error:
        frames = error.__traceback__.tb_next            # without this function's own
        line = error.lineno if isinstance(error, SyntaxError) else frames.tb_lineno
        return {"cell": number, "line": line, "error": "".join(traceback.format_exception(type(error), error, frames))}
    return {"printed": printed.getvalue()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
