"""First values of parameters, as float32 arrays.

- `xavier_uniform`, `lecun_normal`, `normal`, `zeros`, `ones`: initialisers; `rng` is a NumPy Generator or a seed
- `no_init()`: a block in which they allocate nothing, so that a model of any size can be built to be looked at
"""
import math
from contextvars import ContextVar

import numpy as np

from minivit.modes import holding

_allocate = ContextVar("minivit_allocate", default=True)
TRUNCATED_STD = 0.87962566103423978     # standard deviation of a standard normal number that is cut at -2 and 2


def no_init():
    """A block in which parameters have shapes but no memory: for counting, not for computing."""
    return holding(_allocate, False)


def _filled(shape, fill):
    """fill() as float32, or under no_init a read-only array of that shape that takes 4 bytes."""
    if not _allocate.get():
        return np.broadcast_to(np.float32(0), shape)
    return fill().astype(np.float32, copy=False)


def zeros(shape):
    return _filled(shape, lambda: np.zeros(shape, np.float32))


def ones(shape):
    return _filled(shape, lambda: np.ones(shape, np.float32))


def normal(rng, shape, std):
    """Normal numbers of mean 0."""
    return _filled(shape, lambda: np.random.default_rng(rng).standard_normal(shape, np.float32) * std)


def xavier_uniform(rng, shape, fan_in, fan_out):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010, eq. 16."""
    bound = math.sqrt(6 / (fan_in + fan_out))
    return _filled(shape, lambda: np.random.default_rng(rng).uniform(-bound, bound, shape))


def lecun_normal(rng, shape, fan_in):
    """Normal of variance 1 / fan_in, cut at two standard deviations: LeCun et al. 1998, "Efficient backprop", 4.6."""
    def fill():
        generator = np.random.default_rng(rng)
        numbers = generator.standard_normal(shape)
        while (outside := np.abs(numbers) > 2).any():
            numbers[outside] = generator.standard_normal(outside.sum())
        return numbers * (math.sqrt(1 / fan_in) / TRUNCATED_STD)
    return _filled(shape, fill)
