"""What `minivit learn` makes of the lessons for readers elsewhere: the book, and notebooks.

Each function is an action of the command: (arguments, lab) -> exit status. The learner's folder plays no part.
"""
import sys
import time

from minivit import __version__
from minivit.cli.options import in_folder
from minivit.errors import unknown
from minivit.learn.book.page import page
from minivit.learn.book.recording import LessonFailed, record
from minivit.learn.extras import extra
from minivit.learn.notebooks import write_notebooks
from minivit.learn.percent import lessons
from minivit.weights import write_atomic


def build(arguments, lab):
    found = lessons()
    for number in arguments.lessons:
        if number not in found:
            raise ValueError(unknown("lesson", number, found))
    out = in_folder("--out", arguments.out)
    if out.is_dir():
        raise IsADirectoryError(f"--out {out} is a folder: name a file in it")
    for module in ("markdown_it", "pygments"):          # missing ones are better missed before the lessons run
        extra(module)
    chosen = [found[number] for number in sorted(set(arguments.lessons) or found)]
    try:
        data = page(_recorded(chosen, arguments.fast), arguments.fast, __version__).encode()
    except LessonFailed as failure:
        print(f"{failure}\n\nno book was written; when that is mended: minivit learn build", file=sys.stderr)
        return 1
    write_atomic(out, data)
    print(f"{out}: {len(chosen)} lesson{'s' * (len(chosen) > 1)}, {len(data) / 1e6:.1f} MB; open it in a browser")


def _recorded(chosen, fast):
    """{Lesson: what its cells printed and drew}, with a bar on a terminal, else a line for each lesson."""
    from tqdm import tqdm
    recorded, terminal = {}, sys.stderr.isatty()
    with tqdm(total=sum(len(lesson.cells) for lesson in chosen), unit="cell", disable=not terminal) as bar:
        for lesson in chosen:
            start = time.perf_counter()
            bar.set_description(f"lesson {lesson.number}")
            recorded[lesson] = record(lesson, fast, bar.update)
            if not terminal:
                print(f"lesson {lesson.number}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    return recorded


def notebooks(arguments, lab):
    written = write_notebooks()
    print(f"{written[0].parent}: written: {', '.join(path.name for path in written)}")
