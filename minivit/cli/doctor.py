"""minivit doctor: what is there, what is missing, and the command that mends it."""
import importlib
import platform
import sys

import numpy as np

from minivit import __version__
from minivit.backend import cpu_count, why_no_cuda

CORE = {"numpy": "numpy", "PIL": "pillow", "matplotlib": "matplotlib", "tqdm": "tqdm", "safetensors": "safetensors",
        "threadpoolctl": "threadpoolctl", "tomli_w": "tomli-w"}


def add_arguments(parser):
    pass


def run(arguments):
    print(f"minivit {__version__}, Python {platform.python_version()} on {platform.machine()}, {cpu_count()} cores")
    missing = [package for module, package in CORE.items() if not _report(module, package)]
    _report_blas()
    reason = why_no_cuda()
    print("ok       CUDA" if reason is None else f"not here CUDA: {reason}. minivit computes on the CPU")
    if missing:
        print(f"mend with: {sys.executable} -m pip install {' '.join(missing)}")
    return 1 if missing else 0


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
