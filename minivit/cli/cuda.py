"""minivit cuda: CUDA kernels checked, profiled and compiled on a machine that needs no GPU."""
import argparse
import json
import math
from functools import partial
from pathlib import Path

import numpy as np

from minivit.cli.compare import shape
from minivit.cli.gradcheck import cases_of
from minivit.cli.options import ActionParser
from minivit.cli.own_kernels import EXAMPLES, add_launch, launch, line_of, refuse_launch
from minivit.cuda import checking, why_no_checks
from minivit.cuda.bf16 import from_bf16, to_bf16
from minivit.cuda.compile import ARCHITECTURES, report, table, why_no_compiler
from minivit.cuda.kernels import FILES
from minivit.function import FUNCTIONS
from minivit.gradcheck import compare
from minivit.gradcheck.kernel_cases import KERNEL_CASES, kernel_error
from minivit.nn.module import Parameter
from minivit.optim import AdamW
from minivit.optim.flat import adam_numbers
from minivit.streams import stream
from minivit.weights import write_atomic

TOLERANCE = 1e-5


def add_arguments(parser):
    parser.set_defaults(act=lambda arguments: parser.print_help())
    actions = parser.add_subparsers(metavar="ACTION", parser_class=ActionParser)

    def action(name, act, text, epilog=None):
        sub = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False,
                                 epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)
        sub.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS,
                         help="show where an error comes from")
        sub.set_defaults(act=act)
        return sub

    check = action("check", _check, "run kernels with every access to memory checked; the exit status is 1 where "
                   "something is wrong", EXAMPLES)
    check.add_argument("what", metavar="FILE.cu", nargs="?", help="a CUDA file")
    check.add_argument("--all", action="store_true", help="minivit's own kernels, against their definitions")
    check.add_argument("--json", metavar="FILE", help="with --all: write the figures to a file")
    add_launch(check)
    profile = action("profile", _profile, "how each line of a kernel uses memory: coalescing and bank conflicts",
                     EXAMPLES)
    profile.add_argument("what", metavar="OP|FILE.cu", help="an operation such as softmax, or a CUDA file")
    profile.add_argument("--shape", type=shape, metavar="B,N,D", help="of an operation: shape of its first input")
    add_launch(profile)
    action("report", _report, "what NVIDIA's compiler makes of minivit's kernels: registers, shared memory, spills, "
           "occupancy")


def run(arguments):
    return arguments.act(arguments)


def _check(arguments):
    if arguments.all == bool(arguments.what):
        raise ValueError("name a .cu file, or check --all of minivit's kernels")
    if arguments.json and not arguments.all:
        raise ValueError("--json goes with --all")
    if arguments.all:
        refuse_launch(arguments)
    _refuse(why_no_checks())
    if arguments.all:
        return _check_all(arguments.json)
    with checking() as found:
        launch(arguments)
    _print_findings(found.findings, [Path(arguments.what).parent])
    print(f"{len(found.findings) or 'nothing'} found")
    return 1 if found.findings else 0


def _refuse(reason):
    if reason:
        raise ValueError(f"{reason}. `minivit doctor` says what this machine has")


def _print_findings(findings, folders):
    for finding in findings:
        print(finding)
        print(f"    {line_of(folders, finding.file, finding.line)}".rstrip())


def _our_folders():
    return sorted({own.path.parent for own in FILES.values()})


def _check_all(file):
    findings = wrong = 0
    worst, runs = 0.0, {name: partial(kernel_error, name) for name in KERNEL_CASES}
    runs |= {"adamw": _adamw_error, "bf16": _bf16_error}
    for name, run in runs.items():
        with checking() as found:
            error = run()
        bad = bool(found.findings) or not error <= TOLERANCE
        findings, wrong, worst = findings + len(found.findings), wrong + bad, float(np.maximum(worst, error))
        print(f"{'WRONG' if bad else 'ok   '} {name:<28}{error:8.1e}")
        _print_findings(found.findings, _our_folders())
    kernels = _launched()
    for kernel in sorted(_declared() - kernels):
        wrong += 1
        print(f"WRONG no run launches {kernel}")
    print(f"{len(kernels)} kernels in {len(runs)} runs: {findings} found, largest relative error {worst:.1e}; "
          f"tolerance {TOLERANCE:.0e}; {wrong} wrong")
    if file:
        figures = {"kernels": len(kernels), "runs": len(runs), "findings": findings, "max_relative_error": worst}
        write_atomic(file, (json.dumps(figures, indent=1) + "\n").encode())
    return 1 if wrong else 0


