"""A lesson as a chapter of the book: its text, its code, and below each cell what it printed and drew.

- `lesson_chapter(lesson, records, links)`: its HTML
- `heading_of(title)`: a lesson's title, as a heading has it
- `plain(text)`: what is not Markdown, hints say, as Markdown
"""
import base64
import html
import re

from minivit.learn.book.prose import linked, named, prose
from minivit.learn.book.recording import Claim, Picture
from minivit.learn.book.source import listing
from minivit.learn.catalogue import exercise, solution_file

DIFFICULTY = {1: "easy", 2: "of middling difficulty", 3: "hard"}
_EXERCISE = re.compile(r"\*\*Exercise `(?P<slug>\w+)`\*\*(?: \((?P<minutes>\d+) min\))?[:.]?\s*(?P<task>.*)", re.DOTALL)
_COMMAND = re.compile(r"\s*`minivit\s+learn\s+check\s+\w+`")


def heading_of(title):
    """A large letter in front, and the apostrophes of a printer."""
    return title[:1].upper() + re.sub(r"(?<=\w)'(?=\w)", "\N{RIGHT SINGLE QUOTATION MARK}", title[1:])


def lesson_chapter(lesson, records, links):
    """HTML of a Lesson. records: of each cell, what `recording.record` found; links: see `prose.linked`."""
    name = f"lesson-{lesson.number}"
    parts = [f'<h2 id="{name}"><span>Lesson {lesson.number}</span> {html.escape(heading_of(lesson.title))}</h2>']
    for cell, pieces in zip(lesson.cells, records, strict=True):
        if cell.code:
            parts.append(listing(cell.text, "python"))
            parts += map(_piece, pieces)
        else:
            text = re.sub(r"\A# .*\n?", "", cell.text)              # the title, which stands above
            parts += [_exercise(block, links) if _EXERCISE.match(block) else linked(prose(block, name), links)
                      for block in _exercises_apart(text)]
    return "\n".join(parts)


def _exercises_apart(text):
    """Text in pieces, so that a paragraph that sets an exercise is one by itself."""
    pieces = [""]
    for paragraph in re.split(r"\n\n+", text):
        if _EXERCISE.match(paragraph):
            pieces += [paragraph, ""]
        else:
            pieces[-1] += paragraph + "\n\n"
    return [piece for piece in pieces if piece.strip()]


def _piece(piece):
    if isinstance(piece, Claim):
        return f'<p class="claim">{html.escape(piece.text)}</p>'
    if isinstance(piece, Picture):
        width, height = piece.size
        data, alt = base64.b64encode(piece.png).decode(), html.escape(piece.alt)
        return (f'<figure><button type="button" class="picture" aria-haspopup="dialog"><img width="{width}" '
                f'height="{height}" alt="{alt}" loading="lazy" decoding="async" src="data:image/png;base64,{data}">'
                f'</button><figcaption aria-hidden="true">{alt}</figcaption></figure>')
    return f'<pre class="printed"><code>{html.escape(piece.text, quote=False)}</code></pre>'


def _exercise(paragraph, links):
    """A box: the task, the commands, and folded away the hints and the solution."""
    set_here = _EXERCISE.match(paragraph)
    slug, found = set_here["slug"], exercise(set_here["slug"])
    name, file = named("exercise", slug), solution_file(slug)
    language = "cuda" if file.suffix == ".cu" else "python"
    task = f"`{slug}`: {_COMMAND.sub('', set_here['task']).strip()}"
    parts = [f'<aside class="exercise" aria-labelledby="{name}">',
             f'<p id="{name}" class="title"><b>Exercise</b> {set_here["minutes"] or found.minutes} minutes, '
             f'{DIFFICULTY[found.difficulty]}</p>', linked(prose(task, name), links),
             f'<pre class="command"><code>minivit learn check {slug}</code></pre>']
    parts += [f"<details><summary>Hint {number} of {len(found.hints)}</summary>\n{prose(plain(hint), name)}</details>"
              for number, hint in enumerate(found.hints, 1)]
    solution = listing(file.read_text("utf-8").strip(), language)
    parts.append(f"<details><summary>Solution, and why</summary>\n{solution}\n"
                 f"{linked(prose(plain(found.why), name), links)}</details>\n</aside>")
    return "\n".join(parts)


def plain(text):
    """Plain text, as Markdown that says the same; quotation marks may be of code, and stay straight."""
    return re.sub(r"""([\\`*_<>\[\]#|"]|(?<!\w)'|'(?!\w))""", r"\\\1", text)
