"""What all tests share: the option `--show-gradients`, for readers who want to see the numbers behind a pass.

    pytest tests/test_gradients.py -k layernorm --show-gradients
"""
import subprocess
import sys
from pathlib import Path

import pytest


def pytest_addoption(parser):
    parser.addoption("--show-gradients", action="store_true",
                     help="print, for each gradient check, the analytic and the numeric value at the worst place, and "
                          "the error of each form")


@pytest.fixture
def show_gradients(request, capsys):
    """A function that prints, without -s too, the text that its argument returns; silent without the option."""
    def show(describe):
        if request.config.getoption("--show-gradients"):
            with capsys.disabled():
                print(f"\n{describe()}")
    return show


@pytest.fixture
def run_pytest():
    """A function that runs pytest in a new process, at the top of the repository, and returns what it printed."""
    def run(*arguments):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    return run
