"""Checks of topological_order, and the graphs that scalar_backward is tried on too."""
import numpy as np

from minivit.learn.exercise import Exercise, Property, Wrong
from minivit.learn.solutions.topological_order import topological_order


class Node:
    """A number that was computed, with what both exercises need to know of it."""

    def __init__(self, name):
        self.name, self.data, self.grad, self.parents, self.slopes = name, 0.0, 0.0, (), ()

    def __repr__(self):
        return f"node {self.name}"


def graph(edges, slopes):
    """A list of nodes. edges (E, 2): node and parent, which has the smaller number; slopes (E,): one for each edge."""
    nodes = [Node(number) for number in range(edges.max() + 1)]
    for (node, parent), slope in zip(edges, slopes):
        nodes[node].parents += (nodes[parent],)
        nodes[node].slopes += (float(slope),)
    return nodes


def cases(rng):
    """Graphs as (edges, slopes); the end is the last node, and some nodes do not lead to it."""
    graphs = {"chain": [(1, 0), (2, 1), (3, 2)],
              "x * x": [(1, 0), (1, 0), (2, 1), (2, 1)],
              "a short and a long way": [(1, 0), (2, 1), (3, 0), (3, 2)],
              "a long and a short way": [(1, 0), (2, 1), (3, 2), (3, 0)],
              "one operation": [(1, 0)]}
    for size in (12, 16):
        edges = [(node, int(rng.integers(max(0, node - 5), node))) for node in range(2, size) for _ in range(2)]
        graphs[f"{size} nodes"] = [(1, 0), *edges, (size - 1, 0), (size - 1, size - 2), (size - 1, size - 3)]
    return [(label, (np.array(edges), rng.uniform(0.5, 1.5, len(edges)) * rng.choice([-1, 1], len(edges))))
            for label, edges in graphs.items()]


def sums_over_paths(edges, slopes):
    """For each node the sum, over all ways from the end to it, of the product of the slopes on the way.

    With S[node, parent] the slopes, the ways of k steps sum up to S^k: the last row of I + S + S^2 + ...
    """
    size = edges.max() + 1
    S = np.zeros((size, size))
    np.add.at(S, tuple(edges.T), slopes)
    ways = total = np.eye(size)[-1]
    while ways.any():
        ways = ways @ S
        total = total + ways
    return total


def probe(function, edges, slopes):
    """How often each node is visited, whether a parent comes before its child, and where a walk back by it leads."""
    nodes = graph(edges, slopes)
    order = [getattr(node, "name", None) for node in function(nodes[-1])]
    if None in order:
        raise TypeError("topological_order must return a list of nodes: those of the graph, not their names or parents")
    visits = np.bincount(order, minlength=len(nodes)).astype(float)
    place = {number: where for where, number in enumerate(order)}
    before = np.array([place.get(parent, -1) < place.get(node, len(order)) for node, parent in edges], float)
    gradient = np.zeros(len(nodes))
    gradient[-1] = 1
    for number in reversed(order):
        for parent, slope in zip(nodes[number].parents, nodes[number].slopes):
            gradient[parent.name] += slope * gradient[number]
    return visits, before, gradient


def oracle(edges, slopes):
    """By matrices: visited are the nodes that some way leads to."""
    visits = (sums_over_paths(edges, np.abs(slopes)) != 0).astype(float)
    return visits, np.ones(len(edges)), sums_over_paths(edges, slopes)


def end_is_last(function, rng):
    nodes = graph(*cases(rng)[-1][1])
    if function(nodes[-1])[-1] is not nodes[-1]:
        return "the end must be the last of the list: everything else went into it"


def depth_first(end):
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            order.append(node)
    visit(end)
    return order


def peel(end):
    """Kahn's algorithm: take the end, then any node all of whose children have been taken."""
    nodes, waiting = {end}, [end]
    while waiting:
        new = set(waiting.pop().parents) - nodes
        nodes |= new
        waiting += new
    children = {node: 0 for node in nodes}
    for node in nodes:
        for parent in node.parents:
            children[parent] += 1
    order, free = [], [end]
    while free:
        order.append(free.pop())
        for parent in order[-1].parents:
            children[parent] -= 1
            if not children[parent]:
                free.append(parent)
    return order[::-1]


def without_seen(end):
    return [node for parent in end.parents for node in without_seen(parent)] + [end]


def nearest_first(end):
    order = [end]
    for node in order:
        order += [parent for parent in dict.fromkeys(node.parents) if parent not in order]
    return order[::-1]


def parents_after(end):
    order, stack = [], [end]
    while stack:
        node = stack.pop()
        if node not in order:
            order.append(node)
            stack += node.parents
    return order[::-1]


def seen_when_found(end):
    order, seen, stack = [], {end}, [(end, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
            continue
        stack.append((node, True))
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                stack.append((parent, False))
    return order


EXERCISE = Exercise(
    slug="topological_order", lesson=1, minutes=20, difficulty=2,
    task="List a number and all that it was computed from, each after its parents.",
    solution=topological_order, oracle=oracle, cases=cases, outputs=("visits", "parent before child", "gradient"),
    probe=probe, float32=False, properties=(Property("the end is last", end_is_last),),
    wrong=(
        Wrong("no-memory", without_seen, "nodes are listed more than once: a node that is reached by several ways is "
              "still one node. Remember those that you have seen, and go on only where node not in seen. (In a deep "
              "graph this search would never end: the number of ways doubles with every fork.)", specific=True),
        Wrong("by-distance", nearest_first, "the nodes are ordered by their distance from the end. Where a short and "
              "a long way lead to the same node, it comes too late: it must be before *all* that it went into.",
              specific=True),
        Wrong("listed-on-arrival", parents_after, "a node is listed on arrival. List it when all its parents are "
              "listed, on the way out; turning the list of arrivals round does not give the same order.",
              specific=True),
        Wrong("seen-when-found", seen_when_found, "a node is marked as seen when it is put on the stack, so a longer "
              "way to it that is walked first finds it marked, and goes on without it. Mark it when it is taken from "
              "the stack.", specific=True),
        Wrong("backwards", lambda end: topological_order(end)[::-1], "the list is the wrong way round: parents come "
              "first, the end comes last. Return it without turning it round: no [::-1]."),
        Wrong("without-end", lambda end: topological_order(end)[:-1], "the end itself is missing: the walk back starts "
              "from it. Return all of the list, order and not order[:-1].", specific=True),
        Wrong("without-leaves", lambda end: [node for node in topological_order(end) if node.parents], "the leaves, "
              "nodes without parents, are missing: their gradients are the ones that are wanted.", specific=True)),
    correct=(depth_first, peel),
    hints=(
        "When may a node be put on the list? Say it as a sentence about its parents, then let the program do that "
        "first.",
        "Depth first: to list a node, first list each parent that is not listed yet (by the same rule), then the node "
        "itself. A set of the nodes that you have seen keeps you from listing one twice.",
        "An inner function visit(node): leave at once if the node was seen; mark it as seen; visit its parents; append "
        "it. Then visit(end). (Python stops a recursion some 1,000 deep. A stack of your own does not: put (node, "
        "True) under the node's parents, to come back to it when they are done.)"),
    why="There are many such orders, and any of them gives the same gradients. The recursive way is the shortest, but "
        "a chain of 1,000 operations exhausts Python's recursion. minivit's tape needs no search at all: it numbers "
        "the operations as they happen. A number cannot be computed before its parents, so the order of creation is a "
        "topological order, and the walk back takes the newest first (minivit/tape.py).")
