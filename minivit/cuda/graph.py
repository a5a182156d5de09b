"""CUDA graphs: what the host asks of a GPU, recorded once and then asked for in one go.

- `Graphs(array)`: runs functions on the device of `array`; the third run of each is recorded, later ones are replayed

A step of a small model is hundreds of launches of a few microseconds each, and saying them takes the host longer than
computing them takes the GPU. A graph remembers the launches with all their arguments: numbers as they were, arrays as
addresses. So a function can be recorded if

- what changes from run to run lies in arrays, which stay where they are and are overwritten before each run;
- it neither reads a number from the device nor copies one to it: while recording, nothing is computed;
- it takes memory from a pool of its own, which gives an address to nobody else as long as the graph lives;
- its launches are those of every run: what Python decides is decided once.

Two runs come before: they compile kernels, and give the stream its connection to cuBLAS, with a workspace.

Source: NVIDIA, "CUDA C++ programming guide", section on CUDA graphs.
"""
import contextlib

from minivit.backend import on, xp_of

WARM_UP = 2             # runs before the one that is recorded


class NotRecorded(RuntimeError):
    """A function could not be recorded; nothing was computed."""


class Graphs:
    """Functions on the device of `array`, each with a graph of its own. They share one pool: only one of them runs at a
    time, and what it returned is read before the next."""

    def __init__(self, array):
        self.array, self.xp, self.cuda = array, xp_of(array), xp_of(array).cuda
        with on(array):
            self.stream, self.pool = self.cuda.Stream(non_blocking=True), self.cuda.MemoryPool()
        self.runs, self.recorded = {}, {}           # key -> how many; key -> (graph, what the function returned)

    def run(self, key, function):
        """(result, replayed): what function() returns, and whether Python was left out.

        key: all that it depends on but the contents of arrays. In a replay the result is the same arrays with new
        contents. Raises NotRecorded where the function cannot be recorded.
        """
        with on(self.array):
            if key in self.recorded:
                graph, result = self.recorded[key]
                graph.launch()
                return result, True
            self.runs[key] = self.runs.get(key, 0) + 1
            if self.runs[key] <= WARM_UP:
                return self._warm_up(function), False
            graph, result = self.recorded[key] = self._record(function)
            graph.launch()
            return result, False

    def _warm_up(self, function):
        """Run on the stream that is recorded later, after and before all that runs on the current one."""
        current = self.cuda.get_current_stream()
        self.stream.wait_event(current.record())
        with self.stream:
            result = function()
        current.wait_event(self.stream.record())
        return result

    def _record(self, function):
        self.xp.get_default_memory_pool().free_all_blocks(self.stream)      # of the warm-up: it needs as much once more
        with self.stream, self.cuda.using_allocator(self.pool.malloc):
            self.stream.begin_capture()
            try:
                result = function()
                return self.stream.end_capture(), result
            except Exception as error:
                with contextlib.suppress(Exception):            # it may have ended already
                    self.stream.end_capture()
                raise NotRecorded(f"{type(error).__name__}: {error}") from error
