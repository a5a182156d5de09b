"""Streams, events, graphs and memory pools: a stream computes at once, unless it is being captured."""
import contextlib
import time

from minivit.cuda.standin.machine import machine


class Event:
    """A moment of a stream; here, of the host."""

    def record(self, stream=None):
        self.time = time.perf_counter()

    def synchronize(self):
        machine().synchronise()


def get_elapsed_time(start_event, end_event): return 1000 * (end_event.time - start_event.time)


class Stream:
    """A stream; in a `with` block the current one. Nothing runs beside anything else: there is nothing to wait for."""

    current = []            # the streams of the blocks that are open

    def __init__(self, null=False, non_blocking=False):
        self.null, self.ptr = null, 0 if null else id(self)

    def __enter__(self):
        Stream.current.append(self)
        return self

    def __exit__(self, *error):
        Stream.current.pop()

    def record(self, event=None): return event or Event()
    def wait_event(self, event): pass

    def begin_capture(self, mode=None):
        if self.null or get_current_stream() is not self:
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: not on the default stream")
        machine().captured = []

    def end_capture(self):
        captured, machine().captured = machine().captured, None
        if captured is None:
            raise RuntimeError("cudaErrorIllegalState: nothing is being captured")
        return Graph(captured)


class Graph:
    """What was captured."""

    def __init__(self, actions):
        self.actions = actions

    def launch(self, stream=None):
        machine().graphs += 1
        for action in self.actions:
            action()


class MemoryPool:
    """Memory apart from all other: in a block using_allocator(pool.malloc)."""

    def malloc(self, size):
        raise NotImplementedError("the stand-in's memory is NumPy's")

    def free_all_blocks(self, stream=None): pass


@contextlib.contextmanager
def using_allocator(allocator=None):
    before, machine().pool = machine().pool, allocator
    try:
        yield
    finally:
        machine().pool = before


NULL, POOL = Stream(null=True), MemoryPool()


def get_default_memory_pool(): return POOL


def get_current_stream(device_id=-1): return Stream.current[-1] if Stream.current else NULL
