"""Which kernels ran on a real GPU, and which have changed since: a JSON file beside the benchmarks' results.

- `fingerprint(path, constants)`: a hash of all the text that decides what a `.cu` file does
- `record(file, ...)`: enter a test that passed on a GPU
- `unverified(file, files)`: what has changed since its last such test, or never had one
- `this_gpu()`: how the device of this machine is entered

The emulator shows that a kernel computes the right numbers. That a GPU agrees is a measurement, so it is kept with the
device, the driver and the date, and holds for exactly one text.
"""
import datetime
import hashlib
import json
from pathlib import Path

from minivit.cuda.source import source


FILE = Path(__file__).parents[2] / "examples" / "benchmarks" / "results" / "gpu_verified.json"


def fingerprint(path, constants=None):
    """The sha256 of a `.cu` file with its headers and constants."""
    return hashlib.sha256(source(path, constants).encode()).hexdigest()


def read(file):
    """{fingerprint: {"kernels", "constants", "device", "driver", "date", "max_error", "seconds"}}; {} if not there."""
    file = Path(file)
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def record(file, path, constants, *, device, driver, date, max_error, seconds):
    """Enter that the kernels in `path` passed their tests on `device`; what the text was before stays in the file.

    date: YYYY-MM-DD. max_error: the largest error of any output, relative to its largest value. seconds: of the tests,
    with the compiling.
    """
    entry = {"kernels": Path(path).name, "constants": constants, "device": device, "driver": driver, "date": date,
             "max_error": max_error, "seconds": seconds}
    known = read(file) | {fingerprint(path, constants): entry}
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def this_gpu():
    """{"device", "driver", "date"} of the current GPU, today."""
    from cupy.cuda import runtime
    number = runtime.driverGetVersion()             # 13020 is CUDA 13.2
    return {"device": runtime.getDeviceProperties(runtime.getDevice())["name"].decode(),
            "driver": f"CUDA {number // 1000}.{number % 1000 // 10}", "date": datetime.date.today().isoformat()}


def unverified(file, files):
    """Lines about those of `files` (Kernels) whose text, with constants in use, has not run on a GPU."""
    known, states = read(file), {}
    for kernels in files:
        waiting = [constants for constants in kernels.variants
                   if fingerprint(kernels.path, constants) not in known]
        earlier = sorted(entry["date"] for entry in known.values() if entry["kernels"] == kernels.path.name)
        if waiting:
            state = f"changed since it ran on a GPU ({earlier[-1]})" if earlier else "never ran on a GPU"
            which = "" if len(waiting) == len(kernels.variants) else f" with {', '.join(map(str, waiting))}"
            states.setdefault(state + which, []).append(kernels.path.name)
    return [f"{state}: {', '.join(sorted(names))}" for state, names in states.items()]
