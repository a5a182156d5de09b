"""The learner's own folder: exercises to fill in, and what has come of them.

    softmax_backward.py     the learner's file, at first the stub of the exercise of that name (some are .cu)
    softmax_backward.py.bak what `reset` has put aside
    progress.jsonl          a line for each check, hint and solution read, and for the place in the lessons
    pictures/               what the lessons draw

progress.jsonl is only ever added to, and may be deleted: checking all files writes it again. An exercise is solved if
its last check passed and its file is still the one that was checked, by its sha256: so no list can disagree with the
files.
"""
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from minivit.learn.catalogue import solution_file
from minivit.learn.stub import stub_of

STATES = {"new": "not begun", "todo": "to do", "unchecked": "not checked yet", "fail": "not right yet",
          "error": "does not run", "changed": "changed since it passed", "pass": "solved"}


@dataclass(frozen=True)
class Standing:
    """How far an exercise is. state: one of STATES. hints: how many were seen. read: the solution, before a pass.

    passed: whether any version of the file has passed.
    """

    slug: str
    state: str
    hints: int = 0
    read: bool = False
    passed: bool = False

    def __str__(self):
        notes = [f"{self.hints} of 3 hints"] if self.hints else []
        return ", ".join([STATES[self.state], *notes, *(["solution read"] if self.read else [])])


class Lab:
    """The folder `path`, which is made when something is first written into it."""

    def __init__(self, path):
        self.path = Path(path)
        self.progress = self.path / "progress.jsonl"

    def file(self, slug):
        """The learner's file of an exercise, whether or not it is there yet."""
        return self.path / solution_file(slug).name

    def copy(self, slug):
        """The learner's file of an exercise: made from the stub where it is not there yet."""
        file = self.file(slug)
        if not file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            file.write_text(stub_of(solution_file(slug)), encoding="utf-8")
        return file

    def reset(self, slug):
        """Begin an exercise again. Returns where the learner's file was put aside, or None if it was the stub."""
        file, aside = self.file(slug), None
        if file.exists() and not self._untouched(slug):
            number, aside = 1, file.with_name(f"{file.name}.bak")
            while aside.exists():
                number, aside = number + 1, file.with_name(f"{file.name}.bak{number + 1}")
            file.rename(aside)
        self.copy(slug)
        return aside

    def _untouched(self, slug):
        return self.file(slug).read_text(encoding="utf-8", errors="replace") == stub_of(solution_file(slug))

    def read(self):
        """(records, lines): what progress.jsonl says, oldest first, and the numbers of lines that are damaged."""
        if not self.progress.exists():
            return [], []
        records, damaged = [], []
        for number, line in enumerate(self.progress.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                sound = isinstance(record["slug"], str) and isinstance(record["status"], str)
            except (ValueError, TypeError, KeyError, RecursionError):
                sound = False
            if sound:
                records.append(record)
            else:
                damaged.append(number)
        return records, damaged

    def record(self, slug, status, **more):
        """Add a line to progress.jsonl. status: of a check (pass, todo, fail, error), or hint, read, place."""
        self.path.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(timezone.utc).isoformat(timespec="seconds")
        torn = self.progress.exists() and not self.progress.read_bytes().endswith(b"\n")
        with open(self.progress, "a", encoding="utf-8") as file:
            file.write("\n" * torn + json.dumps({"ts": stamp, "slug": slug, "status": status, **more}) + "\n")

    def standing(self, slug):
        """The Standing of an exercise."""
        records = [record for record in self.read()[0] if record["slug"] == slug]
        passes = [at for at, record in enumerate(records) if record["status"] == "pass"]
        reads = [at for at, record in enumerate(records) if record["status"] == "read"]
        hints = sum(record["status"] == "hint" for record in records)
        return Standing(slug, self._state(slug, records, bool(passes)), hints,
                        bool(reads) and reads[0] < min(passes, default=len(records)), bool(passes))

    def _state(self, slug, records, passed):
        if not self.file(slug).exists():
            return "new"
        if self._untouched(slug):
            return "todo"
        content = self.sha256(slug)
        checks = [record["status"] for record in records
                  if record["status"] in ("pass", "todo", "fail", "error") and record.get("sha256") == content]
        if checks:
            return checks[-1]
        return "changed" if passed else "unchecked"

    def sha256(self, slug):
        """The checksum of the learner's file of an exercise."""
        return hashlib.sha256(self.file(slug).read_bytes()).hexdigest()

    def remember(self, lesson, cell):
        """Record that `cell` of a Lesson is what comes next."""
        self.record(lesson.path.stem, "place", lesson=lesson.number, cell=cell)

    def place(self):
        """(lesson, cell) that comes next for this learner, or None before the first lesson."""
        for record in reversed(self.read()[0]):
            if record["status"] == "place" and all(isinstance(record.get(key), int) for key in ("lesson", "cell")):
                return record["lesson"], record["cell"]
        return None
