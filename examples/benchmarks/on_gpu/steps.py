"""training steps: against PyTorch, eager and compiled, in one process and in turn

A step fetches its batch from pinned memory, computes the loss, all gradients and AdamW, and reads the loss, on each
side and in the same precision of matrix products. minivit also computes the norm of the gradient.
"""
import contextlib
import gc
import importlib.util
import itertools
import sys
from dataclasses import replace
from functools import partial

import numpy as np
from configs import CONFIGS
from on_gpu.attempt import attempt
from on_gpu.clock import in_turn
from peers import LR, WEIGHT_DECAY, Torch

from minivit.backend import to_device, xp_of
from minivit.data import Batch
from minivit.models import VisionTransformer, preset
from minivit.modes import precision
from minivit.optim import AdamW
from minivit.streams import stream
from minivit.train import Classification
from minivit.train.device import Conveyor
from minivit.train.loop import train_epoch
from minivit.train.replay import Replay

MODELS = {"ti4": CONFIGS["ti4"].model, "deit-ti-224": preset("deit_tiny_patch16_224")}
RUNS = (("ti4", 64), ("ti4", 256), ("ti4", 1024), ("deit-ti-224", 128))
TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2}          # between the losses of the sides, relative
TINY = dict(embed_dim=16, depth=2, num_heads=2)


def add_arguments(parser):
    parser.add_argument("--precision", choices=TOLERANCE, default="tf32", help="of matrix products, on both sides "
                        "(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="in which every side takes its turn (default: 7)")
    parser.add_argument("--count", type=int, default=20, help="steps in a turn (default: %(default)s)")
    parser.add_argument("--batch", action="append", metavar="MODEL:B", help=f"such as ti4:64 (default: "
                        f"{', '.join(f'{name}:{B}' for name, B in RUNS)})")


def setting(name, batch, dry):
    """(model, images, labels), the same at every call; small on a stand-in."""
    config = replace(MODELS[name], **(TINY if dry else {}), zero_head=False)
    rng = stream(0, place=f"steps {name}")
    images = rng.standard_normal((batch, config.in_chans) + config.image_size, dtype=np.float32)
    return VisionTransformer(config), images, rng.integers(0, config.num_classes, batch)


class Ours:
    """minivit. graph: whether its steps are replayed."""

    def __init__(self, model, images, labels, chosen, graph):
        self.precision, self.said = chosen, []
        optimizer = AdamW(model.to("cuda"), lr=LR, weight_decay=WEIGHT_DECAY)
        batches = itertools.repeat(Batch(images, labels, np.arange(len(labels))))
        self.steps = train_epoch(model, Conveyor("cuda")(batches), Classification(), optimizer, lambda step: LR,
                                 run=Replay(model, optimizer, self.said.append) if graph else None)

    def step(self):
        with precision(self.precision):
            return next(self.steps).loss


class OnGpu(Torch):
    """PyTorch, with its fused AdamW."""

    said = ()

    def __init__(self, model, images, labels, chosen, compiled):
        super().__init__(model, images, labels, threads=1)
        torch = self.torch
        torch.set_float32_matmul_precision("highest" if chosen == "fp32" else "high")
        torch.backends.cudnn.allow_tf32 = chosen != "fp32"
        self.cast = (lambda: torch.autocast("cuda", torch.bfloat16)) if chosen == "bf16" else contextlib.nullcontext
        self.p = {name: torch.nn.Parameter(p.detach().cuda()) for name, p in self.p.items()}
        self.optimizer = torch.optim.AdamW(self.p.values(), lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
        self.here = self.images.pin_memory(), self.labels.pin_memory()
        if compiled:
            self.call = torch.compile(self.forward, mode="reduce-overhead", dynamic=False)

    def step(self):
        images, labels = (array.cuda(non_blocking=True) for array in self.here)
        self.optimizer.zero_grad()
        with self.cast():
            loss = self.F.cross_entropy(self.call(images), labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def sides(options):
    """{name: function that makes the side of (model, images, labels)}."""
    found = {"minivit, launch by launch": lambda *of: Ours(*of, options.precision, graph=False),
             "minivit": lambda *of: Ours(*of, options.precision, graph=True)}
    if importlib.util.find_spec("torch") is not None and not options.dry_run:
        found |= {"PyTorch": lambda *of: OnGpu(*of, options.precision, compiled=False),
                  "PyTorch, compiled": lambda *of: OnGpu(*of, options.precision, compiled=True)}
    return found


def run(options):
    wanted = [(name, int(B)) for name, B in (batch.split(":") for batch in options.batch)] if options.batch else RUNS
    xp, rows = xp_of(to_device(np.zeros(1, np.float32), "cuda")), []
    for name, batch in wanted:
        rows += _measured(xp, name, batch, options)
        yield {"precision": options.precision, "rounds": options.rounds, "count": options.count, "rows": rows}
        _free(xp)


def _measured(xp, name, batch, options):
    """The rows of all sides with one model and size of batch."""
    able, found = {}, {}

    def begin(side, make):
        one = make(*setting(name, batch, options.dry_run))
        one.losses = [one.step() for _ in range(4)]                             # compiles, records
        able[side] = one
        return [{"wrong": True, "said": one.said[0]} if one.said else {"wrong": False}]
    for side, make in sides(options).items():
        row = {"model": name, "batch": batch, "side": side}
        found[side], = attempt(row, partial(begin, side, make), options.until)
    times = in_turn(xp, {side: one.step for side, one in able.items()}, options.rounds, options.count)
    for side, time_of_one in times.items():
        off = max(abs(a / b - 1) for a, b in zip(able[side].losses, able.get("minivit", able[side]).losses))
        found[side] |= {"ms": 1000 * time_of_one, "images/s": batch / time_of_one, "loss_off": off,
                        "speed": times["minivit"] / time_of_one if "minivit" in times else None}
        found[side]["wrong"] |= not off <= TOLERANCE[options.precision]
    return found.values()


def _free(xp):
    """Give the memory of a run back, so that the next one has all of it."""
    gc.collect()
    xp.get_default_memory_pool().free_all_blocks()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()


def table(results):
    lines = [f"matrix products in {results['precision']} on every side; speed: relative to minivit's"]
    lines += ["(PyTorch's autocast keeps activations in bf16 as well, minivit in float32)"] * (
        results["precision"] == "bf16")
    lines.append(f"{'model':<14}{'batch':>6}  {'side':<26}{'ms':>9}{'images/s':>10}{'speed':>7}")
    for row in results["rows"]:
        speed = f"{row['speed']:>7.2f}" if row.get("speed") else f"{'':>7}"
        lines.append(f"{row['model']:<14}{row['batch']:>6}  {row['side']:<26}" + (
            f"{row['ms']:>9.2f}{row['images/s']:>10.0f}{speed}" if "ms" in row else "") + "   WRONG" * row["wrong"]
            + (f"   {row['said']}" if "said" in row else ""))
    return lines
