"""The examples are run as they stand, each in a fast mode, and stay short enough to be read."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SAID = {"mnist": "next: minivit predict digits.safetensors", "cifar10": "test accuracy ",
        "own_folder": "of the test images are classified rightly", "pretrain_finetune": "random",
        "distill": "gained by the teacher: "}


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_and_is_short(name, tmp_path):
    script = EXAMPLES / f"{name}.py"
    assert len(script.read_text().splitlines()) < 80 and script.read_text().isascii()
    done = subprocess.run([sys.executable, script, "--fast"], capture_output=True, text=True, cwd=tmp_path,
                          env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert SAID[name] in done.stdout and "Traceback" not in done.stderr


def test_a_look_inside_draws_what_it_found_in_a_run(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES.parent)}
    small = ["--train-images", "200", "--epochs", "1", "--depth", "2", "--quiet"]
    subprocess.run([sys.executable, "-m", "minivit", "train", *small, "--out", tmp_path / "run"], check=True,
                   env=environment)
    script = EXAMPLES / "look_inside.py"
    assert len(script.read_text().splitlines()) < 80
    done = subprocess.run([sys.executable, script, tmp_path / "run", "--out", tmp_path / "seen"], capture_output=True,
                          text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Rank correlation of block and distance" in done.stdout
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {"filters.png", "positions.png", "distance.png",
                                                                     "rollout.png"}


def test_experiments_say_how_they_are_called():
    done = subprocess.run([sys.executable, EXAMPLES / "results" / "run.py", "--help"], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)})
    assert done.returncode == 0 and "positions" in done.stdout
