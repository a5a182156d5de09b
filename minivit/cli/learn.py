"""minivit learn: the lessons step by step, their exercises, and how far one is."""
import argparse
import json
import os
import subprocess
import sys

from minivit.cli import book, exercises
from minivit.cli.options import ActionParser, in_folder
from minivit.learn.audit import audit
from minivit.learn.catalogue import exercise
from minivit.learn.lesson import lab as usual_lab
from minivit.learn.percent import lessons
from minivit.learn.progress import Lab
from minivit.learn.status import as_html, as_text, in_order, report, suggestion, summary
from minivit.weights import write_atomic

EXAMPLES = """Lessons are read here; exercises are files of your own:

  minivit learn start 1           begin lesson 1: its first cells, and the files of its exercises
  minivit learn next              go on, a cell of code at a time
  minivit learn watch SLUG        check an exercise whenever its file is saved
  minivit learn hint SLUG         when you are stuck: three hints, each stronger
  minivit learn solution SLUG     when it is solved: how minivit's differs from yours, and why

minivit learn, with no action, says where you are and what comes next."""
GOALS = (("caught", 1, "wrong_answers"), ("named", 0.95, "wrong_answers"), ("mutants_caught", 0.98, "mutants"),
         ("mutants_diagnosed", 0.6, "mutants"))       # of an audit: at least this share of those
LIMITS = {"median_seconds": 3, "max_seconds": 10}
CURRENT = "(default: the first that is not solved, of the lesson you are in if it has one)"


def add_arguments(parser):
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
    parser.set_defaults(act=_where)
    actions = parser.add_subparsers(metavar="ACTION", parser_class=ActionParser)

    def action(name, act, text):
        sub = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        sub.set_defaults(act=act)
        return sub

    start = action("start", _start, "begin a lesson at its top, with the files of its exercises")
    start.add_argument("lesson", metavar="N", type=int, nargs="?", help="its number (default: the lesson you are in; "
                       "when you have read it to the end, the one after it)")
    go_on = action("next", _next, "show and run the next cells of the lesson")
    for sub in (start, go_on):
        sub.add_argument("--full", action="store_true", help="run the lesson's code in full, which takes minutes "
                         "(default: smaller, in seconds)")
    watch = action("watch", exercises.watch, "check an exercise now, and whenever its file is saved, until Ctrl-C")
    check = action("check", exercises.check, "check exercises; the exit status is 0 if all pass, else 1")
    check.add_argument("slugs", metavar="SLUG", nargs="*", help=f"exercises {CURRENT}")
    check.add_argument("--all", action="store_true", help="every exercise that has a file in your folder")
    check.add_argument("--lesson", type=int, metavar="N", help="every exercise of a lesson")
    check.add_argument("--json", metavar="FILE", help="write a list of the verdicts to a file")
    hint = action("hint", exercises.hint, "one more of the three hints for an exercise, each stronger than the last")
    solution = action("solution", exercises.solution, "how minivit's solution differs from yours, and why")
    solution.add_argument("--give-up", action="store_true", help="show it for an exercise that is not solved; your "
                          "progress then says that you have read it")
    reset = action("reset", exercises.reset, "begin an exercise again; your file is kept beside it, as .bak")
    status = action("status", _status, "all lessons and exercises, and how far you are")
    status.add_argument("--json", metavar="FILE", help="write it to a file, as JSON")
    status.add_argument("--html", metavar="FILE", help="write it to a file, as a page with one table")
    edit = action("open", exercises.edit, "print the path of an exercise's file, and open it in $VISUAL or $EDITOR")
    build = action("build", book.build, "run the lessons, and make one HTML file of them: text, code, what it printed "
                   "and drew, exercises, and the forms of each operation side by side")
    build.add_argument("lessons", metavar="LESSON", type=int, nargs="*", help="numbers of lessons (default: all)")
    build.add_argument("--out", metavar="FILE", default="book.html", help="the file (default: book.html)")
    build.add_argument("--fast", action="store_true", help="run their code in the fast mode, in seconds (default: in "
                       "full, which takes minutes)")
    action("notebooks", book.notebooks, "make the notebooks in lessons/notebooks again, after a change of a lesson")
    measure = action("audit", _audit, "measure the checker: whether it catches wrong answers, and refuses no right one")
    measure.add_argument("slugs", metavar="SLUG", nargs="*", help="exercises (default: all)")
    measure.add_argument("--full", action="store_true", help="with more seeds and more mutants; takes minutes")
    measure.add_argument("--json", metavar="FILE", help="write the figures to a file")
    for sub in (watch, hint, edit):
        sub.add_argument("slug", metavar="SLUG", nargs="?", help=f"exercise {CURRENT}")
    for sub in (solution, reset):
        sub.add_argument("slug", metavar="SLUG", help="exercise")
    for sub in (parser, *actions.choices.values()):
        sub.add_argument("--lab", metavar="DIR", default=argparse.SUPPRESS, help="folder of your files and your "
                         "progress (default: $MINIVIT_LAB, else ~/minivit-lab)")
    for sub in actions.choices.values():
        sub.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS,
                         help="show where an error comes from")


