"""The tape: how gradients find their way back through what was computed.

Every recorded call leaves a `Node` with an edge to the source of each of its inputs: another node, or a leaf (a tensor
that the user made). `backward` visits the nodes from the newest to the oldest. A node is older than everything computed
from it, so when its turn comes its gradient is complete: creation order is a topological order, and the walk needs no
recursion and no search, only a heap.

A node's memory is freed when it has been used. Gradients wait in a dictionary of this function, so none outlives it.
"""
import heapq
import itertools

import numpy as np

_order = itertools.count()


def now():
    """A number above the order of every node that there is, and below that of every node to come."""
    return next(_order)


class Node:
    """One recorded call of a Function.

    edges: for each input (node, output index), or a leaf, or None where no gradient is wanted.
    inputs: for each input (shape, dtype), to check what backward returns. hooks: {output index: [function]}.
    """

    __slots__ = ("order", "name", "backward", "ctx", "edges", "inputs", "outputs", "hooks")

    def __init__(self, name, backward, ctx, edges, inputs, outputs):
        self.order = next(_order)
        self.name, self.backward, self.ctx = name, backward, ctx
        self.edges, self.inputs, self.outputs = edges, inputs, outputs
        self.hooks = {}

    def gradients(self, dy):
        """The gradient of every input, given that of every output (None where unused); frees the node."""
        if self.ctx is None:
            raise RuntimeError(
                f"backward already went through this {self.name}, and frees what it has used: run the forward pass "
                f"again, or add up the losses that share it and call backward once")
        dx = self.backward(self.ctx, *dy)
        self.ctx = self.backward = None
        dx = dx if isinstance(dx, tuple) else (dx,)
        if len(dx) != len(self.edges):
            raise TypeError(f"backward of {self.name} returned {len(dx)} gradients for {len(self.edges)} inputs: "
                            f"return one per input, None for one that needs none")
        return [None if edge is None else self._checked(number, gradient)
                for number, (edge, gradient) in enumerate(zip(self.edges, dx))]

    def _checked(self, number, gradient):
        if gradient is None:
            return None
        shape, dtype = self.inputs[number]
        if not hasattr(gradient, "dtype") or gradient.shape != shape or gradient.dtype != dtype:
            got = f"{gradient.dtype} {gradient.shape}" if hasattr(gradient, "dtype") else type(gradient).__name__
            raise TypeError(f"backward of {self.name} returned {got} as the gradient of input {number}, "
                            f"which is {dtype} {shape}")
        return np.asarray(gradient) if isinstance(gradient, np.generic) else gradient


class Sum:
    """A running sum of gradients. It adds in place only into arrays that it allocated: what a backward returns may be
    the array that it was given, or a view of it."""

    __slots__ = ("total", "owned")

    def __init__(self, first):
        self.total, self.owned = first, False

    def add(self, gradient):
        if self.owned:
            self.total += gradient
        else:
            self.total, self.owned = self.total + gradient, True
            if isinstance(self.total, np.generic):      # NumPy turns 0-d results into scalars
                self.total = np.asarray(self.total)


def receive(leaf, gradient, owned):
    """The usual sink of `backward`: the leaf adds the gradient into its own."""
    leaf.receive(gradient, owned)


def backward(sources, sink=receive):
    """Carry gradients back to the leaves. sources: pairs (edge, gradient); an edge is (node, output index) or a leaf.

    sink(leaf, gradient, owned) receives each leaf's total once, at the end; owned tells that the array is nobody
    else's. Raises RuntimeError where a node was used by an earlier backward.
    """
    pending, leaves, heap = {}, {}, []      # node order -> (node, sums); id(leaf) -> (leaf, sum); newest node first

    def send(edge, gradient):
        if isinstance(edge, tuple):
            node, index = edge
            if node.order not in pending:
                pending[node.order] = node, [None] * node.outputs
                heapq.heappush(heap, -node.order)
            sums, place = pending[node.order][1], index
        else:
            sums, place = leaves.setdefault(id(edge), [edge, None]), 1
        if sums[place] is None:
            sums[place] = Sum(gradient)
        else:
            sums[place].add(gradient)

    for edge, gradient in sources:
        send(edge, gradient)
    while heap:
        node, sums = pending.pop(-heapq.heappop(heap))
        dy = [None if s is None else hooked(node.hooks.get(k, ()), s.total, node.name) for k, s in enumerate(sums)]
        del sums
        edges = node.edges
        for edge, gradient in zip(edges, node.gradients(dy)):
            if gradient is not None:
                send(edge, gradient)
        node.edges, node.hooks = (), {}
    for leaf, total in leaves.values():
        sink(leaf, total.total, total.owned)


def hooked(hooks, gradient, name):
    """`gradient` after its hooks. Each gets an array of its own, which it may change in place, or return another."""
    for hook in hooks:
        own = gradient.copy()
        returned = hook(own)
        own = own if returned is None else returned
        if not isinstance(own, type(gradient)) or own.shape != gradient.shape or own.dtype != gradient.dtype:
            got = f"{own.dtype} {own.shape}" if isinstance(own, type(gradient)) else f"a {type(own).__name__}"
            raise TypeError(f"a hook on {name} returned {got} in place of an array {gradient.dtype} {gradient.shape}")
        gradient = own
    return gradient


def walk(edge):
    """Every node that `edge` was computed from, newest first."""
    found, waiting = {}, [edge]
    while waiting:
        edge = waiting.pop()
        if isinstance(edge, tuple) and edge[0].order not in found:
            found[edge[0].order] = edge[0]
            waiting.extend(edge[0].edges)
    return [found[order] for order in sorted(found, reverse=True)]
