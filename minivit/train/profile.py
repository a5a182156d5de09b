"""Where the time of a training step goes: every operation timed, without a change to the engine.

`using` can lay functions over the forms of an operation for a block; here it lays the operations' own functions, each
with a clock around it, over all of them.
"""
import threading
import time
from dataclasses import dataclass

from minivit.function import FUNCTIONS
from minivit.modes import using


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
        return using("array", {name: (self._timed(name, "forward", function.forward),
                                      self._timed(name, "backward", function.backward))
                               for name, function in FUNCTIONS.items()})

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
