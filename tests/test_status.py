"""`minivit doctor`'s questions about CUDA: each answered in every state of a machine, and none raises."""
import ctypes
import importlib
import importlib.metadata
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minivit.cuda import status
from minivit.cuda.status import Check, Missing, cuda_checks, emulator_checks

ROOT = Path(__file__).parent.parent


class Machine:
    """What the questions meet: a driver, CuPy and its libraries, each as a test wants it."""

    def __init__(self, monkeypatch):
        self.driver, self.built, self.gpus, self.wheels = 13020, 13020, 1, {"cupy-cuda13x"}
        self.libraries = {"cupy": self.cupy(), "cuda.pathfinder": SimpleNamespace(
            find_nvidia_header_directory=lambda name: "/include")}
        self.product = [[1, 3], [3, 13]]
        self.factor = 2
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(importlib, "import_module", self.import_module)
        monkeypatch.setattr(importlib.metadata, "version", self.version)
        monkeypatch.setattr(ctypes, "CDLL", self.load)
        library = SimpleNamespace(version=lambda: "13.4.1", path="/cublas.so")
        monkeypatch.setattr(status.cublas, "Library", lambda: library)
        monkeypatch.setattr(status, "matmul", lambda a, b: DeviceArray(self.product))
        monkeypatch.setattr(sys, "platform", "linux")

    def import_module(self, name):
        found = self.libraries[name]
        if isinstance(found, Exception):
            raise found
        return found

    def version(self, wheel):
        if wheel not in self.wheels:
            raise importlib.metadata.PackageNotFoundError(wheel)
        return "14.2.0"

    def load(self, name):
        if self.driver is None:
            raise OSError(f"{name}: cannot open shared object file")

        def version(pointer):
            pointer._obj.value = self.driver
            return 0
        return SimpleNamespace(cuDriverGetVersion=version)

    def cupy(self):
        properties = dict(name=b"NVIDIA H100", major=9, minor=0, totalGlobalMem=80 * 2**30)
        runtime = SimpleNamespace(
            runtimeGetVersion=lambda: self.built, driverGetVersion=lambda: self.driver or 0,
            getDeviceCount=lambda: self.gpus, getDeviceProperties=lambda number: properties)

        def kernel(grid, block, args):
            args[0].numbers *= self.factor
        return SimpleNamespace(
            __version__="14.2.0", arange=lambda n, dtype: DeviceArray(np.arange(n, dtype=dtype)),
            cuda=SimpleNamespace(runtime=runtime, nvrtc=SimpleNamespace(getVersion=lambda: (13, 5))),
            RawModule=lambda code: SimpleNamespace(get_function=lambda name: kernel))


class DeviceArray:
    """Numbers that `get` brings to the host."""

    def __init__(self, numbers):
        self.numbers = np.array(numbers)
        self.T = self

    def reshape(self, *shape):
        return DeviceArray(self.numbers.reshape(shape))

    def get(self):
        return self.numbers


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def answers():
    checks = {check.name: check for check in cuda_checks()}
    assert list(checks) == ["NVIDIA driver", "CuPy", "GPU", "NVRTC", "CUDA headers", "cuBLAS", "product", "kernel"]
    return checks


def test_a_machine_that_has_all(machine):
    found = answers()
    assert all(check.ok and not check.fix for check in found.values())
    assert found["NVIDIA driver"].said == "for CUDA up to 13.2"
    assert found["CuPy"].said == "14.2.0, built for CUDA 13"
    assert found["GPU"].said == "NVIDIA H100, compute capability 9.0, 80 GiB"
    assert found["NVRTC"].said == "13.5" and found["CUDA headers"].said == "/include"
    assert found["cuBLAS"].said == "13.4.1, /cublas.so"


def _set(**what):
    return lambda machine: [setattr(machine, name, value) for name, value in what.items()]


def _library(name, value):
    return lambda machine: machine.libraries.__setitem__(name, value)


ON_THE_GPU = {"GPU", "product", "kernel"}
BY_CUPY = ON_THE_GPU | {"NVRTC", "CUDA headers", "cuBLAS"}