def _declared():
    return {kernel for own in FILES.values() for kernel in own.declared}


def _launched():
    return {kernel for own in FILES.values() for _, _, kernel in own.functions}


class _AdamWByKernel(AdamW):
    """AdamW whose steps are the kernel's on the host too."""

    def step_on_host(self, group, lr, factor):
        options = group.options
        numbers = adam_numbers(self.steps, lr, options["betas"], options["weight_decay"], self.decoupled)
        self.step_on_device(group, np.array([lr, *numbers]), np.full(1, factor, np.float32))


def _adamw_error(size=1000, steps=3):
    """How far the kernel leads from where float64 does, relative to the largest parameter."""
    first, *gradients = stream(0, place="adamw").standard_normal((1 + steps, size), dtype=np.float32)
    ends = []
    for kind, dtype in ((_AdamWByKernel, np.float32), (AdamW, np.float64)):
        p = Parameter(first.astype(dtype))
        optimizer = kind([("p", p)], lr=0.1, weight_decay=0.05)
        for gradient in gradients:
            p.grad = gradient.astype(dtype)
            optimizer.step()
        ends.append(p.data)
    return float(np.max(np.abs(ends[0] - ends[1])) / np.max(np.abs(ends[1])))


def _bf16_error(size=1000):
    """How far rounded numbers are from those with 8 bits of mantissa in float64."""
    x = stream(0, place="bf16").standard_normal(size, dtype=np.float32)
    mantissa, exponent = np.frexp(x.astype(np.float64))
    expected = np.ldexp(np.rint(mantissa * 256) / 256, exponent)
    return float(np.max(np.abs(from_bf16(to_bf16(x)) - expected)) / np.max(np.abs(expected)))


def _profile(arguments):
    _refuse(why_no_checks())
    if arguments.what.endswith(".cu"):
        if arguments.shape:
            raise ValueError("--shape goes with an operation")
        folders = [Path(arguments.what).parent]
        with checking() as found:
            launch(arguments)
    else:
        refuse_launch(arguments)
        title, run = _run_of(arguments.what, arguments.shape)
        folders = _our_folders()
        print(f"{title}, forward and backward")
        with checking() as found:
            run()
    _print_lines(found.lines, folders)
    _print_findings(found.findings, folders)
    return 1 if found.findings else 0


def _run_of(op, shape):
    """(title, function): the run of an operation that is profiled, the largest that is checked if no shape is given."""
    case = cases_of(op)[0]
    if "cuda" not in FUNCTIONS[case.covers[0]].forms:
        raise ValueError(f"{case.name} has no kernel; there are kernels of "
                         f"{', '.join(name for name, function in FUNCTIONS.items() if 'cuda' in function.forms)}")
    if shape:
        if len(shape) != len(case.shapes[0]):
            raise ValueError(f"{case.name} takes a shape of {len(case.shapes[0])} numbers, such as "
                             f"{','.join(map(str, case.shapes[0]))}")
        return f"{case.name} at {_times(shape)}", partial(compare, case, shape, forms=("cuda",))
    name = max((name for name in KERNEL_CASES if name.partition("-")[0] == case.covers[0]),
               key=lambda name: sum(map(math.prod, KERNEL_CASES[name][1].values())))
    shapes = ", ".join(f"{key} {_times(shape)}" for key, shape in KERNEL_CASES[name][1].items())
    return f"{name} ({shapes})", partial(kernel_error, name)


def _times(shape):
    return "x".join(map(str, shape))


def _print_lines(lines, folders):
    print(f"{'line':>6}{'requests':>10}{'sectors':>10}{'x ideal':>9}{'passes':>10}{'x ideal':>9}")
    for file in sorted({file for file, _ in lines}):
        print(file)
        for count in sorted((count for count in lines.values() if count.file == file), key=lambda count: count.line):
            print(f"{count.line:>6}{count.requests:>10,}{_cells(count.sectors, count.coalescing)}"
                  f"{_cells(count.passes, count.bank_conflicts)}  {line_of(folders, file, count.line)}")
    print("requests: loads and stores of a warp; sectors: 32 bytes of global memory each; passes: over the banks of "
          "shared memory")


def _cells(count, ratio):
    return f"{count:>10,}{ratio:>9.2f}" if count else " " * 19


def _report(arguments):
    _refuse(why_no_compiler())
    print(f"for {' / '.join(ARCHITECTURES)}")
    print("\n".join(table(report(FILES.values()))))
    return 0
