"""A scripted novice makes every named mistake once, and mends it by what the checker prints, and nothing else.

    python tests/novice.py                      # all exercises
    python tests/novice.py patchify gradcheck   # some

A mistake is a file in the novice's folder: the solution with a part of it written otherwise (`mistakes/`), or a text in
CUDA.

The novice checks the file and reads what is printed. It may compare its file with the solution in the places that the
message names (`naming.py` says what that means), and there alone: it takes the solution's lines for its own and checks
again, until it passes. Where a message names nothing it asks for hints, one by one.

The exit status is 1 unless the first message names a place for 90 % of the mistakes, and for every mistake in 90 % of
the exercises, and every mistake is mended. The last column is the control: how often the message of another mistake of
the same exercise would have named a place as well.
"""
import ast
import sys
import tempfile
from typing import NamedTuple

from mistakes import MISTAKES
from naming import Comparison, sentences

from minivit.learn.catalogue import exercise, slugs, solution_file, why_not_here
from minivit.learn.check import judge
from minivit.learn.examination import Examination
from minivit.learn.own import load
from minivit.learn.progress import Lab
from minivit.learn.sandbox import check_file

GOAL = 0.9


def answers(slug):
    """(Wrong, text of a file that holds it) of the named wrong answers of an exercise."""
    file = solution_file(slug)
    for wrong in exercise(slug).wrong:
        if file.suffix == ".cu":
            yield wrong, wrong.function.text
        else:
            yield wrong, changed(file.read_text(encoding="utf-8"), exercise(slug).function, MISTAKES[slug][wrong.name])


def changed(text, name, mistake):
    """The text of a solution with one of the `MISTAKES` in its function `name`."""
    if isinstance(mistake, str):
        function = next(node for node in ast.parse(text).body if getattr(node, "name", "") == name)
        lines = text.splitlines(keepends=True)
        return "".join(lines[:function.body[0].end_lineno]) + mistake + "".join(lines[function.end_lineno:])
    head, code = text[:text.index('"""\n', 3)], text[text.index('"""\n', 3):]
    for before, after in zip(mistake[::2], mistake[1::2], strict=True):
        if code.count(before) != 1:
            raise ValueError(f"{name}: {before!r} is {code.count(before)} times in the solution, not once")
        code = code.replace(before, after)
    return head + code


class Mended(NamedTuple):
    """How a mistake was mended: what was printed first, whether it named a place, and what was needed."""

    name: str
    said: str
    named: bool
    checks: int
    hints: int
    reached: bool
    known: bool             # whether the checker knew it by its name


class Novice:
    """Works on one exercise in a folder of its own."""

    def __init__(self, slug, folder):
        self.exercise, self.file = exercise(slug), Lab(folder).file(slug)
        self.right = solution_file(slug).read_text(encoding="utf-8")
        self.examination = Examination(self.exercise)

    def check(self, text):
        """Save a text as the file, and check it. Returns the Verdict."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text, encoding="utf-8")
        try:
            return judge(self.examination, load(self.exercise.slug, self.file))
        except Exception:                   # the file cannot be run: the process of its own says why
            return check_file(self.exercise.slug, self.file)

    def compared(self, text):
        return Comparison(text, self.right, self.exercise.outputs)

    def mend(self, wrong, text):
        """A Mended: from a wrong answer to a pass."""
        verdict = self.check(text)
        first, known, checks, hints, clear = str(verdict), verdict.message == wrong.name, 1, 0, None
        while not verdict:
            beside = self.compared(text)
            found = beside.named(sentences(str(verdict)))
            clear = bool(found) if clear is None else clear
            while not found and hints < len(self.exercise.hints):
                found, hints = beside.named(self.exercise.hints[hints]), hints + 1
            if not found:
                return Mended(wrong.name, first, clear, checks, hints, False, known)
            text = self.mended(text, found)
            verdict, checks = self.check(text), checks + 1
        return Mended(wrong.name, first, bool(clear), checks, hints, clear is not None, known)

    def mended(self, text, found):
        """The text with the solution's lines in the Places found."""
        lines, solved = text.splitlines(keepends=True), self.right.splitlines(keepends=True)
        for place in reversed(found):
            lines[place.start:place.stop] = solved[place.first:place.last]
        return "".join(lines)


def practise(slug, folder):
    """([Mended for each mistake], how many messages of other mistakes would have named a place, of how many)."""
    novice, done, beside = Novice(slug, folder), [], []
    for wrong, text in answers(slug):
        done.append(novice.mend(wrong, text))
        beside.append(novice.compared(text))
    others = [bool(comparison.named(sentences(other.said))) for own, comparison in zip(done, beside)
              for other in done if other is not own]
    return done, sum(others), len(others)


def main(chosen):
    done = {}
    with tempfile.TemporaryDirectory() as folder:
        for slug in chosen or [slug for slug in slugs() if why_not_here(slug) is None]:
            done[slug] = practise(slug, folder)
            for each in done[slug][0]:
                if not (each.named and each.reached and each.known):
                    print(f"{slug} {each.name}: named {each.named}, mended {each.reached}, known {each.known}\n"
                          f"{each.said}\n")
    print(f"{'exercise':<24} {'mistakes':>8} {'known':>6} {'named':>6} {'mended':>7} {'hints':>6} {'control':>8}")
    for slug, (mistakes, others, of) in done.items():
        print(f"{slug:<24} {len(mistakes):>8} {sum(e.known for e in mistakes):>6} "
              f"{sum(e.named for e in mistakes):>6} {sum(e.reached for e in mistakes):>7} "
              f"{sum(e.hints for e in mistakes):>6} {others / of:>8.0%}")
    mistakes = [each for found, _, _ in done.values() for each in found]
    share = sum(each.named for each in mistakes) / len(mistakes)
    whole = sum(all(each.named for each in found) for found, _, _ in done.values()) / len(done)
    lost = sum(not each.reached for each in mistakes)
    print(f"the first message names the line or the term for {share:.1%} of {len(mistakes)} mistakes, and for every "
          f"mistake in {whole:.1%} of {len(done)} exercises; {lost} not mended; control "
          f"{sum(others for _, others, _ in done.values()) / sum(of for _, _, of in done.values()):.0%}")
    return 0 if share >= GOAL and whole >= GOAL and not lost else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
