"""Text of lessons, in Markdown, as HTML.

- `prose(text, chapter)`: of one cell; its headings get names that links can use
- `linked(html, targets)`: the same where lessons and files that the book holds are links
- `sentence(html)`: the first sentence, without tags
"""
import html
import re

from minivit.learn.extras import extra

_LESSONS = re.compile(r"\b[Ll]esson(?:\s+\d+|s\s+\d+(?:(?:,\s+and|,|\s+and|\s+to)\s+\d+)*)\b")
_FILE = re.compile(r"<code>(minivit/[\w/]+\.\w+)</code>")
_HEADING = re.compile(r"<h(\d)>(.*?)</h\1>", re.DOTALL)


def prose(text, chapter):
    """HTML of Markdown. Headings move down by a level, below the lesson's, and are named `chapter`-their-words.

    What is indented by four, in lessons formulas, becomes <pre class="formula">. Raises OSError where markdown-it-py is
    not installed.
    """
    markdown = extra("markdown_it").MarkdownIt("commonmark", {"html": False, "typographer": True})
    markdown.enable(["table", "smartquotes"])
    found = markdown.render(text).replace("<pre><code>", '<pre class="formula"><code>')
    found = found.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")

    def heading(match):
        level = int(match[1]) + 1
        return f'<h{level} id="{named(chapter, match[2])}">{match[2]}</h{level}>'
    return _HEADING.sub(heading, found)


def named(chapter, words):
    """The name of a heading: `lesson-8-what-norms-do`."""
    plain = html.unescape(re.sub("<[^>]+>", "", words)).lower()
    return "-".join([chapter, *re.findall(r"[a-z0-9]+", plain)])


def linked(page, targets):
    """HTML in which what it says of other parts is a link: "lessons 5 and 7", and `minivit/ops/softmax.py` in code.

    targets: {lesson number or file: fragment}. What lies in links, code or pre elements already is left alone.
    """
    def link(text, target):
        return f'<a href="#{targets[target]}">{text}</a>' if target in targets else text

    def to_lessons(match):
        one = re.fullmatch(r"\w+\s+(\d+)", match[0])
        return link(match[0], int(one[1])) if one else re.sub(r"\d+", lambda n: link(n[0], int(n[0])), match[0])

    page, inside, done = _FILE.sub(lambda match: link(match[0], match[1]), page), 0, []
    for piece in re.split(r"(<[^>]+>)", page):
        tag = re.match(r"<(/?)(a|code|pre|h\d|summary)\b", piece)
        if tag:
            inside += -1 if tag[1] else 1
        done.append(piece if inside or piece.startswith("<") else _LESSONS.sub(to_lessons, piece))
    return "".join(done)


def sentence(page):
    """The first sentence of the first paragraph of HTML, without tags; "" where there is none."""
    paragraph = re.search(r"<p>(.*?)</p>", page, re.DOTALL)
    text = " ".join(re.sub("<[^>]+>", "", paragraph[1]).split()) if paragraph else ""
    return re.match(r".*?[.?!](?=\s|$)|.*", text)[0]
