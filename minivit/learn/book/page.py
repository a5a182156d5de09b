"""The book's file: chapters, style and script become one HTML page that needs nothing else.

The page's policy (Content-Security-Policy) names its style and its script by their SHA-256, allows pictures that lie in
the page, and forbids all else.
"""
import html
import re
from importlib.resources import files

from minivit.inspect.template import digest, filled
from minivit.learn.book.chapters import heading_of, lesson_chapter
from minivit.learn.book.forms import forms_chapter, targets
from minivit.learn.book.prose import sentence

MODES = {True: "its lessons run in the fast mode, in seconds rather than minutes, with smaller models and less data",
         False: "its lessons run in full"}
_SECTION = re.compile(r'<h3 id="([^"]+)">(.*?)</h3>', re.DOTALL)


def page(recorded, fast, version):
    """The text of the page. recorded: {Lesson: what `recording.record` found}; fast: whether in the fast mode; version:
    minivit's."""
    links = {lesson.number: f"lesson-{lesson.number}" for lesson in recorded} | targets()
    entries = [(f"lesson-{lesson.number}", str(lesson.number), html.escape(heading_of(lesson.title)),
                lesson_chapter(lesson, records, links)) for lesson, records in recorded.items()]
    entries.append(("forms", "", "Each op in three forms", forms_chapter(links)))
    texts = {name: files("minivit.learn.book").joinpath(file).read_text("utf-8")
             for name, file in (("style", "style.css"), ("script", "book.js"))}
    policy = (f"default-src 'none'; img-src data:; script-src {digest(texts['script'])}; "
              f"style-src {digest(texts['style'])}; base-uri 'none'; form-action 'none'")
    texts |= {"policy": policy, "version": version, "mode": MODES[fast],
              "sidebar": "\n".join(_in_sidebar(*entry) for entry in entries),
              "contents": "\n".join(_in_contents(*entry) for entry in entries),
              "chapters": "\n".join(_chapter(entries, place) for place in range(len(entries)))}
    return filled(files("minivit.learn.book").joinpath("page.html").read_text("utf-8"), texts)


def _in_sidebar(name, number, title, text):
    sections = "".join(f'<li><a href="#{section}">{words}</a></li>' for section, words in _SECTION.findall(text))
    return (f'<li><a href="#{name}"><span>{number}</span> {title}</a>'
            + (f"<ol>{sections}</ol>" if sections else "") + "</li>")


def _in_contents(name, number, title, text):
    return f'<li><a href="#{name}"><span>{number}</span> {title}</a> <small>{sentence(text)}</small></li>'


def _chapter(entries, place):
    """A chapter, with links to its neighbours."""
    name, _, _, text = entries[place]
    ends = "".join(f'<a rel="{relation}" href="#{entries[other][0]}"><small>{words}</small> {entries[other][2]}</a>'
                   for relation, other, words in (("prev", place - 1, "Before"), ("next", place + 1, "Next"))
                   if 0 <= other < len(entries))
    return (f'<section class="chapter" aria-labelledby="{name}">\n{text}\n<nav aria-label="Chapters beside this one">'
            f'{ends}</nav>\n</section>')
