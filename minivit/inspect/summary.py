"""The parts of a model: shapes, parameters, arithmetic and memory of each, found by sending one image through it.

- `summarise(model)`: a `Part` for every module that was called, in that order

Matrix products are where the time of a model goes, so they are not carried out: the three operations that contain them
are laid over by functions that save what theirs save and return zeros. So even ViT-H is summarised in seconds, and a
model made under `nn.no_init()` needs no memory for its weights.
"""
from dataclasses import dataclass, field

import numpy as np

from minivit.function import FUNCTIONS
from minivit.modes import using
from minivit.nn import watching
from minivit.streams import randomness
from minivit.tensor import Tensor
from minivit.train.profile import gflop


@dataclass
class Part:
    """A module, and what it did itself, not through a module within it.

    path: its name in the model, "" for the model; shape: that of its result; parameters: how many numbers are its own.
    flop: multiplications and additions of its matrix products. kept: bytes that its operations keep for backward.
    """

    path: str
    kind: str
    parameters: int
    shape: tuple = ()
    flop: int = 0
    kept: int = 0


def linear(ctx, x, weight, bias):
    """Linear.forward without the product."""
    ctx.save(x.reshape(-1, x.shape[-1]), weight)
    ctx.shape = x.shape
    return np.zeros(x.shape[:-1] + weight.shape[:1], x.dtype)


def attention(ctx, q, k, v, mask=None, dropout=0.0, draw=None):
    """Attention.forward without the products."""
    B, H, N, K = q.shape
    weights = np.zeros((B, H, N, k.shape[2]), q.dtype)
    y = np.zeros((B, N, H, K), q.dtype).swapaxes(1, 2)
    ctx.save(q, k, v, weights, np.zeros_like(weights) if dropout else None, y)
    return y


def conv2d(ctx, x, weight, bias, g):
    """Conv2d.forward without the products."""
    ctx.save(x, weight)
    ctx.g = g
    return np.zeros((len(x), len(weight)) + g.grid, x.dtype)


WITHOUT_PRODUCTS = {"linear": linear, "attention": attention, "conv2d": conv2d}


@dataclass
class Trace:
    """Follows one forward pass: which module is at work, what its operations compute and keep."""

    parts: dict                                         # id(module) -> Part
    counted: set                                        # id of every array whose bytes are counted, or are no one's
    called: list = field(default_factory=list)
    active: list = field(default_factory=list)
    alive: list = field(default_factory=list)           # what was counted, so that no id comes up twice

    def watch(self, module, call):
        """See nn.watching."""
        part = self.parts[id(module)]
        if part not in self.called:
            self.called.append(part)
        self.active.append(part)
        result = call()
        self.active.pop()
        part.shape = (result[0] if isinstance(result, tuple) else result).shape
        return result

    def operation(self, name, forward):
        """`forward` of an operation, followed."""
        def followed(ctx, *arrays, **options):
            result = forward(ctx, *arrays, **options)
            part = self.active[-1]
            part.flop += round(1e9 * gflop(name, "forward", ctx, arrays))
            for array in ctx.saved:
                owner = _owner(array)
                if owner is not None and id(owner) not in self.counted:
                    self.counted.add(id(owner))
                    self.alive.append(owner)
                    part.kept += owner.nbytes
            return result
        return followed


def _owner(array):
    """The array whose memory `array` looks at; None for what is no array."""
    while isinstance(array, np.ndarray) and isinstance(array.base, np.ndarray):
        array = array.base
    return array if isinstance(array, np.ndarray) else None


def summarise(model):
    """The Parts of a model for one image, in the order in which they are first called; training mode, float32."""
    named = dict((id(module), Part(path, type(module).__name__, sum(
        value.size for value in vars(module).values() if hasattr(value, "requires_grad"))))
        for path, module in model.named_modules())
    config, training = model.config, model.training
    image = Tensor(np.zeros((1, config.in_chans) + config.image_size, np.float32))
    weights = [_owner(parameter.data) for parameter in model.parameters()]
    trace = Trace(named, {id(array) for array in weights} | {id(_owner(image.data))})
    functions = {name: (trace.operation(name, WITHOUT_PRODUCTS.get(name, function.forward)), function.backward)
                 for name, function in FUNCTIONS.items()}
    model.train()
    try:
        with using("array", functions), watching(trace.watch), randomness(0, 0):
            result = model(image)
    finally:
        model.train(training)
    del result
    return trace.called
