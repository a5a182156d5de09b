"""What tests share: data and runs on disk, command lines in this process, and the option `--show-gradients`, for
readers who want to see the numbers behind a pass.

    pytest tests/test_gradients.py -k layernorm --show-gradients
"""
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, browser_path
from PIL import Image

from minivit.backend import why_no_cuda
from minivit.cli import main
from minivit.cuda import verified, why_no_emulator
from minivit.cuda.kernels import FILES
from minivit.cuda.standin import standing_in
from minivit.data import mnist5k


def pytest_addoption(parser):
    parser.addoption("--show-gradients", action="store_true",
                     help="print, for each gradient check, the analytic and the numeric value at the worst place, and "
                          "the error of each form")
    parser.addoption("--record-gpu", action="store_true",
                     help="enter kernels that pass on a GPU into examples/benchmarks/results/gpu_verified.json")


def pytest_terminal_summary(terminalreporter):
    """Which kernels have changed since a GPU ran them, or were never run on one."""
    lines = verified.unverified(verified.FILE, FILES.values())
    if lines:
        terminalreporter.section("CUDA kernels not verified on a GPU")
        terminalreporter.write_line("\n".join(lines))


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


# Data and runs. Those of a session are read by many tests and changed by none.

@pytest.fixture(scope="session")
def write_digits():
    """A function that makes a folder of MNIST's idx files with the first digits of mnist5k."""
    def write(folder, train=0, test=0):
        folder.mkdir(exist_ok=True)
        data = mnist5k()
        for prefix, split, n in (("train", data.train, train), ("t10k", data.test, test)):
            if n:
                images, labels = split.images[:n, :, :, 0], split.labels[:n].astype(np.uint8)
                for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
                    (folder / f"{prefix}-{kind}-ubyte").write_bytes(header + array.tobytes())
        return folder
    return write


@pytest.fixture(scope="session")
def data(tmp_path_factory, write_digits):
    """A folder of 40 + 20 digits, one with the two t10k files only, one with training files only, an empty one."""
    folder = tmp_path_factory.mktemp("data").resolve()
    write_digits(folder / "digits", train=40, test=20)
    write_digits(folder / "t10k", test=10)
    write_digits(folder / "train", train=20)
    write_digits(folder / "empty")
    return folder


@pytest.fixture(scope="session")
def digits(data):
    """40 digits to train on and 20 to test on."""
    return data / "digits"


@pytest.fixture(scope="session")
def tiny_flags():
    """A model and a run so small that training is over at once."""
    return ["--embed-dim", "8", "--depth", "1", "--num-heads", "2", "--batch-size", "20", "--epochs", "1"]


@pytest.fixture(scope="session")
def run_folder(data, digits, tiny_flags):
    """A finished run of a tiny model."""
    folder = data / "run"
    assert main(["train", "--data", str(digits), "--out", str(folder), "--quiet", *tiny_flags]) == 0
    return folder


@pytest.fixture
def digit(tmp_path):
    """A PNG file of a handwritten 3."""
    Image.fromarray(mnist5k().test.images[3, :, :, 0]).save(tmp_path / "three.png")
    return tmp_path / "three.png"


# Machines with CUDA

@pytest.fixture
def standin():
    """The strict stand-in for CuPy: a Machine with two GPUs, which counts what it is asked to do."""
    if why_no_emulator() is not None:
        pytest.skip(why_no_emulator())
    with standing_in(gpus=2) as machine:
        yield machine


@pytest.fixture(params=["standin", "gpu"])
def cuda(request):
    """CUDA for a test: by the stand-in, a Machine, and by a GPU, None; skipped with the reason where there is none."""
    if request.param == "standin":
        return request.getfixturevalue("standin")
    if why_no_cuda() is not None:
        pytest.skip(f"no GPU: {why_no_cuda()}")


# Browsers

@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One Chromium for all tests of a file."""
    if browser_path() is None:
        pytest.skip("there is no Chromium: what runs in a browser is not tried")
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


# Command lines

@pytest.fixture
def minivit(capsys):
    """Run a command line in this process: (exit status, what it printed, what it complained)."""
    def run(*words):
        try:
            status = main([str(word) for word in words])
        except SystemExit as exit:                                          # argparse's
            status = exit.code
        return status, *capsys.readouterr()
    return run


@pytest.fixture
def refuses(minivit):
    """Check that a command line ends with status 2 and one sentence, on stderr, with each of `words` in it.

    by: who speaks, by default the command. usage: whether argparse prints how to write the line before it.
    """
    def run(*line, words, by=None, usage=False):
        status, printed, complaint = minivit(*line)
        assert (status, printed) == (2, "")
        *before, sentence = complaint.splitlines()
        assert (before != []) is usage and all(text.startswith(("usage: ", " ")) for text in before)
        assert sentence.startswith(f"{by or f'minivit {line[0]}'}: error: ")
        for word in words:
            assert word in sentence
    return run
