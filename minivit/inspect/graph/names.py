"""Which module made which node of the tape.

Nodes are numbered in the order in which they are made, and one call after the other makes them. So all nodes of one
call of a module, and no others, have the numbers from its beginning to its end.
"""
import contextlib
from dataclasses import dataclass

from minivit import tape
from minivit.nn import watching


@dataclass(frozen=True)
class Call:
    """A call of the module at `path`, which made the nodes `start` < order < `end`. level: in how many others it is."""

    path: str
    kind: str
    level: int
    start: int
    end: int


class Names:
    """The calls of a model's modules, innermost first, and the names of its parameters, {id: name}."""

    def __init__(self, model):
        self.paths = {id(module): path for path, module in model.named_modules()}
        self.parameters = {id(parameter): name for name, parameter in model.named_parameters()}
        self.calls, self.level = [], 0

    def watch(self, module, call):
        """See nn.watching."""
        if id(module) not in self.paths:
            return call()
        start, level = tape.now(), self.level
        self.level += 1
        try:
            result = call()
        finally:
            self.level = level
        self.calls.append(Call(self.paths[id(module)], type(module).__name__, level, start, tape.now()))
        return result

    def maker(self, node):
        """The innermost call that made a node; None for one that was made outside of the model."""
        return next((call for call in self.calls if call.start < node.order < call.end), None)

    def collapsed(self, level):
        """The calls that are drawn as one box each: those at `level`, and those above it in which no module is called.

        They lie side by side, not in one another, so that a box never stands on both sides of another.
        """
        return [call for call in self.calls if call.level == level or call.level < level and not any(
            other.level > call.level and call.start < other.start < call.end for other in self.calls)]


@contextlib.contextmanager
def naming(model):
    """A block in which it is noted which module of `model` makes which node, on this thread: `... as names`."""
    names = Names(model)
    with watching(names.watch):
        yield names
