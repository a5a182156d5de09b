"""Worker threads, each computing its own part of a batch with one BLAS thread.

NumPy gives up Python's lock inside BLAS and inside element-wise loops, so threads do run side by side. Two matrix
products at once on one thread each are faster than two after the other on two threads each, and all that is not a
matrix product gains a second core.
"""
import contextlib
import contextvars
import itertools
from concurrent.futures import ThreadPoolExecutor

from minivit.backend import cpu_count, keep_memory
from minivit.modes import grad_enabled, holding

# How large a part is: each call in it must be long, since a thread that comes back to Python waits for the other to
# leave it, and its activations must not need more memory, nor leave the cache more often, than they have to.
NUMBERS = 1 << 17       # in the residual stream of a part, about
ROWS = 512              # tokens in a part, at least: below, adding up the parts' gradients would count

_turns = itertools.count()
_turn = contextvars.ContextVar("minivit_turn", default=None)


def turn():
    """A number that grows from item to item of `Workers.map`, and from call to call outside of it: whoever collects
    something from threads can put it in order."""
    own = _turn.get()
    return next(_turns) if own is None else own


def _in_turn(number, function, item):
    with holding(_turn, number):
        return function(item)


class Workers:
    """A block in which `count` threads (default: one per core) work and BLAS keeps to one thread.

    One worker is the calling thread itself; outside the block, it does all the work and BLAS is left as it is.
    """

    def __init__(self, count=None):
        if count is not None and count < 1:
            raise ValueError(f"there must be at least 1 worker, not {count}")
        self.count, self.pool = count or cpu_count(), None

    def __enter__(self):
        from threadpoolctl import ThreadpoolController      # not at the top: --help loads NumPy alone
        with contextlib.ExitStack() as stack:
            self.libraries = ThreadpoolController()
            stack.enter_context(keep_memory())
            stack.enter_context(self.libraries.limit(limits=1, user_api="blas"))
            if self.count > 1:
                self.pool = stack.enter_context(ThreadPoolExecutor(self.count, "minivit"))
            self.held = stack.pop_all()
        return self

    def __exit__(self, *error):
        self.pool = None
        return self.held.__exit__(*error)

    def map(self, function, items):
        """function(item) for each item, in order; each call sees the caller's context (no_grad, using, ...).

        Where one fails, those that have not begun are dropped and its error is raised. A single item is worked on by
        the calling thread, and where nothing is recorded BLAS helps with all threads. (Not in training: a weight's
        gradient is a sum over rows, which BLAS cuts up among its threads, and a sum in another order has other bits.)
        """
        if self.pool is None or len(items) < 2:
            threads = self.count if self.pool is not None and not grad_enabled() else 1
            with self.libraries.limit(limits=threads, user_api="blas") if threads > 1 else contextlib.nullcontext():
                return [function(item) for item in items]
        futures = [self.pool.submit(contextvars.copy_context().run, _in_turn, next(_turns), function, item)
                   for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()


def parts(images, shape):
    """Slices that cut a batch into near-equal parts; they depend on the shapes alone.

    shape: (N, D), tokens of an image and their width. An even number of parts, so that two threads end together; one,
    where there is too little work to share.
    """
    N, D = shape
    rows = images * N
    count = 2 * max(1, min(rows * D // (2 * NUMBERS), rows // (2 * ROWS))) if rows >= ROWS // 2 else 1
    count = min(count, images)
    ends = [images * k // count for k in range(count + 1)]
    return [slice(start, end) for start, end in zip(ends, ends[1:])]


SERIAL = Workers(1)     # no threads: for small work
