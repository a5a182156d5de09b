"""The book: what a lesson prints and draws is in it, in order; it is one file that needs nothing else and is easy to
read, also for those who use a keyboard, a phone, or a screen reader; a lesson that fails leaves no book."""
import base64
import hashlib
import html
import inspect
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from minivit import __version__
from minivit.cli import main
from minivit.function import FUNCTIONS
from minivit.learn import percent
from minivit.learn.book import forms
from minivit.learn.book.chapters import heading_of, plain
from minivit.learn.book.page import page
from minivit.learn.book.prose import linked, named, prose, sentence
from minivit.learn.book.recording import Claim, LessonFailed, Picture, Printed, record
from minivit.learn.book.source import highlighted
from minivit.learn.percent import read_lesson

pytest.importorskip("markdown_it", reason="the book is made with markdown-it-py, of the extra [lessons]")
pytest.importorskip("pygments", reason="the book is made with Pygments, of the extra [lessons]")

OPS = Path(forms.__file__).parents[2] / "ops"
FIRST = """# %% [markdown]
# # Lesson 3: one & two
#
# A first sentence. See lesson 4, lessons 4 and 99, and `minivit/ops/gelu.py`; <b>no tags</b>.
#
#     y = x < 2
#
# ## Part one
#
# | a | b |
# |---|---|
# | 1 | 2 |

# %%
import os
from matplotlib.figure import Figure
from minivit.learn.lesson import FAST, claim, lab, show

print("<script>alert(1)</script>", "fast" if FAST else "full")
os.write(1, b"past Python")
claim("one is < two", 1 < 2)
figure = Figure(figsize=(9, 2))
figure.subplots().plot([0, 1])
show(figure, "03-line", alt="a line that rises, with \\"quotes\\"")
print(f"kept in {lab() / 'line.html'}")

# %% [markdown]
# **Exercise `gelu_backward`** (10 min): dx from dy and x. `minivit learn check
# gelu_backward`
#
# And on it goes.

# %%
line = "a line of code that is far too long for a telephone, and for most other screens too, so that its box scrolls"
"""
SECOND = """# %% [markdown]
# # Lesson 4: more
#
# A second sentence.

# %%
print("done")
"""
VOID = ("meta", "img", "br", "link", "input")


class Elements(HTMLParser):
    """Every element of a page, with its attributes, its text, and the tags around it."""

    def __init__(self, text):
        super().__init__()
        self.found, self.around = [], []
        self.feed(text)
        assert self.around == []

    def handle_starttag(self, tag, attributes):
        element = SimpleNamespace(tag=tag, text="", inside=[each.tag for each in self.around], **{
            "attributes": dict(attributes)})
        self.found.append(element)
        if tag not in VOID:
            self.around.append(element)

    def handle_endtag(self, tag):
        assert self.around.pop().tag == tag

    def handle_data(self, data):
        for element in self.around:
            element.text += data

    def all(self, *tags, of=None):
        return [each for each in self.found if each.tag in tags
                and (of is None or of in each.attributes.get("class", "").split())]


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    """A folder with two lessons."""
    folder = tmp_path_factory.mktemp("lessons")
    (folder / "03_one.py").write_text(FIRST, "utf-8")
    (folder / "04_two.py").write_text(SECOND, "utf-8")
    return folder


@pytest.fixture(scope="module")
def recorded(lessons):
    return {lesson: record(lesson, fast=True) for lesson in percent.lessons(lessons).values()}


@pytest.fixture(scope="module")
def text(recorded):
    return page(recorded, True, __version__)


@pytest.fixture(scope="module")
def elements(text):
    return Elements(text)


@pytest.fixture
def build(lessons, tmp_path, monkeypatch, capsys):
    """build(*words): (exit status, what was printed, what was complained), with `lessons` and a folder to write to."""
    monkeypatch.setattr(percent, "FOLDER", lessons)
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return main(["learn", "build", *words]), *capsys.readouterr()
    return run


