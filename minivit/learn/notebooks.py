"""Notebooks of the lessons, for Jupyter and Colab: `lessons/notebooks/NN_name.ipynb`, made from `lessons/NN_name.py`.

- `notebook(lesson)`: the text of one
- `write_notebooks(folder)`: all of them

They hold no outputs, and the same lesson gives the same bytes. A cell's id is made from its text, so that a small
change of a lesson is a small change of its notebook. The first cell installs minivit where it is not installed.
"""
import hashlib
import json
from collections import Counter
from pathlib import Path

from minivit.atomic import write_atomic
from minivit.learn.extras import extra
from minivit.learn.percent import lessons

INSTALL = """\
# minivit's repository: a folder (this notebook lies two below it), or in Colab "git+https://" and its address
repository = "../.."
import importlib.util
if importlib.util.find_spec("minivit") is None:
    %pip install -q {repository}"""
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def notebook(lesson):
    """The text of the notebook of a Lesson. Raises OSError where jupytext is not installed."""
    cells = [("code", INSTALL)]
    cells += [(cell.cell_type, cell.source) for cell in extra("jupytext").read(lesson.path, fmt="py:percent").cells]
    seen = Counter()
    content = {"cells": [_cell(kind, text, seen) for kind, text in cells], "metadata": METADATA, "nbformat": 4,
               "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(kind, text, seen):
    """A cell as the notebook format has it. seen: how often each text has come already, since ids may not repeat."""
    seen[kind, text] += 1
    name = hashlib.sha256(f"{kind} {seen[kind, text]} {text}".encode()).hexdigest()[:12]
    empty = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": {}, **empty, "source": text.splitlines(keepends=True)}


def write_notebooks(folder=None):
    """Write the notebooks of all lessons into `folder` (default: `notebooks` beside them). Returns their paths."""
    found = lessons().values()
    folder = next(iter(found)).path.parent / "notebooks" if folder is None else Path(folder)
    texts = {folder / f"{lesson.path.stem}.ipynb": notebook(lesson) for lesson in found}
    folder.mkdir(exist_ok=True)
    for path, text in texts.items():
        write_atomic(path, text.encode())
    return list(texts)
