"""On one NVIDIA GPU: are the numbers right, and how fast do they come? Each command takes at most nine minutes.

    python3 examples/benchmarks/gpu.py parity --out DIR         every kernel, and whole steps, against float64
    python3 examples/benchmarks/gpu.py kernels --out DIR        each kernel against PyTorch's, and the bandwidth
    python3 examples/benchmarks/gpu.py steps --out DIR          training steps against PyTorch, eager and compiled
    python3 examples/benchmarks/gpu.py sanitize --out DIR       planted bugs under NVIDIA's compute-sanitizer

Nothing is installed: Python 3.11, numpy 2, cupy 14 and, to compare with, torch 2 are enough. A command writes
DIR/<device>_<command>.json, as far as it has come, and prints a table last; what fails is a row that says why. The exit
status is 1 where something is wrong. With --dry-run all of it runs without a GPU, on a stand-in, to see that it does:
times then mean nothing.
"""
import argparse
import contextlib
import json
import platform
import re
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from on_gpu import kernels, parity, sanitize, steps

from minivit.atomic import write_atomic
from minivit.backend import why_no_cuda
from minivit.cuda.standin import standing_in
from minivit.cuda.verified import this_gpu

COMMANDS = {"parity": parity, "kernels": kernels, "steps": steps, "sanitize": sanitize}
MINUTES = 8.5


def machine(dry):
    """What ran this, as it stands in the results."""
    found = {"device": "stand-in", "driver": "none", "date": time.strftime("%Y-%m-%d")} if dry else this_gpu()
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy", "torch"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return found | {"versions": versions}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.__doc__.partition("\n")[0])
        own.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results")
        own.add_argument("--minutes", type=float, default=MINUTES, help="begin nothing new after so many minutes "
                         "(default: %(default)s)")
        own.add_argument("--dry-run", action="store_true", help="without a GPU, on a stand-in: times mean nothing")
        command.add_arguments(own)
    options = parser.parse_args()
    options.until = time.monotonic() + 60 * options.minutes
    if not options.dry_run and why_no_cuda() is not None:
        parser.error(f"no GPU: {why_no_cuda()}; --dry-run goes through it without one")
    options.out.mkdir(parents=True, exist_ok=True)
    results = {"command": options.command} | machine(options.dry_run) | {"rows": []}
    name = re.sub(r"\W+", "-", results["device"].lower()).strip("-")
    path = options.out / f"{name}_{options.command}.json"
    with standing_in() if options.dry_run else contextlib.nullcontext():
        for found in COMMANDS[options.command].run(options):
            results |= found
            write_atomic(path, (json.dumps(results, indent=1) + "\n").encode())
    wrong = [row for row in results["rows"] if row.get("wrong")]
    print(f"{results['device']}, {results['driver']}, {results['date']}: {len(results['rows'])} rows, "
          f"{len(wrong)} wrong -> {path}", *COMMANDS[options.command].table(results), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
