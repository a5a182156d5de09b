"""What this machine has of what CUDA needs, and of what the emulator needs: questions that never raise.

- `cuda_checks()`: from the driver up to a product and a kernel that were really computed
- `emulator_checks()`: from the operating system up to the folder where built kernels are kept

Each is a list of `Check`, in the order in which one thing needs another, so that the first that is not here is the one
to mend. `backend.why_no_cuda()` is the short answer, for code that has to choose.
"""
import ctypes
import importlib
import importlib.metadata
import platform
import shutil
import sys
import warnings
from dataclasses import dataclass

import numpy as np

from minivit.cuda import cublas
from minivit.cuda.emulator import build
from minivit.cuda.matmul import matmul

WHEELS = {12: "cupy-cuda12x", 13: "cupy-cuda13x"}       # CUDA's major version -> the CuPy built for it
KERNEL = 'extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2.0f; }'


@dataclass(frozen=True)
class Check:
    """One answer. said: what is there, or why not; fix: what mends it, mostly a command ("" where nothing does)."""

    name: str
    ok: bool
    said: str
    fix: str = ""


class Missing(Exception):
    """What a question raises where something is not here: (the reason, the fix)."""


def cuda_checks():
    """What minivit needs to compute on a GPU."""
    cuda = _cuda_of_the_driver()
    wheels = _install(cuda)
    anew = _install(cuda, "--force-reinstall ")
    return _checks((
        ("NVIDIA driver", (), _driver, "the driver anew, from https://www.nvidia.com/drivers"),
        ("CuPy", (), _cupy, wheels),
        ("GPU", ("NVIDIA driver", "CuPy"), _gpus, "nvidia-smi, which says what the driver sees"),
        ("NVRTC", ("CuPy",), _nvrtc, wheels),
        ("CUDA headers", ("CuPy",), _headers, wheels),
        ("cuBLAS", ("CuPy",), _cublas, wheels),
        ("product", ("GPU", "cuBLAS"), _product, anew),
        ("kernel", ("GPU", "NVRTC"), _kernel, anew),
    ))


def emulator_checks():
    """What minivit needs to run CUDA kernels without a GPU."""
    return _checks((
        ("system", (), _system, ""),
        ("C++ compiler", ("system",), _compiler, ""),
        ("checked mode", ("C++ compiler",), _checked_mode, ""),
        ("cache of built kernels", (), build.cache_folder, ""),
    ))


def _checks(questions):
    """The answers; a question is (name, names of what it needs, function, fix)."""
    answers = {}
    for name, needs, ask, fix in questions:
        missing = [need for need in needs if not answers[need].ok]
        if missing:
            answers[name] = Check(name, False, f"not tried, since {missing[0]} is not here")
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                answers[name] = Check(name, True, str(ask()))
        except Missing as missing:
            answers[name] = Check(name, False, *missing.args)
        except Exception as error:                      # a broken install fails in many ways; each has its own words
            answers[name] = Check(name, False, f"{type(error).__name__}: {error}", fix)
    return list(answers.values())


def _driver():
    return f"for CUDA up to {_driver_version() // 1000}.{_driver_version() % 1000 // 10}"


def _driver_version():
    """Such as 13020 for CUDA 13.2, asked of the driver itself. Raises Missing."""
    if sys.platform == "darwin":
        raise Missing("NVIDIA has no driver for macOS", "")
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        raise Missing("none on this machine", "where there is an NVIDIA GPU, its driver from "
                      "https://www.nvidia.com/drivers; for WSL on Windows' side, in a container --gpus all") from None
    version = ctypes.c_int()
    status = driver.cuDriverGetVersion(ctypes.byref(version))
    if status or version.value < 1000 * min(WHEELS):
        raise Missing(f"the driver is for CUDA {version.value // 1000} (status {status}), and CuPy needs "
                      f"{min(WHEELS)} or newer", "a newer driver from https://www.nvidia.com/drivers")
    return version.value


