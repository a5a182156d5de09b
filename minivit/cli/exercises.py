"""What `minivit learn` does with exercises: checks, hints, solutions, files.

Each function is an action of the command: (arguments, lab) -> exit status, with the learner's folder as a Lab. Whatever
comes out, the last line says what can be typed next.
"""
import difflib
import os
import shlex
import subprocess
import sys
import time

from minivit import __version__
from minivit.learn.catalogue import exercise, solution_file
from minivit.learn.percent import rendered
from minivit.learn.sandbox import check_file
from minivit.learn.status import current, in_order, suggestion
from minivit.weights import write_atomic

POLL = 0.3                              # seconds between two looks at a watched file


def _chosen(arguments, lab):
    """The exercise that is named, else the current one."""
    slug = arguments.slug or current(lab)
    if slug is None:
        raise ValueError("all exercises are solved: name the one that you mean; minivit learn status lists them")
    return exercise(slug).slug          # raises for an unknown name


def _checked(slug, lab):
    """The Verdict on the learner's file of an exercise; it goes into their progress."""
    file, content = lab.copy(slug), lab.sha256(slug)
    verdict = check_file(slug, file)
    lab.record(slug, verdict.status, level=verdict.level, message=verdict.message, sha256=content,
               seconds=round(verdict.seconds, 3), hints=lab.standing(slug).hints, version=__version__)
    print(verdict)
    return verdict


def _say_what_next(verdict, lab):
    slug = verdict.slug
    if verdict:
        print(f"how minivit's differs from yours, and why: minivit learn solution {slug}\nnext: {suggestion(lab)}")
    else:
        print(f"your file: {lab.file(slug)}\nnext: minivit learn check {slug}, or minivit learn hint {slug}")


def check(arguments, lab):
    if bool(arguments.slugs) + arguments.all + (arguments.lesson is not None) > 1:
        raise ValueError("name exercises, or a --lesson, or check --all")
    if arguments.all:
        chosen = [slug for slug in in_order() if lab.file(slug).exists()]
    elif arguments.lesson is not None:
        chosen = [slug for slug in in_order() if exercise(slug).lesson == arguments.lesson]
    else:
        chosen = [exercise(slug).slug for slug in arguments.slugs or filter(None, [current(lab)])]
    if not chosen:
        raise ValueError(f"there is nothing to check. next: {suggestion(lab)}")
    verdicts = [_checked(slug, lab) for slug in dict.fromkeys(chosen)]
    if arguments.json:
        write_atomic(arguments.json, ("[" + ",\n".join(each.to_json() for each in verdicts) + "]\n").encode())
    if len(verdicts) == 1:
        _say_what_next(verdicts[0], lab)
    else:
        print(f"{sum(map(bool, verdicts))} of {len(verdicts)} pass\nnext: {suggestion(lab)}")
    return 0 if all(verdicts) else 1


def watch(arguments, lab):
    slug = _chosen(arguments, lab)
    file, seen = lab.copy(slug), None
    print(f"watching {file}: it is checked whenever you save it, until Ctrl-C")
    try:
        while True:
            now = _stamp(file)
            if now not in (None, seen):
                seen = now
                print(time.strftime("\n%H:%M:%S"))
                _say_what_next(_checked(slug, lab), lab)
                sys.stdout.flush()
            time.sleep(POLL)
    except KeyboardInterrupt:
        print(f"\n{slug}: {lab.standing(slug)}\nnext: {suggestion(lab)}")


def _stamp(file):
    """What changes when a file is saved; None in the moment in which an editor replaces it."""
    try:
        about = file.stat()
    except FileNotFoundError:
        return None
    return about.st_mtime_ns, about.st_size


def hint(arguments, lab):
    slug = _chosen(arguments, lab)
    hints, seen = exercise(slug).hints, lab.standing(slug).hints
    if seen < len(hints):
        lab.record(slug, "hint", hints=seen + 1, version=__version__)
    for number in [seen] if seen < len(hints) else range(len(hints)):
        print(f"{slug}, hint {number + 1} of {len(hints)}:\n{rendered(hints[number])}\n")
    stronger = f"minivit learn hint {slug}" if seen + 1 < len(hints) else f"minivit learn solution {slug} --give-up"
    print(f"next: minivit learn check {slug}; still stuck: {stronger}")


def solution(arguments, lab):
    slug = _chosen(arguments, lab)
    standing, file, solved = lab.standing(slug), lab.file(slug), solution_file(slug).read_text(encoding="utf-8")
    if not standing.passed and not arguments.give_up:
        raise ValueError(f"{slug} is not solved yet. next: minivit learn hint {slug}; to read the solution all the "
                         f"same: minivit learn solution {slug} --give-up")
    if standing.passed and file.exists():
        yours = file.read_text(encoding="utf-8")
        print("\n".join(difflib.unified_diff(yours.splitlines(), solved.splitlines(), str(file), "minivit's",
                                             lineterm="")) or "Yours is minivit's, to the letter.")
    else:
        print(solved)
    if not standing.passed:
        lab.record(slug, "read", hints=standing.hints, version=__version__)
    print(f"\n{rendered(exercise(slug).why)}\n\nnext: {suggestion(lab)}")


def reset(arguments, lab):
    slug = _chosen(arguments, lab)
    aside = lab.reset(slug)
    print(f"{lab.file(slug)} is as it was at first" + (f"; what you had written is in {aside}" if aside else ""))
    print(f"next: minivit learn watch {slug}")


def edit(arguments, lab):
    file = lab.copy(_chosen(arguments, lab))
    print(file)
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if editor and sys.stdin.isatty() and sys.stdout.isatty():
        subprocess.run([*shlex.split(editor), str(file)])
    print(f"next: minivit learn check {file.stem}", file=sys.stderr)    # stdout is the path alone, for other programs
