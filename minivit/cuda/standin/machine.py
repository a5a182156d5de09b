"""What a block asked of its GPUs.

Every number that the host reads is a synchronisation: it waits until the device has done all that it was told before.
"""
import contextlib
from contextvars import ContextVar
from dataclasses import dataclass

_machine = ContextVar("minivit_machine")


@dataclass
class Machine:
    """`gpus` of them, of which `current` computes; how often the host waited for a number, copied to the device, took
    memory there, started a computation, and started a graph.

    captured: what is being captured into a graph, a list of functions, or None. pool: where memory is taken from, if
    that is not the usual pool.
    """

    gpus: int = 1
    current: int = 0
    synchronisations: int = 0
    copies_to_device: int = 0
    allocations: int = 0
    launches: int = 0
    graphs: int = 0
    captured: list = None
    pool: object = None

    def launch(self, action, count=1):
        """Start a computation; in a capture it is only noted."""
        self.launches += count
        if self.captured is None:
            action()
        else:
            self.captured.append(action)

    def synchronise(self):
        """The host waits."""
        self._refuse("a number is read, or waited for,")
        self.synchronisations += 1

    def copy_to_device(self):
        """Numbers of the host are copied to the device."""
        self._refuse("numbers of the host are copied to the device")
        self.copies_to_device += 1

    def allocate(self):
        """Memory of the device is taken."""
        if self.pool is None:                       # what the usual pool gets back it may give to others
            self._refuse("memory is taken from the usual pool")
        self.allocations += 1

    def _refuse(self, what):
        if self.captured is not None:
            raise RuntimeError(f"{what} while a graph is captured")


def machine():
    """The Machine of the block."""
    return _machine.get()


@contextlib.contextmanager
def counting(gpus):
    """A block that has a Machine of its own."""
    token = _machine.set(Machine(gpus))
    try:
        yield machine()
    finally:
        _machine.reset(token)