def lesson_of(tmp_path, code):
    (tmp_path / "05_test.py").write_text(f"# %% [markdown]\n# # Lesson 5: test\n\n# %%\nfine = 1\n\n# %%\n{code}\n")
    return read_lesson(tmp_path / "05_test.py")


# What a lesson does

def test_what_a_cell_prints_and_draws_is_kept_in_its_order(recorded):
    first, second = recorded.values()
    text, code, exercise, last = first
    assert text == exercise == last == []
    printed, claim, picture, after = code
    assert printed == Printed("<script>alert(1)</script> fast") and claim == Claim("one is < two")
    assert isinstance(picture, Picture) and picture.png.startswith(b"\x89PNG") and picture.size[0] > 600
    assert picture.alt == 'a line that rises, with "quotes"'
    assert after == Printed("kept in ~/minivit-lab/line.html")
    assert second == [[], [Printed("done")]]


def test_the_full_mode_is_another(tmp_path):
    lesson = lesson_of(tmp_path, "from minivit.learn.lesson import FAST\nprint(FAST)")
    assert record(lesson)[-1] == [Printed("False")]


@pytest.mark.parametrize("code, where, what", [
    ("\nassert fine == 2, 'it is 1'", "cell 3 of 3, at {path}:9", "AssertionError: it is 1"),
    ("if fine", "cell 3 of 3, at {path}:8", "SyntaxError"),
    ("import os, sys\nprint('last words', file=sys.stderr)\nsys.stderr.flush()\nos._exit(3)",
     "ended in cell 3 of 3, with exit status 3", "last words"),
    ("raise SystemExit", "ended in cell 3 of 3", "")], ids=["error", "syntax", "dies", "exits"])
def test_a_lesson_that_fails_is_named_with_its_cell(tmp_path, code, where, what):
    lesson = lesson_of(tmp_path, code)
    with pytest.raises(LessonFailed) as failure:
        record(lesson)
    said = str(failure.value)
    assert said.startswith("lesson 5 ") and where.format(path=lesson.path) in said and what in said
    assert "recorder.py" not in said


def test_a_lesson_that_is_being_written_is_not_mixed_up(tmp_path):
    lesson = lesson_of(tmp_path, "print(1)")
    lesson_of(tmp_path, "print(2)\n\n# %%\nprint(3)")
    with pytest.raises(LessonFailed, match="lesson 5 has changed since"):
        record(lesson)


# The command

def test_it_builds_one_file_the_same_each_time(build, text, tmp_path):
    status, printed, complained = build("--fast")
    assert status == 0 and "book.html: 2 lessons, 0." in printed
    assert complained.splitlines()[0].startswith("lesson 3: ") and len(complained.splitlines()) == 2
    assert (tmp_path / "book.html").read_text("utf-8") == text
    assert build("4", "4", "--out", "one.html")[:2] == (0, f"one.html: 1 lesson, {one_mb(tmp_path)} MB; open it in a "
                                                           f"browser\n")
    assert "lessons run in full." in (tmp_path / "one.html").read_text("utf-8")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["book.html", "one.html"]


def one_mb(folder):
    return f"{(folder / 'one.html').stat().st_size / 1e6:.1f}"


def test_a_lesson_that_fails_leaves_the_old_book(build, tmp_path, monkeypatch):
    monkeypatch.setattr(percent, "FOLDER", lesson_of(tmp_path, "1 / 0").path.parent)
    (tmp_path / "book.html").write_text("old")
    status, printed, complained = build()
    assert (status, printed) == (1, "") and "ZeroDivisionError" in complained and "no book was written" in complained
    assert sorted(each.name for each in tmp_path.iterdir()) == ["05_test.py", "book.html"]
    assert (tmp_path / "book.html").read_text() == "old"