# state: (how the machine gets there, the check that says so, what it says, what mends it, checks that are not tried)
STATES = {
    "no-driver": (_set(driver=None), "NVIDIA driver", "none on this machine", "nvidia.com/drivers", ON_THE_GPU),
    "old-driver": (_set(driver=11040), "NVIDIA driver", "for CUDA 11 .*needs 12 or newer", "a newer", ON_THE_GPU),
    "broken-driver": (lambda machine: machine.monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace()),
                      "NVIDIA driver", "AttributeError: .*cuDriverGetVersion", "the driver anew", ON_THE_GPU),
    "macos": (lambda machine: machine.monkeypatch.setattr(sys, "platform", "darwin"),
              "NVIDIA driver", "no driver for macOS", "^$", ON_THE_GPU),
    "no-cupy": (_library("cupy", ImportError("No module named 'cupy'")),
                "CuPy", "ImportError: No module named 'cupy'", r"pip install 'cupy-cuda13x", BY_CUPY),
    "broken-cupy": (_library("cupy", AttributeError("half a module")),
                    "CuPy", "AttributeError: half a module", "pip install", BY_CUPY),
    "two-cupys": (_set(wheels={"cupy-cuda12x", "cupy-cuda13x"}), "CuPy", "cupy-cuda12x and cupy-cuda13x are installed",
                  r"pip uninstall -y cupy-cuda12x cupy-cuda13x; pip install 'cupy-cuda13x", BY_CUPY),
    "cupy-too-new": (_set(driver=12040), "CuPy", "14.2.0 is built for CUDA 13, and the driver is for CUDA 12",
                     r"pip install 'cupy-cuda12x", BY_CUPY),
    "no-gpu": (_set(gpus=0), "GPU", "the driver reports none", "nvidia-smi", {"product", "kernel"}),
    "no-headers": (_library("cuda.pathfinder", SimpleNamespace(find_nvidia_header_directory=lambda name: None)),
                   "CUDA headers", "cuda_runtime.h", r"pip install 'cupy-cuda13x", set()),
    "wrong-product": (_set(product=[[0, 0], [0, 0]]), "product", r"the GPU computed \[\[0, 0\], \[0, 0\]\] instead",
                      "pip install --force-reinstall 'cupy-cuda13x", set()),
    "wrong-kernel": (_set(factor=3),
                     "kernel", r"the GPU computed \[0.0, 3.0, 6.0, 9.0\] instead", "force-reinstall", set()),
}


@pytest.mark.parametrize("change, name, said, fix, untried", STATES.values(), ids=STATES)
def test_what_is_missing_is_named_with_what_mends_it(change, name, said, fix, untried, machine):
    change(machine)
    found = answers()
    assert not found[name].ok and re.search(said, found[name].said) and re.search(fix, found[name].fix)
    assert {check.name for check in found.values() if check.said.startswith("not tried, since ")} == untried
    assert {check.name for check in found.values() if not check.ok} == untried | {name}


def test_missing_libraries_do_not_hide_each_other(machine, monkeypatch):
    def missing():
        raise RuntimeError("not found")
    machine.libraries["cupy"].cuda.nvrtc.getVersion = missing
    monkeypatch.setattr(status.cublas, "Library", missing)
    found = answers()
    assert [name for name, check in found.items() if not check.ok] == ["NVRTC", "cuBLAS", "product", "kernel"]
    assert found["NVRTC"].said == found["cuBLAS"].said == "RuntimeError: not found"
    assert found["kernel"].said == "not tried, since NVRTC is not here"


def test_the_wheels_fit_the_driver(machine):
    machine.libraries["cupy"] = ImportError("none")
    for driver, wheel in ((12080, "cuda12x"), (13000, "cuda13x"), (14000, "cuda13x"), (None, "cuda13x")):
        machine.driver = driver
        assert answers()["CuPy"].fix == f"pip install 'cupy-{wheel}[ctk]==14.2.*'"


def test_the_commands_are_those_of_setup_cfg():
    settings = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for major, wheel in status.WHEELS.items():
        assert f"\ncuda{major} =\n    {wheel}[ctk]==14.2.*\n" in settings


def test_on_this_machine_nothing_raises():
    assert all(isinstance(check, Check) and check.said for check in cuda_checks() + emulator_checks())


def test_the_emulator_needs_linux_and_a_compiler(monkeypatch):
    monkeypatch.setattr(status.platform, "system", lambda: "Windows")
    system, compiler, checked, cache = emulator_checks()
    assert not system.ok and system.said.startswith("this is Windows") and "WSL" in system.fix
    assert compiler.said == "not tried, since system is not here" and not checked.ok and cache.ok
    monkeypatch.setattr(status.platform, "system", lambda: "Linux")
    monkeypatch.setattr(status.platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", "")
    system, compiler, checked, _ = emulator_checks()
    assert system.ok and not compiler.ok and compiler.fix.startswith("apt install g++") and not checked.ok


def test_checked_mode_needs_gcc(monkeypatch, tmp_path):
    monkeypatch.setattr(status.platform, "system", lambda: "Linux")
    monkeypatch.setattr(status.platform, "machine", lambda: "x86_64")
    (tmp_path / "clang++").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    _, compiler, checked, _ = emulator_checks()
    assert compiler == Check("C++ compiler", True, str(tmp_path / "clang++"))
    assert not checked.ok and "runs kernels in value mode only" in checked.said and "g++" in checked.fix


def test_a_reason_of_ones_own_goes_before_that_of_the_table():
    def ask():
        raise Missing("why", "how")
    assert status._checks([("x", (), ask, "other")]) == [Check("x", False, "why", "how")]
