"""Where the time of a training step goes: every operation timed, without a change to the engine.

`using` can lay functions over the forms of an operation for a block; here it lays the operations' own functions, each
with a clock around it, over all of them. On a GPU, where a call only says what is to be done, the clock is a pair of
CUDA events; and how many launches a step asks for is counted on the stand-in for CuPy, on any machine.
"""
import threading
import time
from collections import Counter
from dataclasses import dataclass

from minivit.cuda.standin import standing_in
from minivit.function import FUNCTIONS
from minivit.modes import using
from minivit.optim import AdamW
from minivit.train.device import Conveyor
from minivit.train.loop import train_epoch
from minivit.train.losses import Classification


@dataclass
class Timing:
    """All calls of one operation in one direction: seconds are summed over threads, bytes are those of its arrays."""

    calls: int = 0
    seconds: float = 0.0
    gigabytes: float = 0.0
    gflop: float = 0.0


class Profile:
    """Collects timings: `with profile.recording(): ...`, then `profile.timings` of (operation, direction)."""

    def __init__(self):
        self.timings, self.lock = {}, threading.Lock()

    def recording(self):
        """A block in which the array form of every operation is timed, in this thread and in workers."""
        return _laid_over("array", self._timed)

    def _timed(self, name, direction, function):
        def timed(ctx, *arrays, **options):
            start = time.perf_counter()
            result = function(ctx, *arrays, **options)
            seconds = time.perf_counter() - start
            touched = [*arrays, *(result if isinstance(result, tuple) else (result,))]
            with self.lock:
                timing = self.timings.setdefault((name, direction), Timing())
                timing.calls += 1
                timing.seconds += seconds
                timing.gigabytes += sum(getattr(array, "nbytes", 0) for array in touched) / 1e9
                timing.gflop += gflop(name, direction, ctx, arrays)
            return result
        return timed


def _laid_over(form, wrapped):
    """A block in which the functions of every operation are wrapped(name, direction, function): those of its `form`, or
    where it has one form for all devices, of that."""
    table = {name: function.forms[form if form in function.forms else "array"] for name, function in FUNCTIONS.items()
             if form in function.forms or function.portable}
    return using(form, {name: (wrapped(name, "forward", forward), wrapped(name, "backward", backward))
                        for name, (forward, backward) in table.items()})


def seconds_on_gpu(xp, run):
    """{(operation, direction): seconds} of what run() asks of a GPU, by CUDA events; xp: CuPy."""
    events = []

    def timed(name, direction, function):
        def timed(ctx, *arrays, **options):
            start, end = xp.cuda.Event(), xp.cuda.Event()
            start.record()
            result = function(ctx, *arrays, **options)
            end.record()
            events.append(((name, direction), start, end))
            return result
        return timed
    with _laid_over("cuda", timed):
        run()
    seconds = Counter()
    for key, start, end in events:
        end.synchronize()
        seconds[key] += xp.cuda.get_elapsed_time(start, end) / 1000
    return seconds


def launches(model, batch):
    """({(operation, direction): launches}, {(operation, direction): calls}, launches in all) of a training step of
    `model` with AdamW on a GPU, none of which is needed: the stand-in counts. The model is one's own from then on."""
    counted, calls = Counter(), Counter()
    with standing_in() as machine:
        def count(name, direction, function):
            def run(ctx, *arrays, **options):
                before = machine.launches
                result = function(ctx, *arrays, **options)
                counted[name, direction] += machine.launches - before
                calls[name, direction] += 1
                return result
            return run
        steps = train_epoch(model.to("cuda"), Conveyor("cuda")([batch] * 2), Classification(), AdamW(model),
                            lambda step: 1e-4, clip_norm=1.0)
        next(steps)                                             # the first makes what stays
        before = machine.launches
        with _laid_over("cuda", count):
            next(steps)
        return counted, calls, machine.launches - before


def gflop(name, direction, ctx, arrays):
    """Multiplications and additions of the matrix products in one call, in units of 1e9; 0 for what has none."""
    if name == "linear":
        rows, weight = (arrays[0], arrays[1]) if direction == "forward" else (arrays[0], ctx.saved[1])
        product = 2 * rows.size // rows.shape[-1] * weight.size
        return product / 1e9 if direction == "forward" else (ctx.needs[0] + ctx.needs[1]) * product / 1e9
    if name == "attention":
        q, k = arrays[:2] if direction == "forward" else ctx.saved[:2]
        return (4 if direction == "forward" else 8) * q.size * k.shape[2] / 1e9
    if name == "conv2d":
        x, weight = arrays[:2] if direction == "forward" else ctx.saved
        product = 2 * len(x) * weight.size * ctx.g.grid[0] * ctx.g.grid[1]
        return product / 1e9 if direction == "forward" else (ctx.needs[0] + ctx.needs[1]) * product / 1e9
    return 0.0
