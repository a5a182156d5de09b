"""Lessons in the percent format: Python files whose cells begin with `# %%` (code) or `# %% [markdown]` (text).

- `Cell`, `Lesson`: what a file is made of
- `read_lesson(path)`: one file
- `lessons(folder)`: all of them, by number
- `rendered(text, width, colour)`: text for a terminal

A lesson runs as a script too, so all text is comments. Its first line of text is the title, `# Lesson 7: ...`, and a
paragraph that begins with **Exercise `slug`** sets an exercise.
"""
import re
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "lessons"      # beside the package in minivit's repository

_MARK = re.compile(r"# %%(?P<rest>.*)")
_EXERCISE = re.compile(r"\*\*Exercise `(\w+)`")
_TITLE = re.compile(r"# (?:Lesson \d+: )?(.+)")
_ITEM = re.compile(r"\s*(?:[-*]|\d+\.) ")           # of a list
_AS_IS = re.compile(r"    |\|")                     # formulas, tables
_BOLD = re.compile(r"(?<!\w)\*\*(?=\S)(.+?)\*\*", re.DOTALL)     # but not x**2


@dataclass(frozen=True)
class Cell:
    """A cell of text (without the comment signs) or of code. line: where in the file it begins."""

    code: bool
    text: str
    line: int

    @property
    def exercises(self):
        """The exercises that it sets, by slug."""
        return [] if self.code else _EXERCISE.findall(self.text)


@dataclass(frozen=True)
class Lesson:
    """A file of lessons/. number: that in its name."""

    path: Path
    number: int
    title: str
    cells: tuple

    @property
    def exercises(self):
        """The exercises that it sets, in its order."""
        return [slug for cell in self.cells for slug in cell.exercises]

    def step_from(self, start):
        """Where a step that begins at cell `start` ends: after the next code, or the text that sets an exercise."""
        for at in range(start, len(self.cells)):
            if self.cells[at].code or self.cells[at].exercises:
                return at + 1
        return len(self.cells)


def read_lesson(path):
    """The Lesson of a file `NN_name.py`. Raises ValueError where its name has no number or it has no cells."""
    path = Path(path)
    number = re.match(r"\d+", path.name)
    cells = tuple(_cells(path.read_text(encoding="utf-8").splitlines()))
    if number is None or not cells:
        raise ValueError(f"{path} is no lesson: its name must begin with a number, and its cells with # %%")
    title = _TITLE.match(cells[0].text)
    return Lesson(path, int(number[0]), title[1] if title else path.stem, cells)


def _cells(lines):
    marks = [k for k, line in enumerate(lines) if _MARK.fullmatch(line)]
    for start, end in zip(marks, marks[1:] + [len(lines)]):
        code = not re.search(r"\[(markdown|md)\]", _MARK.fullmatch(lines[start])["rest"])
        first, last = start + 1, end
        while first < last and not lines[first].strip():
            first += 1
        while last > first and not lines[last - 1].strip():
            last -= 1
        if first < last:
            inside = lines[first:last] if code else [re.sub("^# ?", "", line) for line in lines[first:last]]
            yield Cell(code, "\n".join(inside), first + 1)


def lessons(folder=None):
    """{number: Lesson} of a folder (default: FOLDER). Raises FileNotFoundError where there are none."""
    folder = FOLDER if folder is None else Path(folder)
    found = [read_lesson(path) for path in sorted(folder.glob("[0-9]*_*.py"))]
    if not found:
        raise FileNotFoundError(f"there are no lessons in {folder}: they are files of minivit's repository, beside the "
                                f"package. Clone it, and in it: python -m pip install -e '.[lessons]'")
    return {lesson.number: lesson for lesson in found}


def rendered(text, width=None, colour=False):
    """Markdown for a terminal: headings, bold and code in ANSI's styles, if `colour`; paragraphs wrapped at `width`
    (default: the terminal's, up to 100). What is indented by four (formulas), tables and fenced code stay as they are.
    """
    width = width or min(100, shutil.get_terminal_size().columns)
    done, paragraph, fenced = [], [], False
    for line in text.splitlines() + [""]:
        fence = line.startswith("```")
        as_is = fenced or fence or not line.strip() or _AS_IS.match(line)
        heading, fenced = line.startswith("#"), fenced != fence
        if paragraph and (as_is or heading or _ITEM.match(line)):
            done.append(_wrapped(paragraph, width, colour))
            paragraph = []
        if as_is:
            done.append(line.rstrip())
        elif heading:
            done.append(_heading(line, colour))
        else:
            paragraph.append(line)
    return "\n".join(done[:-1])


def _heading(line, colour):
    level, _, title = line.partition(" ")
    return f"\033[1m{title}\033[0m" if colour else title + "\n" + ("=" if level == "#" else "-") * len(title)


def _wrapped(lines, width, colour):
    item = _ITEM.match(lines[0])
    text = textwrap.fill(" ".join(line.strip() for line in lines), width, break_long_words=False,
                         break_on_hyphens=False, subsequent_indent=" " * len(item[0]) if item else "")
    text = _BOLD.sub("\033[1m\\1\033[0m" if colour else r"\1", text)
    return re.sub(r"`([^`]+)`", "\033[36m\\1\033[0m", text) if colour else text
