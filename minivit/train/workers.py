"""Worker threads, each computing its own part of a batch with one BLAS thread.

NumPy gives up Python's lock inside BLAS and inside element-wise loops, so threads do run side by side. Two matrix
products at once on one thread each are faster than two after the other on two threads each, and all that is not a matrix
product gains a second core.
"""
import contextlib
import contextvars
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits

from minivit.backend import cpu_count, keep_memory

ROWS = 512              # tokens in a part: few enough for activations to stay in the cache, enough for BLAS to be fast


class Workers:
    """A block in which `count` threads (default: one per core) work and BLAS keeps to one thread.

    One worker is the calling thread itself; outside the block, it does all the work and BLAS is left as it is.
    """

    def __init__(self, count=None):
        if count is not None and count < 1:
            raise ValueError(f"there must be at least 1 worker, not {count}")
        self.count, self.pool = count or cpu_count(), None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(keep_memory())
            stack.enter_context(threadpool_limits(1, user_api="blas"))
            if self.count > 1:
                self.pool = stack.enter_context(ThreadPoolExecutor(self.count, "minivit"))
            self.held = stack.pop_all()
        return self

    def __exit__(self, *error):
        self.pool = None
        return self.held.__exit__(*error)

    def map(self, function, items):
        """function(item) for each item, in order; each call sees the caller's context (no_grad, using, ...).

        Where one fails, those that have not begun are dropped and its error is raised.
        """
        if self.pool is None or len(items) < 2:
            return [function(item) for item in items]
        futures = [self.pool.submit(contextvars.copy_context().run, function, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()


def parts(images, rows_per_image):
    """Slices that cut a batch into near-equal parts of about ROWS rows; they depend on the shapes alone."""
    count = min(images, max(1, round(images * rows_per_image / ROWS)))
    ends = [images * k // count for k in range(count + 1)]
    return [slice(start, end) for start, end in zip(ends, ends[1:])]


SERIAL = Workers(1)     # no threads: for small work
