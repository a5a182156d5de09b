"""planted bugs under NVIDIA's compute-sanitizer: does it find what the emulator finds, and where?

The bugs are those of tests/kernel_bugs.py, in which the tests have the emulator's findings: kind and line. Each runs in
a process of its own under the tool of that kind; each kernel without a bug under all four. The tools differ in part:
NVIDIA's initcheck watches global memory, the emulator's shared memory, and only the emulator minds what is const.
"""
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernel_bugs import BUGS, CUDA, FILE, LAUNCHES, line_of, planted

from minivit.backend import to_device, xp_of
from minivit.cuda.signature import arguments, kernels_of

TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
USUAL_PLACE = "/usr/local/cuda/bin/compute-sanitizer"
AT_ONCE, SECONDS = 4, 90
BEGINS = re.compile(r"========= (?:Error: |Warning: )?(Invalid|Misaligned|Race reported|Barrier error|Uninitialized|"
                    r"Program hit|Address|Missing wait)")
PLACE = re.compile(r"(\w+\.cu):(\d+)")


def add_arguments(parser):
    parser.add_argument("--sanitizer", metavar="PATH", help="compute-sanitizer (default: the one on PATH, else "
                        "of /usr/local/cuda)")
    parser.add_argument("--only", metavar="KERNEL", choices=LAUNCHES, help="the bugs of one kernel")
    parser.add_argument("--launch", metavar="KERNEL:NUMBER", help="launch one kernel, with bug NUMBER of the table or "
                        "with none, and do nothing else: what the sanitizer runs")


def run(options):
    if options.launch:
        launch(*options.launch.split(":"))
        raise SystemExit
    sanitizer = options.sanitizer or shutil.which("compute-sanitizer") or USUAL_PLACE
    if not options.dry_run and not Path(sanitizer).exists():
        raise SystemExit("compute-sanitizer was not found: it comes with the CUDA toolkit; name it with --sanitizer")
    kernels = [options.only] if options.only else list(LAUNCHES)
    jobs = [(kernel, None, tool) for kernel in kernels for tool in TOOLS]
    jobs += [(bug[0], number, bug[4]) for number, bug in enumerate(BUGS) if bug[0] in kernels and bug[4] in TOOLS]

    def judged(job):
        if time.monotonic() > options.until:
            return _row(*job, None)
        return _row(*job, said_of(*job) if options.dry_run else _sanitized(sanitizer, options, *job))
    rows = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for row in pool.map(judged, jobs):
            rows.append(row)
            yield {"rows": rows}


def _sanitized(sanitizer, options, kernel, number, tool):
    """What the sanitizer prints of one launch; None where it does not come to an end."""
    command = [sanitizer, "--tool", tool, "--print-limit", "20", sys.executable, sys.argv[0], "sanitize", "--out",
               str(options.out), "--launch", f"{kernel}:{'' if number is None else number}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout + done.stderr


def text_of(kernel, number):
    """The kernel's text, with bug `number` of the table, or none."""
    return (CUDA / FILE[kernel]).read_text() if number is None else planted(BUGS[number])


def launch(kernel, number):
    """Launch it once on the GPU. Every array has memory of its own, so that one byte too far is seen."""
    name, constants, grid, block, args, shared, _ = LAUNCHES[kernel]()
    text = text_of(kernel, int(number) if number else None)
    declared = "".join(f"constexpr int {key} = {value};\n" for key, value in constants.items())
    xp = xp_of(to_device(args[0], "cuda"))
    module = xp.RawModule(code=f'{declared}#line 1 "{FILE[kernel]}"\n{text}', options=("-std=c++17", "-lineinfo"))
    with xp.cuda.using_allocator(None):
        args = [to_device(value, "cuda") if hasattr(value, "shape") else value for value in args]
        module.get_function(name)(grid, block, tuple(arguments(kernels_of(text)[name], args)), shared_mem=shared)
        xp.cuda.get_current_stream().synchronize()


def findings(text):
    """[(file, line), ...] of each error that a sanitizer printed, with the places that it names."""
    found = []
    for line in text.splitlines():
        if BEGINS.match(line):
            found.append([])
        if found and "Host Frame" not in line and "Device Frame" not in line:
            found[-1] += [(file, int(number)) for file, number in PLACE.findall(line)]
    return found


def _row(kernel, number, tool, said):
    """said: what the sanitizer printed; None where it was not run to its end."""
    row = {"kernel": kernel, "bug": None if number is None else BUGS[number][1], "tool": tool}
    if said is None or "SUMMARY" not in said:
        return row | {"found": None, "wrong": number is None, "said": (said or "")[-300:]}
    found = findings(said)
    if number is None:
        return row | {"found": bool(found), "wrong": bool(found)}
    text, places = planted(BUGS[number]), [place for places in found for place in places]
    lines = [line_of(part, text) for part in BUGS[number][5:]]
    return row | {"line": lines[0], "found": bool(found), "wrong": False,
                  "same_line": any((FILE[kernel], line) in places for line in lines),
                  "lines": sorted({line for _, line in places})}


HEADS = {"memcheck": "Invalid __global__ read of size 4 bytes",
         "synccheck": "Barrier error detected. Divergent thread(s) in block",
         "initcheck": "Uninitialized __global__ memory read of size 4 bytes"}


def said_of(kernel, number, tool):
    """What a sanitizer would print if it found what the emulator finds, in its words: for a dry run."""
    if number is None:
        return "========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n"
    bug = BUGS[number]
    places = [f"{bug[0]}+0x150 in {FILE[kernel]}:{line_of(part, planted(bug))}" for part in bug[5:]]
    if tool == "racecheck":
        body = [f"========= Error: Race reported between Write access at {places[0]}",
                f"=========     and Read access at {places[-1]} [32 hazards]"]
    else:
        body = [f"========= {HEADS[tool]}", f"=========     at {places[0]}",
                "=========     Host Frame: cuLaunchKernel in launch.cu:7"]
    return "\n".join(["========= COMPUTE-SANITIZER", *body, "========= ERROR SUMMARY: 1 error"]) + "\n"


def table(results):
    bugs = [row for row in results["rows"] if row["bug"]]
    clean = [row for row in results["rows"] if not row["bug"]]
    of_tool, found, lines = (Counter(row["tool"] for row in bugs if row.get(key, True)) for key in
                             ("tool", "found", "same_line"))
    text = [f"{'tool':<12}{'bugs':>6}{'found':>7}{'same line':>11}"]
    text += [f"{tool:<12}{of_tool[tool]:>6}{found[tool]:>7}{min(lines[tool], found[tool]):>11}" for tool in TOOLS]
    text += [f"{row['tool']}: not found: {row['kernel']}, {row['bug']}" for row in bugs if row["found"] is False]
    text += [f"{row['tool']}: not run to its end: {row['kernel']}, {row['bug'] or 'no bug'}" for row in results["rows"]
             if row["found"] is None]
    return text + [f"without bugs: {sum(row['found'] is False for row in clean)} of {len(clean)} runs clean"]
