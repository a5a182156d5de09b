"""Modules: functions with parameters, nested in one another.

- `Parameter`: a Tensor that is learned
- `Module`: its parameters and sub-modules are simply its attributes, also inside lists and dicts
- `Sequential`: modules applied one after the other

- `watching(watcher)`: a block in which every module that is called is seen

There is no registration: the tree is found by looking at the attributes, in the order in which they were set, so names
such as `blocks.0.attn.qkv.weight` are the path that one would write in Python.
"""
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from minivit.backend import copy_into, on, to_device, usable
from minivit.function import shape_of
from minivit.modes import holding
from minivit.tensor import Tensor

_watcher = ContextVar("minivit_watcher", default=None)


def watching(watcher):
    """A block in which `watcher(module, call)` stands in for every call of a module: it returns what `call()` does.

    In a block within a block, the outer watcher sees what the inner one calls. None: in this block nobody watches.
    """
    outer = _watcher.get()
    if watcher is None or outer is None:
        return holding(_watcher, watcher)
    return holding(_watcher, lambda module, call: watcher(module, lambda: outer(module, call)))


def watched():
    """Whether somebody watches calls of modules here."""
    return _watcher.get() is not None


class Parameter(Tensor):
    """A Tensor that requires a gradient and that a Module finds among its attributes."""

    __slots__ = ()

    def __init__(self, data):
        super().__init__(data, requires_grad=True)


@dataclass(frozen=True)
class Loaded:
    """What `load_state_dict(strict=False)` found: names without a value, and values without a parameter."""

    missing: tuple
    unexpected: tuple


def _entries(name, value):
    """(path, Parameter or Module) for every one in `value`, looking into lists, tuples and dicts."""
    if isinstance(value, (Parameter, Module)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _entries(f"{name}.{index}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _entries(f"{name}.{key}", item)


class Module:
    """Base of every layer and model: write `__init__` (set parameters and sub-modules) and `forward`."""

    training = True         # whether dropout and its like are active: see train() and eval()

    def __call__(self, *args, **options):
        watcher = _watcher.get()
        if watcher is None:
            return self.forward(*args, **options)
        return watcher(self, lambda: self.forward(*args, **options))

    def named_modules(self, name=""):
        """(path, module) of this module, whose path is `name`, and of all below it."""
        yield name, self
        for attribute, value in vars(self).items():
            for path, entry in _entries(attribute, value):
                if isinstance(entry, Module):
                    yield from entry.named_modules(f"{name}.{path}" if name else path)

    def named_parameters(self):
        """(path, Parameter), each parameter once, in the order in which they were set."""
        seen = set()
        for prefix, module in self.named_modules():
            for attribute, value in vars(module).items():
                for path, entry in _entries(attribute, value):
                    if isinstance(entry, Parameter) and id(entry) not in seen:
                        seen.add(id(entry))
                        yield (f"{prefix}.{path}" if prefix else path), entry

    def parameters(self):
        """Every parameter once."""
        return (parameter for _, parameter in self.named_parameters())

    def num_parameters(self):
        """How many numbers are learned."""
        return sum(parameter.size for parameter in self.parameters())

    def train(self, mode=True):
        """Switch this module and all below it to training, or with mode=False to evaluation."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self):
        """Switch to evaluation: no dropout, no stochastic depth."""
        return self.train(False)

    def astype(self, dtype):
        """Convert every parameter to float32 or float64, in place; drops their gradients."""
        for parameter in self.parameters():
            with on(parameter.data):
                parameter.data = parameter.data.astype(dtype)
            parameter.grad = None
        return self

    @property
    def device(self):
        """Where its first parameter is, and so must be what it is given: "cpu", "cuda" or "cuda:1"."""
        return next((parameter.device for parameter in self.parameters()), "cpu")

    def to(self, device):
        """Move every parameter, and every array among the attributes, to a device; drops the gradients.

        Do so before an optimizer is built, which packs the arrays that it finds. Raises ValueError, with the reason,
        where there is no such device.
        """
        device = usable(device)
        for parameter in self.parameters():
            parameter.data = to_device(parameter.data, device)
            parameter.grad = None
        for _, module in self.named_modules():
            constants = {name: to_device(value, device) for name, value in vars(module).items()
                         if hasattr(value, "dtype") and not isinstance(value, (Tensor, np.generic))}
            vars(module).update(constants)
        return self

    def zero_grad(self):
        """Forget the gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self):
        """{path: array} of every parameter; the arrays are the model's own, not copies, and on its device."""
        return {name: parameter.data for name, parameter in self.named_parameters()}

    def load_state_dict(self, state, strict=True):
        """Copy the arrays of `state`, wherever they are, into the parameters of the same names.

        Nothing is changed if anything is wrong.

        strict: every name must be there on both sides; else returns what was Loaded.
        Raises KeyError for names that do not match, ValueError for shapes that do not.
        """
        own = dict(self.named_parameters())
        missing = tuple(name for name in own if name not in state)
        unexpected = tuple(name for name in state if name not in own)
        if strict and (missing or unexpected):
            raise KeyError(f"this is not the state of this {type(self).__name__}: "
                           f"missing {_some(missing)}; unexpected {_some(unexpected)}. Was it saved from a model with "
                           f"another configuration? strict=False loads what matches")
        matching = {name: state[name] for name in own if name in state}
        wrong = [f"{name} is {shape_of(array)}, expected {own[name].shape}"
                 for name, array in matching.items() if shape_of(array) != own[name].shape]
        if wrong:
            raise ValueError(f"the state has other shapes than this {type(self).__name__}: {'; '.join(wrong[:3])}"
                             + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""))
        for name, array in matching.items():
            copy_into(own[name].data, array)
        return Loaded(missing, unexpected)

    def __repr__(self):
        lines = []
        for attribute, value in vars(self).items():
            for path, entry in _entries(attribute, value):
                text = f"Parameter{entry.shape}" if isinstance(entry, Parameter) else repr(entry)
                lines.append(f"  {path}: " + text.replace("\n", "\n  "))
        return f"{type(self).__name__}(" + ("\n" + "\n".join(lines) + "\n" if lines else "") + ")"


def _some(names):
    """At most three of `names`, for an error message."""
    return (", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")) or "nothing"


class Sequential(Module):
    """Modules applied one after the other; they are called 0, 1, ... as in PyTorch."""

    def __init__(self, *modules):
        vars(self).update({str(number): module for number, module in enumerate(modules)})

    def forward(self, x):
        for value in vars(self).values():
            x = value(x) if isinstance(value, Module) else x
        return x
