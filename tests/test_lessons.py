"""Every lesson runs from top to bottom in its fast mode, offline; what it claims holds; what it links to is there."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minivit.learn import catalogue

TOP = Path(__file__).parent.parent
LESSONS = sorted((TOP / "lessons").glob("[0-9][0-9]_*.py"))
TEXTS = {path: re.sub(r"\n# (?=\S)", " ", path.read_text()) for path in LESSONS}        # sentences are wrapped
TICK = "\N{CHECK MARK} "


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """run(lesson): (what it printed, the folder of its pictures); each lesson is run once."""
    done = {}

    def once(path):
        if path not in done:
            lab = tmp_path_factory.mktemp(path.stem)
            environment = os.environ | {"MINIVIT_LESSON": "fast", "MINIVIT_LAB": str(lab), "MPLBACKEND": "Agg"}
            result = subprocess.run([sys.executable, path], cwd=lab, env=environment, capture_output=True, text=True,
                                    timeout=120)
            assert result.returncode == 0, result.stdout[-2000:] + result.stderr
            done[path] = result.stdout, lab / "pictures"
        return done[path]
    return once


def number(path):
    return int(path.name[:2])


def test_there_are_sixteen_lessons():
    assert [number(path) for path in LESSONS] == list(range(1, 17))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_and_what_it_claims_holds(path, run):
    printed, pictures = run(path)
    assert printed.count(TICK) >= 4
    named = re.findall(r"^picture: (.*\.png)$", printed, re.MULTILINE)
    assert 1 <= len(named) and {Path(name) for name in named} == set(pictures.iterdir())
    assert all(Path(name).stat().st_size > 5000 for name in named)
    assert all(Path(name).name.startswith(path.name[:2] + "-") for name in named)


def test_the_lessons_together_make_at_least_60_claims(run):
    assert sum(run(path)[0].count(TICK) for path in LESSONS) >= 60


def test_every_exercise_belongs_to_one_lesson_which_names_it():
    for slug in catalogue.slugs():
        exercise = catalogue.exercise(slug)
        naming = [number(path) for path, text in TEXTS.items() if re.search(rf"minivit learn check {slug}\b", text)]
        assert naming == [exercise.lesson], slug
    for path, text in TEXTS.items():
        assert 2 <= len(set(re.findall(r"minivit learn check (\w+)", text))) <= 4, path


def test_lessons_and_operations_link_to_each_other():
    for operation in sorted((TOP / "minivit/ops").glob("*.py")):
        docstring = operation.read_text().partition('"""')[2].partition('"""')[0]
        for lesson in re.findall(r"[Ll]essons? (\d+)", docstring):
            path = next((path for path in LESSONS if number(path) == int(lesson)), None)
            if path is not None:
                assert f"minivit/ops/{operation.name}" in TEXTS[path], f"{operation.name} and lesson {lesson}"
    for path, text in TEXTS.items():
        for file in re.findall(r"\bminivit/[\w/]+\.py\b", text):
            assert (TOP / file).exists(), f"{path.name} names {file}"


def test_the_list_of_lessons_is_complete():
    table = (TOP / "lessons" / "README.md").read_text()
    for path in LESSONS:
        assert f"]({path.name})" in table
    for slug in catalogue.slugs():
        assert f"`{slug}`" in table, slug
