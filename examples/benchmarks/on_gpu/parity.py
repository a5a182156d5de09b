"""are the numbers right: every kernel, and whole steps of training, against float64 on the CPU

Enters what passed into OUT/gpu_verified.json, of which examples/benchmarks/results has a copy.
"""
import shutil
import time
from dataclasses import replace
from functools import partial

import numpy as np
from on_gpu.attempt import attempt

from minivit.backend import to_device, to_host
from minivit.cuda import verified
from minivit.cuda.bf16 import from_bf16, to_bf16
from minivit.cuda.kernels import FILES
from minivit.data import Batch
from minivit.gradcheck.kernel_cases import KERNEL_CASES, arrays_of, error, run as run_case
from minivit.models import create
from minivit.nn import Parameter
from minivit.optim import Adam, AdamW
from minivit.streams import stream
from minivit.train import Classification
from minivit.train.device import Conveyor
from minivit.train.loop import train_epoch
from minivit.train.replay import Replay

FORWARD, GRADIENT = 1e-5, 1e-4          # the largest relative errors that are right


def add_arguments(parser):
    parser.add_argument("--cases", metavar="NAME,NAME,...", help="some cases only")


def run(options):
    rows = []
    for name in options.cases.split(",") if options.cases else [*KERNEL_CASES, *OTHERS]:
        rows += attempt({"case": name, "files": _files(name)}, partial(_errors, name), options.until)
        yield {"rows": rows}
    if not options.dry_run and not options.cases:
        _enter(options.out / verified.FILE.name, rows)


def _files(name):
    """The names of the `.cu` files that a case is about."""
    if name in OTHERS:
        return OTHERS[name][1]
    kernel = name.partition("-")[0]
    return [file.path.name for file in FILES.values() if any(own.startswith(kernel) for own in file.declared)]


def _errors(name):
    forward, gradient, seconds = OTHERS[name][0]() if name in OTHERS else _of_case(name)
    return [{"forward": forward, "gradient": gradient, "seconds": seconds,
             "wrong": not (forward <= FORWARD and gradient <= GRADIENT)}]


def _of_case(name):
    """(error of the result, of result and gradients, seconds on the device) of a row of KERNEL_CASES."""
    arrays = arrays_of(name)
    truth = run_case(name, {key: array.astype(np.float64) for key, array in arrays.items()}, "composed")
    start = time.perf_counter()
    found = run_case(name, {key: to_device(array, "cuda") for key, array in arrays.items()}, "cuda")
    seconds = time.perf_counter() - start
    return error({"y": found["y"]}, {"y": truth["y"]}), error(found, truth), seconds


def _adam(kind):
    """Three steps of an optimizer over 1,000 numbers; the result is the parameters, the state counts as gradients."""
    start, ends = time.perf_counter(), []
    for device, dtype in (("cuda", np.float32), ("cpu", np.float64)):
        first, *gradients = stream(0, place="adam").standard_normal((4, 1000), dtype=np.float32)
        p = Parameter(to_device(first.astype(dtype), device))
        optimizer = kind([("p", p)], lr=0.1, weight_decay=0.05)
        for gradient in gradients:
            p.grad = to_device(gradient.astype(dtype), device)
            optimizer.step()
        state = optimizer.state_dict()
        ends.append(({"p": to_host(p.data)}, {name: to_host(state[f"{name}/p"]) for name in ("mean", "square")}))
    (found, state), (truth, true_state) = ends
    return error(found, truth), error(state, true_state), time.perf_counter() - start


def _bf16():
    """Numbers rounded to bfloat16: none may be farther off than half a unit of its last place."""
    start, x = time.perf_counter(), stream(0, place="bf16").standard_normal(5000, dtype=np.float32)
    found = from_bf16(to_host(to_bf16(to_device(x, "cuda")))).astype(np.float64)
    half = np.exp2(np.floor(np.log2(np.abs(x))) - 8)
    return float(np.maximum(np.abs(found - x) / half - 1, 0).max()), 0.0, time.perf_counter() - start


def _steps(graph):
    """Six steps of a small model with random masks; errors are those of the losses and of the parameters. With its
    usual epsilon AdamW makes a whole step of what is rounding alone: here it is larger."""
    start, ends, said = time.perf_counter(), [], []
    for device, dtype in (("cuda", np.float32), ("cpu", np.float64)):
        model = create("vit_nano_patch7_28", embed_dim=32, num_heads=2, depth=2, drop_rate=0.1, attn_drop_rate=0.1,
                       drop_path_rate=0.2, zero_head=False).astype(dtype).to(device)
        optimizer = AdamW(model, eps=1e-2)
        replay = Replay(model, optimizer, said.append) if graph and device == "cuda" else None
        batches = [replace(batch, images=batch.images.astype(dtype)) for batch in _batches()]
        results = list(train_epoch(model, Conveyor(device)(batches), Classification(0.1), optimizer,
                                   lambda step: 1e-2 / (1 + step), 0.5, run=replay))
        if said:
            raise RuntimeError(said[0])
        ends.append((np.array([result.loss for result in results]),
                     {name: to_host(p.data) for name, p in model.named_parameters()}))
    (losses, found), (true_losses, truth) = ends
    return float(np.abs(losses / true_losses - 1).max()), error(found, truth), time.perf_counter() - start


def _batches():
    rng = np.random.default_rng(0)
    for _ in range(6):
        yield Batch(rng.standard_normal((5, 1, 28, 28)).astype(np.float32), rng.integers(0, 10, 5), np.arange(5))


# What is no row of KERNEL_CASES: its errors, and the files that it is about
OTHERS = {"AdamW": (lambda: _adam(AdamW), ["adamw.cu"]), "Adam": (lambda: _adam(Adam), ["adamw.cu"]),
          "to_bf16": (_bf16, ["bf16.cu"]), "6-steps": (lambda: _steps(False), []),
          "6-steps-4-by-a-graph": (lambda: _steps(True), [])}


def _enter(file, rows):
    """Enter the kernels of every file of which all rows are right, with each set of constants that was launched."""
    if verified.FILE.exists() and not file.exists():
        shutil.copy(verified.FILE, file)
    for kernels in FILES.values():
        own = [row for row in rows if kernels.path.name in row["files"]]
        if own and not any(row["wrong"] for row in own):
            for constants in kernels.launched_on_gpu():
                verified.record(file, kernels.path, constants, **verified.this_gpu(), seconds=sum(
                    row["seconds"] for row in own), max_error=max(max(row["forward"], row["gradient"]) for row in own))


def table(results):
    lines = [f"{'case':<28}{'forward':>10}{'gradients':>11}   (relative to float64; right up to {FORWARD:.0e} and "
             f"{GRADIENT:.0e})"]
    return lines + [f"{row['case']:<28}" + (f"   {row['said']}" if "said" in row else
                                            f"{row['forward']:>10.1e}{row['gradient']:>11.1e}")
                    + "   WRONG" * row["wrong"] for row in results["rows"]]