def test_what_it_refuses(build, monkeypatch):
    assert build("7")[0::2] == (2, "minivit learn: error: unknown lesson '7'; there are: 3, 4\n")
    status, _, complained = build("--out", "nowhere/book.html")
    assert status == 2 and "there is no folder nowhere" in complained
    status, _, complained = build("--out", ".")
    assert status == 2 and "--out . is a folder" in complained
    for module, words in (("markdown_it", "markdown_it is not installed"), ("pygments", "pygments is not installed")):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, module, None)
            status, _, complained = build()
            assert status == 2 and words in complained and "pip install -e '.[lessons]'" in complained


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_ctrl_c_leaves_nothing_behind(tmp_path):
    lesson = lesson_of(tmp_path, "import os, pathlib, time\npathlib.Path(os.environ['STARTED']).write_text(str("
                                 "os.getpid()))\ntime.sleep(60)")
    (tmp_path / "temporary").mkdir()
    script = ("import sys\nfrom pathlib import Path\nfrom minivit.cli import main\nfrom minivit.learn import percent\n"
              f"percent.FOLDER = Path({str(lesson.path.parent)!r})\nsys.exit(main(['learn', 'build']))")
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, env=os.environ | {
                                   "STARTED": str(tmp_path / "started"), "TMPDIR": str(tmp_path / "temporary")})
    deadline = time.monotonic() + 60
    while not ((tmp_path / "started").exists() and (tmp_path / "started").read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)                   # as a terminal does, to all of the foreground
    assert process.communicate(timeout=30)[1] == "interrupted\n" and process.returncode == 130
    assert not (tmp_path / "book.html").exists() and list((tmp_path / "temporary").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "started").read_text()), 0)


# The page

def test_a_page_holds_all_of_a_lesson(elements):
    assert [each.text for each in elements.all("h2")] == ["Lesson 3 One & two", "Lesson 4 More",
                                                          "Each op in three forms"]
    assert "y = x < 2\n" in [each.text for each in elements.all("pre", of="formula")]
    assert [each.text for each in elements.all("p", of="claim")] == ["one is < two"]
    assert [each.text for each in elements.all("pre", of="printed")] == [
        "<script>alert(1)</script> fast", "kept in ~/minivit-lab/line.html", "done"]
    code = [each.text for each in elements.all("pre", of="code")]
    assert code[0] == read_text(FIRST, 1) and any(each.startswith("line = ") for each in code)
    small = [each.text for each in elements.all("small") if "ol" in each.inside]
    assert small[:2] == ["A first sentence.", "A second sentence."]
    assert "in the fast mode" in elements.all("p", of="made")[0].text
    assert elements.all("table")[0].inside[-1] == "div" and "<b>no tags</b>" in elements.all("main")[0].text


def read_text(lesson, cell):
    """The text of a cell of code."""
    return lesson.split("# %%")[cell + 1].strip()


def test_a_solution_is_seen_only_by_those_who_open_it(elements):
    box, = elements.all("aside")
    assert "10 minutes, easy" in box.text and "gelu_backward: dx from dy and x." in box.text
    assert elements.all("pre", of="command")[0].text == "minivit learn check gelu_backward"
    folds = [each for each in elements.all("details") if "aside" in each.inside]
    assert [each.text.split("\n")[0] for each in folds] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3",
                                                            "Solution, and why"]
    assert not any("open" in each.attributes for each in folds)
    solutions = [each for each in elements.all("pre") if "def gelu_backward" in each.text]
    assert len(solutions) == 1 and "details" in solutions[0].inside


def test_all_links_lead_somewhere_in_the_page_and_names_are_unique(elements):
    names = [each.attributes["id"] for each in elements.found if "id" in each.attributes]
    assert len(names) == len(set(names))
    links = [each.attributes["href"] for each in elements.all("a")]
    assert len(links) > 20 and {link.removeprefix("#") for link in links} <= set(names)
    inside = [(each.text, each.attributes["href"]) for each in elements.all("a") if each.inside[-1] == "p"]
    assert inside[:3] == [("lesson 4", "#lesson-4"), ("4", "#lesson-4"), ("minivit/ops/gelu.py", "#forms-gelu")]