def run(arguments):
    if hasattr(sys.stdout, "reconfigure"):              # a terminal without ticks gets question marks
        sys.stdout.reconfigure(errors="replace")
    lab = Lab(arguments.lab if "lab" in arguments else usual_lab())
    for name in ("json", "html"):
        file = getattr(arguments, name, None)
        if file:
            in_folder(f"--{name}", file)
    status = arguments.act(arguments, lab)
    damaged = lab.read()[1]
    if damaged:
        print(f"{lab.progress}: damaged and left out: line {', '.join(map(str, damaged))}. Should a solved exercise be "
              f"missing: minivit learn check --all", file=sys.stderr)
    return status


def _where(arguments, lab):
    found, now = lessons(), report(lab)
    if lab.place() is None and not now["solved"]:
        print(f"{len(found)} lessons with {now['exercises']} exercises. First: {found[min(found)].title}; last: "
              f"{found[max(found)].title}.")
    else:
        print(summary(now))
    print(f"your folder: {lab.path}\nnext: {now['next']}\nall actions: minivit learn --help")


def _start(arguments, lab):
    found = lessons()
    number = _to_start(lab, found) if arguments.lesson is None else arguments.lesson
    if number not in found:
        raise ValueError(f"there is no lesson {number}: there are {', '.join(map(str, found))}")
    return _begin(found[number], lab, arguments.full)


def _to_start(lab, found):
    """The lesson that the learner is in; at its end, the one after it."""
    number, cell = lab.place() or (min(found), 0)
    if number in found and cell >= len(found[number].cells):
        return min((later for later in found if later > number), default=number)
    return number


def _begin(lesson, lab, full):
    for slug in in_order():
        if exercise(slug).lesson == lesson.number:
            lab.copy(slug)
    lab.remember(lesson, 0)
    print(f"your folder: {lab.path}\n")
    return _step(lesson, 0, lab, full)


def _next(arguments, lab):
    found = lessons()
    number, cell = lab.place() or (None, 0)
    if number not in found:
        return _begin(found[min(found)], lab, arguments.full)
    if cell >= len(found[number].cells):
        print(f"You have read lesson {number} to its end.\nnext: {suggestion(lab)}")
        return 0
    return _step(found[number], cell, lab, arguments.full)


def _step(lesson, cell, lab, full):
    """Show cells in a new process, where the mode of the lesson and the learner's folder are known from the start."""
    sys.stdout.flush()
    settings = {"MINIVIT_LAB": str(lab.path.absolute()), "MINIVIT_LESSON": "full" if full else "fast"}
    process = subprocess.Popen([sys.executable, "-m", "minivit.learn.stepper", str(lesson.path), str(cell)],
                               env=os.environ | settings)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:       # the process has seen it too, and ends by itself
            pass


def _status(arguments, lab):
    now = report(lab)
    if arguments.json:
        write_atomic(arguments.json, (json.dumps(now, indent=1) + "\n").encode())
    if arguments.html:
        write_atomic(arguments.html, as_html(now, f"minivit: {lab.path.name}").encode())
    if not (arguments.json or arguments.html):
        print(f"{as_text(now)}\nnext: {now['next']}")


def _audit(arguments, lab):
    figures = audit(arguments.slugs, arguments.full)
    for name, figure in figures.items():
        print(f"{name:<20} {figure}")
    if arguments.json:
        write_atomic(arguments.json, (json.dumps(figures, indent=1) + "\n").encode())
    missed = [name for name, share, whole in GOALS if figures[name] < share * figures[whole]]
    missed += ["false_alarms"] * bool(figures["false_alarms"])
    missed += [name for name, seconds in LIMITS.items() if figures[name] > seconds]
    print(f"not good enough: {', '.join(missed)}" if missed else "The checker is as good as it has to be.")
    return 1 if missed else 0
