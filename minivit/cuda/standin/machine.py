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
    memory there, and started a computation."""

    gpus: int = 1
    current: int = 0
    synchronisations: int = 0
    copies_to_device: int = 0
    allocations: int = 0
    launches: int = 0


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