def _install(cuda, how=""):
    """The command that installs what the extra cuda12 or cuda13 of setup.cfg asks for."""
    return f"pip install {how}'{WHEELS[cuda]}[ctk]==14.2.*'"


def _cuda_of_the_driver():
    """The CUDA of the wheels that fit this machine's driver: the newest, where no driver answers."""
    try:
        return min(max(WHEELS), _driver_version() // 1000)
    except Exception:                                   # which one, the question about the driver says
        return max(WHEELS)


def _cupy():
    installed = [wheel for wheel in (*WHEELS.values(), "cupy") if _is_installed(wheel)]
    if len(installed) > 1:
        raise Missing(f"{' and '.join(installed)} are installed, and one has overwritten the other",
                      f"pip uninstall -y {' '.join(installed)}; {_install(_cuda_of_the_driver())}")
    cupy = importlib.import_module("cupy")
    built, driver = cupy.cuda.runtime.runtimeGetVersion() // 1000, cupy.cuda.runtime.driverGetVersion() // 1000
    if min(WHEELS) <= driver < built:
        raise Missing(f"{cupy.__version__} is built for CUDA {built}, and the driver is for CUDA {driver}",
                      f"pip uninstall -y {' '.join(installed)}; {_install(driver)}, or a newer driver")
    return f"{cupy.__version__}, built for CUDA {built}"


def _is_installed(wheel):
    try:
        importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _gpus():
    runtime = importlib.import_module("cupy").cuda.runtime
    found = [runtime.getDeviceProperties(number) for number in range(runtime.getDeviceCount())]
    if not found:
        raise Missing("the driver reports none", "nvidia-smi, which says what the driver sees; CUDA_VISIBLE_DEVICES "
                                                 "may hide a GPU")
    return "; ".join(f"{gpu['name'].decode()}, compute capability {gpu['major']}.{gpu['minor']}, "
                     f"{gpu['totalGlobalMem'] / 2**30:.0f} GiB" for gpu in found)


def _nvrtc():
    return "{}.{}".format(*importlib.import_module("cupy").cuda.nvrtc.getVersion())


def _headers():
    folder = importlib.import_module("cuda.pathfinder").find_nvidia_header_directory("cudart")
    if folder is None:
        raise FileNotFoundError("cuda_runtime.h and its like, which CuPy's own kernels include")
    return folder


def _cublas():
    library = cublas.Library()
    return f"{library.version()}, {library.path}"


def _product():
    """In float32 and by way of our own call; a wrong product would be worse than none."""
    cupy = importlib.import_module("cupy")
    x = cupy.arange(4, dtype=np.float32).reshape(2, 2)
    found = matmul(x, x.T).get()
    if found.tolist() != [[1, 3], [3, 13]]:
        raise ArithmeticError(f"the GPU computed {found.tolist()} instead of [[1, 3], [3, 13]]")
    return "computed by cuBLAS"


def _kernel():
    cupy = importlib.import_module("cupy")
    x = cupy.arange(4, dtype=np.float32)
    cupy.RawModule(code=KERNEL).get_function("twice")((1,), (4,), (x,))
    if x.get().tolist() != [0, 2, 4, 6]:
        raise ArithmeticError(f"the GPU computed {x.get().tolist()} instead of [0, 2, 4, 6]")
    return "compiled and run"


def _system():
    here = f"{platform.system()} {platform.machine()}"
    if here != "Linux x86_64":
        raise Missing(f"this is {here}, and the emulator runs on Linux x86-64",
                      "Linux on x86-64 in a container, in a virtual machine or in WSL")
    return here


def _compiler():
    reason = build.why_no_emulator()
    if reason:
        raise Missing(reason, "apt install g++, or dnf install gcc-c++")
    return shutil.which(build.default_compiler())


def _checked_mode():
    reason = build.why_no_checks()
    if reason:
        raise Missing(reason, "apt install g++, or dnf install gcc-c++")
    return "memcheck, synccheck, initcheck, racecheck"
