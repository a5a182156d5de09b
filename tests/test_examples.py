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


def test_experiments_say_how_they_are_called():
    done = subprocess.run([sys.executable, EXAMPLES / "results" / "run.py", "--help"], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)})
    assert done.returncode == 0 and "positions" in done.stdout
