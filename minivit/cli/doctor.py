"""minivit doctor: what is there, what is missing, and the command that mends it."""
import importlib
import platform
import sys

import numpy as np

from minivit import __version__
from minivit.backend import cpu_count, why_no_cuda
from minivit.cuda.status import cuda_checks, emulator_checks

CORE = {"numpy": "numpy", "PIL": "pillow", "matplotlib": "matplotlib", "tqdm": "tqdm", "safetensors": "safetensors",
        "threadpoolctl": "threadpoolctl", "tomli_w": "tomli-w"}


def add_arguments(parser):
    pass


def run(arguments):
    print(f"minivit {__version__}, Python {platform.python_version()} on {platform.machine()}, {cpu_count()} cores")
    missing = [package for module, package in CORE.items() if not _report(module, package)]
    _report_blas()
    reason = why_no_cuda()
    print("\nCUDA: " + (f"{reason}; minivit computes on the CPU" if reason else "here; minivit train --device cuda"))
    _print(cuda_checks())
    print("\nCUDA kernels without a GPU:")
    _print(emulator_checks())
    if missing:
        print(f"\nmend with: {sys.executable} -m pip install {' '.join(missing)}")
    return 1 if missing else 0


def _print(checks):
    for check in checks:
        print(f"{'ok      ' if check.ok else 'not here'} {check.name}: {check.said}")
        if check.fix:
            print(f"         mend with: {check.fix}")


def _report(module, package):
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        print(f"MISSING  {package}: {error}")
        return False
    print(f"ok       {package} {getattr(found, '__version__', '')}".rstrip())
    return True


def _report_blas():
    """The library that multiplies NumPy's matrices, which decides most of the speed."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return
    np.ones((2, 2)) @ np.ones((2, 2))
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            print(f"ok       BLAS {pool['internal_api']} {pool['version']}, {pool['num_threads']} threads, "
                  f"{pool.get('architecture', 'unknown architecture')}")
