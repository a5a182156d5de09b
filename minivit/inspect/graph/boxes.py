"""From the tape to boxes: nodes of one module become one, the oldest of too many become "+k more".

A box holds nodes whose numbers follow one another, and a node is computed from older ones only. So the boxes, too, can
be put in an order in which every edge leads forwards: there are no circles, however nodes are put together.
"""
import math
from dataclasses import dataclass, field

from minivit import tape
from minivit.inspect.graph.names import Call


@dataclass
class Box:
    """What is drawn as one: a module, an operation, a leaf, or a number of these.

    title, about: its name and what it is. shapes: of its results that others use; gradient: the norm of the loss's
    gradient in these, nan where none arrived. parameters: {name: (size, norm of the gradient)} of those within it.
    order: the number of its newest node, by which boxes are sorted; holds: how many nodes or boxes it stands for.
    """

    title: str
    about: str
    order: float
    shapes: list = field(default_factory=list)
    gradient: float = math.nan
    parameters: dict = field(default_factory=dict)
    holds: int = 1

    def lines(self):
        """Its text."""
        shapes = ", ".join(" x ".join(map(str, shape)) or "a number" for shape in self.shapes[:2])
        shapes += ", ..." if len(self.shapes) > 2 else ""
        gradient = "no gradient" if math.isnan(self.gradient) else f"gradient {self.gradient:.2g}"
        lines = [self.title, self.about, shapes, gradient]
        if self.parameters:
            sizes, norms = zip(*self.parameters.values())
            lines.append(f"{sum(sizes):,} parameters, gradient {_together(*norms):.2g}")
        return [line for line in lines if line]


@dataclass
class Backward:
    """What was seen of a backward. nodes: [(node, edges)] of the tape, newest first. norms, shapes: of the gradient at
    each place, {(node's order, output): ...}. leaves: {id(leaf): norm of its gradient}."""

    nodes: list
    norms: dict = field(default_factory=dict)
    shapes: dict = field(default_factory=dict)
    leaves: dict = field(default_factory=dict)

    def note(self, place):
        """A hook for the gradient at a place."""
        def hook(gradient):
            self.norms[place], self.shapes[place] = size_of(gradient), gradient.shape
        return hook

    def sink(self, leaf, gradient, owned):
        """See Tensor.backward."""
        self.leaves[id(leaf)] = size_of(gradient)
        tape.receive(leaf, gradient, owned)


def run_backward(loss):
    """Run loss.backward(), and return what was seen of it: a node forgets its edges when it has been used."""
    seen = Backward([(node, list(node.edges)) for node in tape.walk(loss.edge)])
    for node, _ in seen.nodes:
        for output in range(node.outputs):
            node.hooks.setdefault(output, []).append(seen.note((node.order, output)))
    loss.backward(sink=seen.sink)
    return seen


def size_of(gradient):
    """The Euclidean norm of an array, as a number."""
    return math.sqrt(float((gradient.astype("float64") ** 2).sum()))


def _together(*norms):
    """The norm of arrays with these norms, side by side; nan stands for no array."""
    known = [norm for norm in norms if not math.isnan(norm)]
    return math.hypot(*known) if known else math.nan


def boxes_of(loss, names, level, most):
    """(boxes, edges): at most `most` Boxes, from the oldest to the loss, and pairs of their places, (from, to)."""
    seen = run_backward(loss)
    boxes, box_of = _of_nodes(seen.nodes, names, level)
    edges, used = set(), {(loss.edge[0].order, loss.edge[1])}           # used: places whose results leave their box
    for node, sources in seen.nodes:
        here = box_of[node.order]
        for source in sources:
            if isinstance(source, tuple):
                there = box_of[source[0].order]
                if there != here:
                    edges.add((there, here))
                    used.add((source[0].order, source[1]))
            elif source is not None:
                name = names.parameters.get(id(source), "") if names else ""
                norm = seen.leaves.get(id(source), math.nan)
                if name and isinstance(here, Call):
                    boxes[here].parameters[name] = source.size, norm
                else:                                                   # the last to come is the first that uses it
                    boxes["leaf", id(source)] = Box(name or "leaf", "parameter" if name else "", node.order - 0.5,
                                                    [source.shape], norm)
                    edges.add((("leaf", id(source)), here))
    for place in sorted(used & seen.norms.keys()):
        box = boxes[box_of[place[0]]]
        box.shapes.append(seen.shapes[place])
        box.gradient = _together(box.gradient, seen.norms[place])
    return _capped(boxes, edges, most)


def _of_nodes(nodes, names, level):
    """({key: Box}, {node's order: key}) of the nodes alone; the key of a module's box is its Call."""
    boxes, box_of = {}, {}
    calls = names.collapsed(level) if names else []
    for node, _ in nodes:
        call = next((call for call in calls if call.start < node.order < call.end), None)
        box_of[node.order] = key = call or node.order
        if key in boxes:
            boxes[key].holds += 1
        elif call:
            boxes[key] = Box(call.path, call.kind, node.order)
        else:
            maker = names.maker(node) if names else None
            boxes[key] = Box(node.name, f"in {maker.path or maker.kind}" if maker else "", node.order)
    return boxes, box_of


def _capped(boxes, edges, most):
    """The boxes in order, the oldest of more than `most` put into one, and the edges between their places."""
    keys = sorted(boxes, key=lambda key: boxes[key].order)
    hidden = len(keys) - most + 1 if len(keys) > most else 0
    place = {key: max(number - hidden + 1, 0) if hidden else number for number, key in enumerate(keys)}
    shown = [boxes[key] for key in keys[hidden:]]
    if hidden:
        more = Box(f"+{hidden} more", "", boxes[keys[hidden - 1]].order, holds=hidden)
        leave = {a for a, b in edges if place[b]}                   # whose results are used outside of it
        for box in (boxes[key] for key in keys[:hidden]):
            more.parameters |= box.parameters
        for box in (boxes[key] for key in keys[:hidden] if key in leave):
            more.shapes += box.shapes
            more.gradient = _together(more.gradient, box.gradient)
        shown.insert(0, more)
    return shown, sorted({(place[a], place[b]) for a, b in edges if place[a] != place[b]})
