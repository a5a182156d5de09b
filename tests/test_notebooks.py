"""The notebooks are the lessons: none has drifted away, none holds outputs, and all are as Jupyter wants them."""
import json
import re
import sys
import types
from pathlib import Path

import pytest

from minivit.cli import main
from minivit.learn import lesson as lessons_words, percent
from minivit.learn.notebooks import INSTALL, notebook, write_notebooks
from minivit.learn.percent import lessons, read_lesson

pytest.importorskip("jupytext", reason="notebooks are made by jupytext, of the extra [lessons]")

LESSONS = lessons()
NOTEBOOKS = percent.FOLDER / "notebooks"
TEXT = """# %% [markdown]
# # Lesson 3: loops
#
#     y = 2 x
#
# That is all, says *nobody*.

# %%
print("once")

# %%
print("once")

# %% [markdown]
# The \N{GREEK SMALL LETTER ALPHA} and the \N{CHECK MARK}.


# %%
def f(x):

    return 2 * x
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one lesson, which the command finds."""
    (tmp_path / "03_loops.py").write_text(TEXT, "utf-8")
    monkeypatch.setattr(percent, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", LESSONS)
def test_no_notebook_has_drifted_from_its_lesson(number):
    path = NOTEBOOKS / f"{LESSONS[number].path.stem}.ipynb"
    kept = path.read_text("utf-8") if path.exists() else ""
    same = kept == notebook(LESSONS[number])
    assert same, f"{path.name} is not what {LESSONS[number].path.name} says: run minivit learn notebooks, and commit"


def test_every_notebook_has_a_lesson():
    known = {lesson.path.stem for lesson in LESSONS.values()}
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} <= known


@pytest.mark.parametrize("number", LESSONS)
def test_a_notebook_has_the_cells_of_its_lesson(number):
    """Two readers of the format, jupytext's and the stepper's, see the same cells."""
    lesson = read_lesson(LESSONS[number].path)
    first, *cells = json.loads(notebook(lesson))["cells"]
    assert "".join(first["source"]) == INSTALL
    assert [(cell["cell_type"] == "code", "".join(cell["source"])) for cell in cells] == [
        (cell.code, cell.text) for cell in lesson.cells]


def test_a_notebook_is_valid_has_no_outputs_and_ids_that_stay(folder):
    nbformat = pytest.importorskip("nbformat")
    path, = write_notebooks()
    assert path == folder / "notebooks" / "03_loops.ipynb"
    text = path.read_text("utf-8")
    made = nbformat.reads(text, 4)
    nbformat.validate(made)
    assert [cell.cell_type for cell in made.cells] == ["code", "markdown", "code", "code", "markdown", "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in made.cells if cell.cell_type == "code")
    assert made.cells[1].source.startswith("# Lesson 3: loops\n\n    y = 2 x\n")
    assert "\N{GREEK SMALL LETTER ALPHA}" in text and text.endswith("}\n")
    ids = [cell.id for cell in made.cells]
    assert len(set(ids)) == len(ids)
    assert notebook(read_lesson(folder / "03_loops.py")) == text
    (folder / "03_loops.py").write_text(TEXT.replace("2 * x", "3 * x"), "utf-8")
    changed = json.loads(notebook(read_lesson(folder / "03_loops.py")))["cells"]
    assert [cell["id"] == name for cell, name in zip(changed, ids)] == [True] * 5 + [False]


def test_the_command_writes_them_and_leaves_others_alone(folder, capsys):
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "04_mine.ipynb").write_text("mine")
    assert main(["learn", "notebooks"]) == 0
    assert capsys.readouterr().out == f"{folder / 'notebooks'}: written: 03_loops.ipynb\n"
    assert (folder / "notebooks" / "04_mine.ipynb").read_text() == "mine"
    assert json.loads((folder / "notebooks" / "03_loops.ipynb").read_text("utf-8"))["nbformat"] == 4


def test_without_jupytext_it_says_what_to_install(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    assert main(["learn", "notebooks"]) == 2
    assert "pip install -e '.[lessons]'" in capsys.readouterr().err and not (folder / "notebooks").exists()


def test_the_first_cell_installs_minivit_only_where_it_is_not(monkeypatch):
    wanted, installed = INSTALL.replace("%pip install -q {repository}", "installed.append(repository)"), []
    exec(wanted, {"installed": installed})
    assert installed == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    exec(wanted, {"installed": installed})
    assert installed == ["../.."] and (NOTEBOOKS / installed[0] / "setup.cfg").exists()


def test_a_picture_is_shown_in_a_notebook(monkeypatch, tmp_path, capsys):
    """As an image: a Figure by itself is drawn only where pyplot has been told to."""
    shown = []
    display = types.SimpleNamespace(Image=lambda **about: about, display=shown.append)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setenv("MINIVIT_LAB", str(tmp_path))
    figure = types.SimpleNamespace(savefig=lambda path, **settings: Path(path).write_bytes(b"png"))
    lessons_words.show(figure, "03-line", alt="a line")
    path = tmp_path / "pictures" / "03-line.png"
    assert shown == [{"filename": path, "alt": "a line"}] and path.exists()
    assert re.search("picture: .*03-line.png\n +a line", capsys.readouterr().out)
