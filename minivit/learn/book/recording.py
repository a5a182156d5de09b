"""What the cells of a lesson print and draw: a lesson is run for the book in a process of its own.

- `record(lesson, fast)`: for each cell a list of `Claim`, `Printed` and `Picture`, in their order
- `LessonFailed`: what is raised where a cell fails
"""
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from minivit.learn.percent import read_lesson

_TICK = "\N{CHECK MARK} "
_PICTURE = re.compile(r"^picture: (.*\.png)\n {9}(.*)\n", re.MULTILINE)        # as `show` prints it


class LessonFailed(Exception):
    """A lesson that cannot be run to its end: which, at which cell, and the error."""


@dataclass(frozen=True)
class Claim:
    """A sentence that was checked, and holds."""

    text: str


@dataclass(frozen=True)
class Printed:
    """Other lines."""

    text: str


@dataclass(frozen=True)
class Picture:
    """png: the bytes of the file. size: width and height in pixels. alt: what is to be seen, in words."""

    png: bytes
    size: tuple
    alt: str


def record(lesson, fast=False, progress=lambda: None):
    """Run a Lesson; for each of its cells, what it printed and drew. progress: called after each cell.

    The learner's folder stays out of it: answers are minivit's. Raises LessonFailed where a cell fails, and where
    the file is no longer what `lesson` was read from.
    """
    with tempfile.TemporaryDirectory(prefix="minivit-book-") as folder:
        lab = Path(folder).resolve() / "minivit-lab"
        lab.mkdir()
        records = []
        for each in _records(lesson, lab, fast):
            records.append(_pieces(each["printed"], lab))
            progress()
    if read_lesson(lesson.path) != lesson:
        raise LessonFailed(f"lesson {lesson.number} has changed since this began: {lesson.path}")
    return records


def _records(lesson, lab, fast):
    """The lines of the recorder, as they come."""
    roots = [str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {"MINIVIT_LAB": str(lab), "MINIVIT_LESSON": "fast" if fast else "full", "MPLBACKEND": "Agg",
                "PYTHONPATH": os.pathsep.join(roots)}
    command = [sys.executable, "-P", "-m", "minivit.learn.book.recorder", str(lesson.path.resolve())]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints,
                                   cwd=lab, env=os.environ | settings)
        done = 0
        try:
            with process.stdout as lines:
                for line in lines:
                    found = json.loads(line)
                    if "error" in found:
                        raise LessonFailed(f"lesson {lesson.number} failed in cell {found['cell'] + 1} of "
                                           f"{len(lesson.cells)}, at {lesson.path}:{found['line']}\n\n"
                                           f"{found['error'].rstrip()}")
                    done += 1
                    yield found
            if process.wait() or done < len(lesson.cells):
                complaints.seek(0)
                raise LessonFailed(f"lesson {lesson.number} ended in cell {done + 1} of {len(lesson.cells)}, with exit "
                                   f"status {process.returncode}\n\n{complaints.read()[-2000:]}".rstrip())
        finally:                                        # also after Ctrl-C
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


def _pieces(printed, lab):
    """Claims, pictures and other lines of what a cell printed; the lab's name is written as a learner knows it."""
    found, rest = [], printed
    while match := _PICTURE.search(rest):
        found += [*_lines(rest[:match.start()], lab), _picture(match[1], match[2])]
        rest = rest[match.end():]
    return found + list(_lines(rest, lab))


def _lines(text, lab):
    other = []
    for line in text.replace(str(lab), "~/minivit-lab").splitlines() + [_TICK]:
        if not line.startswith(_TICK):
            other.append(line)
            continue
        if "".join(other).strip():
            yield Printed("\n".join(other).strip("\n"))
        other = []
        if line != _TICK:
            yield Claim(line.removeprefix(_TICK))


def _picture(path, alt):
    """The file as it is, or packed closer where that makes it smaller; what is seen stays the same."""
    from PIL import Image
    packed = io.BytesIO()
    with Image.open(path) as image:
        size, opaque = image.size, image.convert("RGBA").getextrema()[3] == (255, 255)
        (image.convert("RGB") if opaque else image).save(packed, "PNG", optimize=True)
    return Picture(min(Path(path).read_bytes(), packed.getvalue(), key=len), size, alt)
