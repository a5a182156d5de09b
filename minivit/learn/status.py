"""How far a learner is: as a dictionary, as lines for the terminal, as a page for a teacher.

- `in_order()`: all exercises, as the lessons set them
- `current(lab)`: the exercise that is meant where none is named
- `suggestion(lab)`: what to type next
- `report(lab)`, and `summary`, `as_text`, `as_html` of a report
"""
import html

from minivit.learn.catalogue import exercise, slugs
from minivit.learn.percent import lessons
from minivit.learn.progress import STATES

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.4 sans-serif; margin: 2em; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid #999; padding: .3em .7em; text-align: left; }}
.pass {{ background: #cde8d5; }}
.fail, .error {{ background: #f6d5cc; }}
.changed, .unchecked {{ background: #f7ecc0; }}
</style></head><body><h1>{title}</h1><p>{summary}</p>
<table><tr><th>Lesson</th><th>Exercise</th><th>State</th><th>Hints</th><th>Solution read before</th></tr>
{rows}
</table></body></html>
"""


def _known_lessons():
    try:
        return lessons()
    except FileNotFoundError:           # installed without them: exercises can be done all the same
        return {}


def in_order():
    """The names of all exercises: by lesson, and within it as the lesson sets them."""
    known = _known_lessons()

    def place(slug):
        number = exercise(slug).lesson
        set_there = known[number].exercises if number in known else []
        return number, set_there.index(slug) if slug in set_there else len(set_there)
    return sorted(slugs(), key=place)


def current(lab):
    """An exercise that is not solved: first one set by the cell that was read last, then one of its lesson, then one
    that is begun. None where all are solved."""
    just_set, lesson = _just_set(lab), (lab.place() or (None,))[0]
    left = [standing for standing in map(lab.standing, in_order()) if standing.state != "pass"]
    nearest = min(left, default=None, key=lambda standing: (
        standing.slug not in just_set, exercise(standing.slug).lesson != lesson, standing.state == "new"))
    return nearest and nearest.slug


def _just_set(lab):
    """The exercises that are set by the cell that was read last."""
    number, cell = lab.place() or (None, 0)
    lesson = _known_lessons().get(number)
    return lesson.cells[:cell][-1].exercises if lesson and cell > 0 else []


def suggestion(lab):
    """The command line that comes next for this learner."""
    known, slug, (number, cell) = _known_lessons(), current(lab), lab.place() or (None, 0)
    state, lesson = lab.standing(slug).state if slug else "pass", known.get(number)
    if state in ("fail", "error", "unchecked", "changed"):
        return f"minivit learn check {slug}"
    if slug in _just_set(lab):
        return f"minivit learn watch {slug}"
    if lesson and cell < len(lesson.cells):
        return "minivit learn next"
    later = [each for each in known if lesson is None or each > number]
    if later and (state in ("new", "pass") or lesson and exercise(slug).lesson != number):
        return f"minivit learn start {min(later)}"
    return f"minivit learn watch {slug}" if slug else "minivit train --kernels yours"


def _place(lab):
    known, (lesson, cell) = _known_lessons(), lab.place() or (None, 0)
    if lesson not in known:
        return None
    return {"lesson": lesson, "title": known[lesson].title, "cell": cell, "cells": len(known[lesson].cells)}


def report(lab):
    """{"solved", "exercises", "place": {"lesson", "title", "cell", "cells"} or None, "next", "lessons": [{"lesson",
    "title", "exercises": [{"slug", "state", "hints", "read", "says"}]}]}, of JSON's types; state: see progress.STATES.
    """
    parts = {number: {"lesson": number, "title": lesson.title, "exercises": []}
             for number, lesson in _known_lessons().items()}
    for slug in in_order():
        number, standing = exercise(slug).lesson, lab.standing(slug)
        part = parts.setdefault(number, {"lesson": number, "title": "", "exercises": []})
        part["exercises"].append({"slug": slug, "state": standing.state, "hints": standing.hints,
                                  "read": standing.read, "says": str(standing)})
    states = [each["state"] for part in parts.values() for each in part["exercises"]]
    return {"solved": states.count("pass"), "exercises": len(states), "place": _place(lab), "next": suggestion(lab),
            "lessons": [parts[number] for number in sorted(parts)]}


def summary(report):
    """A sentence: how much is solved, and where in the lessons the learner is."""
    place, text = report["place"], f"{report['solved']} of {report['exercises']} exercises are solved"
    if place and place["cell"] >= place["cells"]:
        text += f"; lesson {place['lesson']} ({place['title']}) is read to its end"
    elif place:
        text += f"; you are in lesson {place['lesson']} ({place['title']}), at cell {place['cell']} of {place['cells']}"
    return text + "."


def as_text(report):
    """Lines for a terminal."""
    lines = []
    for part in report["lessons"]:
        solved = sum(each["state"] == "pass" for each in part["exercises"])
        title = f"Lesson {part['lesson']}" + (f": {part['title']}" if part["title"] else "")
        lines.append(f"{title:<60} {solved} of {len(part['exercises'])} solved")
        lines += [f"  {each['slug']:<32} {each['says']}" for each in part["exercises"]]
    return "\n".join([*lines, "", summary(report)])


def as_html(report, title):
    """One page that needs nothing else: a table with a row for each exercise."""
    rows = []
    for part in report["lessons"]:
        for each in part["exercises"]:
            cells = (f"{part['lesson']}: {part['title']}", each["slug"], STATES[each["state"]], each["hints"],
                     "yes" if each["read"] else "no")
            rows.append(f'<tr class="{each["state"]}">'
                        + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
    return _PAGE.format(title=html.escape(title), summary=html.escape(summary(report)), rows="\n".join(rows))