def test_headings_come_in_order_and_pictures_have_words(elements):
    levels = [int(each.tag[1]) for each in elements.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    picture, *_ = elements.all("img")
    assert picture.attributes["alt"] == 'a line that rises, with "quotes"'
    assert picture.attributes["src"].startswith("data:image/png;base64,") and int(picture.attributes["width"]) > 600
    assert all(each.text.strip() or each.attributes.get("aria-label") or picture.attributes["alt"]
               for each in elements.all("button", "a", "summary"))
    assert elements.all("html")[0].attributes["lang"] == "en"


def test_a_page_asks_for_nothing(text, elements):
    """Its policy forbids it; what it runs is named by its hash."""
    policy = next(each.attributes["content"] for each in elements.all("meta") if "http-equiv" in each.attributes)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for tag in ("script", "style"):
        only, = elements.all(tag)
        digest = base64.b64encode(hashlib.sha256(only.text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"<[^>]+\b(?:src|href|style)=\"(?!data:image/png|#)", text)
    assert "url(" not in text and str(Path.home()) not in text and len(text) < 1e6


# The forms, side by side

def test_every_op_with_three_forms_is_there_as_its_files_have_it():
    chapter = html.unescape(re.sub("<[^>]+>", "", forms.forms_chapter({})))
    functions = [each for each in FUNCTIONS.values() if "cuda" in each.forms and "minivit.ops" in each.__module__]
    assert len(functions) >= 8 and {each.__module__.rpartition(".")[2] for each in functions} >= {
        "softmax", "gelu", "layernorm", "attention", "cross_entropy"}
    for function in functions:
        for half in (function.forms["composed"], function.forward, function.backward):
            body = inspect.getsource(half).partition("def ")[2].splitlines()
            for line in body:
                assert line.strip() in chapter, f"{function.name}: {line}"
    for path in [*OPS.glob("*.cu"), *(OPS / name for name in forms.HEADERS)]:
        text = path.read_text("utf-8")
        for line in text[text.index("\n\n"):].splitlines():
            assert line.strip() in chapter or line.startswith("#include"), f"{path.name}: {line}"
    helpers = inspect.getsource(sys.modules["minivit.ops.gelu"]._exact_float32)
    assert chapter.count(helpers.splitlines()[0]) == 1


def test_each_kernel_stands_beside_its_function():
    chapter = forms.forms_chapter({})
    sections = re.split('<h4 id="forms-', chapter)[1:]
    beside = {section.partition('"')[0]: set(re.findall(r"\b(\w+_(?:forward|backward)\w*)\(", re.sub(
        "<[^>]+>", "", section.partition("CUDA <span>")[2].partition("</div>")[0]))) for section in sections}
    assert beside["softmax-softmax"] == {"softmax_forward", "softmax_backward"}
    assert beside["softmax-log_softmax"] == {"log_softmax_forward", "log_softmax_backward"}
    assert beside["attention-attention"] == {"attention_forward", "attention_backward_q", "attention_backward_kv"}
    assert beside["gelu-bias_gelu"] == {"bias_gelu_forward", "bias_gelu_backward"}
    assert "void __launch_bounds__(128) drop_path(" in re.sub("<[^>]+>", "", chapter)


# Text and code

def test_no_lesson_has_a_heading_twice():
    """Links lead to headings by their words."""
    for lesson in percent.lessons().values():
        headings = re.findall("(?m)^#+ (.*)", "\n".join(cell.text for cell in lesson.cells if not cell.code))
        assert len({named("x", words) for words in headings}) == len(headings), lesson.path.name


@pytest.mark.parametrize("file, language", [("softmax.py", "python"), ("attention.cu", "cuda"), ("rows.cuh", "cuda")])
def test_highlighting_changes_no_letter(file, language):
    code = (OPS / file).read_text("utf-8")
    found = highlighted(code, language)
    assert html.unescape(re.sub("<[^>]+>", "", found)) == code
    assert {"keyword", "number", "comment" if language == "cuda" else "text"} <= set(
        re.findall(r'class="(\w+)"', found))


def test_links_are_made_where_they_help():
    targets = {3: "three", 12: "twelve", "minivit/ops/gelu.py": "gelu"}
    for before, after in (
            ("<p>Lesson\n3 said</p>", '<p><a href="#three">Lesson\n3</a> said</p>'),
            ("<p>lessons 3, 4 and 12.</p>", '<p>lessons <a href="#three">3</a>, 4 and <a href="#twelve">12</a>.</p>'),
            ("<p>lesson 3, 12 images</p>", '<p><a href="#three">lesson 3</a>, 12 images</p>'),
            ("<code>minivit/ops/gelu.py</code>", '<a href="#gelu"><code>minivit/ops/gelu.py</code></a>'),
            ("<pre>lesson 3</pre><h3>lesson 3</h3><code>lesson 3</code><a>lesson 3</a>", None),
            ("<p>lesson 30, lesson 4</p>", None)):
        assert linked(before, targets) == (after or before)


def test_hints_are_plain_text_and_their_code_stays_as_it_is():
    for text in ("np.einsum('bo,bo->b', a_1*b_1) + x[`i`] <= \"one\" | #2", "it's", "a * b * c"):
        found = html.unescape(re.sub("<[^>]+>", "", prose(plain(text), "x"))).strip()
        assert found.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") == text
    assert heading_of("attention's way") == "Attention\N{RIGHT SINGLE QUOTATION MARK}s way"


def test_markdown_as_the_lessons_write_it():
    found = prose("## a *b* & `c`\n\nIt's `x < y`:\n\n    m = a * b * c\n\n- one\n- two\n", "lesson-1")
    assert '<h3 id="lesson-1-a-b-c">a <em>b</em> &amp; <code>c</code></h3>' in found
    assert "<p>It\N{RIGHT SINGLE QUOTATION MARK}s <code>x &lt; y</code>:</p>" in found
    assert '<pre class="formula"><code>m = a * b * c\n</code></pre>' in found and "<li>one</li>" in found
    assert sentence("<h2>No</h2><p>Is <b>e.g.5</b> it?\nYes.</p>") == "Is e.g.5 it?" and sentence("<h2>a</h2>") == ""


# In a browser

@pytest.fixture(scope="module")
def file(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("book") / "book.html"
    path.write_text(text, "utf-8")
    return path


def asked_for(opened):
    """What a page has asked for, and what its console complained of; pictures lie in the page."""
    return [url for url in opened.requests if not url.startswith("data:")] + opened.complaints


CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const linear = value => value <= 10.31 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ground = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return /, 0\\)$/.test(colour) && element.parentElement ? ground(element.parentElement) : colour;
  };
  const found = {};
  for (const element of document.querySelectorAll("body *"))
    if ([...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()) && element.checkVisibility()) {
      const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
      const name = element.tagName + "." + element.className;
      found[name] = Math.min(found[name] ?? 99, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
    }
  return found;
})()"""


@pytest.mark.parametrize("width, dark", [(1280, False), (1280, True), (360, False), (360, True)])
def test_it_fits_and_can_be_read(browser, file, width, dark):
    opened = browser.open(file, width=width, height=800, dark=dark)
    opened.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    opened.evaluate("document.querySelectorAll('.chapter').forEach(each => each.style.contentVisibility = 'visible')")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    wide = opened.evaluate("[...document.querySelectorAll('pre')].filter(e => e.scrollWidth > e.clientWidth).length")
    assert wide > 0 or width > 1000
    contrasts = opened.evaluate(CONTRAST)
    assert {"SPAN.keyword", "SPAN.text", "SPAN.number", "SPAN.comment", "SPAN.name", "P.claim", "FIGCAPTION.", "P.",
            "SUMMARY."} <= set(contrasts)
    assert min(contrasts.values()) >= 4.5, contrasts
    assert opened.evaluate("getComputedStyle(document.querySelector('.picture')).backgroundColor") == (
        "rgb(255, 255, 255)")
    assert asked_for(opened) == []
    opened.close()


def test_contents_theme_and_pictures_by_keys_alone(browser, file):
    opened = browser.open(file, width=360, height=700)

    def shown(selector):
        return opened.evaluate(f"document.querySelector('{selector}').checkVisibility()")
    assert not shown("#contents") and opened.evaluate("document.querySelector('#theme').textContent") == "Dark"
    opened.press("Tab", "Tab")
    assert opened.evaluate("document.activeElement.id") == "menu"
    opened.press("Enter")
    assert shown("#contents") and opened.evaluate("document.activeElement.ariaExpanded") == "true"
    opened.press("Escape")
    assert not shown("#contents") and opened.evaluate("document.activeElement.id") == "menu"
    opened.press("Enter")
    opened.evaluate("document.querySelector('#contents a').click()")
    opened.wait("document.querySelector('#here').textContent === '3 One & two'")
    assert not shown("#contents") and opened.evaluate("location.hash") == "#lesson-3"
    opened.evaluate("document.querySelector('.picture').focus()")
    opened.press("Enter")
    assert opened.evaluate("document.querySelector('dialog').open")
    assert opened.evaluate("document.querySelector('dialog img').naturalWidth") > 600
    opened.press("Escape")
    assert not opened.evaluate("document.querySelector('dialog').open")
    opened.evaluate("document.querySelector('#theme').click()")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    opened.go(file, "#forms-gelu")
    opened.wait("window.minivit && document.documentElement.dataset.theme === 'dark'")
    opened.evaluate("document.querySelector('#theme').click()")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 247)"
    assert asked_for(opened) == []
    opened.close()


def test_the_contents_know_where_the_reader_is(browser, file):
    opened = browser.open(file, "#lesson-3-part-one", height=800)
    assert opened.evaluate("document.querySelector('#contents').checkVisibility()")
    opened.wait("document.querySelector('[aria-current]')?.textContent === 'Part one'")
    opened.evaluate("document.querySelector('#forms-attention').scrollIntoView()")
    opened.wait("document.querySelector('[aria-current]')?.textContent === 'Attention'")
    assert opened.evaluate("document.querySelectorAll('[aria-current]').length") == 1
    opened.evaluate("document.documentElement.dataset.theme = 'dark'")
    opened.call("Emulation.setEmulatedMedia", media="print")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 247)"
    assert not opened.evaluate("document.querySelector('#contents').checkVisibility()")
    assert opened.evaluate("getComputedStyle(document.querySelector('pre.code')).whiteSpace") == "pre-wrap"
    assert asked_for(opened) == []
    opened.close()


def test_a_book_of_four_megabytes_opens_within_two_seconds(browser, recorded, text, tmp_path):
    """Sixteen lessons with two dozen pictures each, or so: as large as the real one."""
    first = text.index('<section class="chapter"')
    last = text.index('<section class="chapter"', first + 9)
    chapter = re.sub(' id="[^"]*"', "", text[first:last]) * 300
    (tmp_path / "large.html").write_text(text[:last] + chapter + text[last:], "utf-8")
    assert (tmp_path / "large.html").stat().st_size > 4e6
    times = []
    while len(times) < 4 and min(times, default=3000) >= 2000:              # others may be at work on this machine
        opened = browser.open(tmp_path / "large.html")
        times.append(opened.evaluate("minivit.opened"))
        opened.close()
    assert min(times) < 2000
