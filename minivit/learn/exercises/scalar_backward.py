"""Checks of scalar_backward."""
import numpy as np

from minivit.learn.exercise import Exercise, Wrong
from minivit.learn.exercises.topological_order import cases, graph, sums_over_paths
from minivit.learn.numeric import numeric_gradient
from minivit.learn.solutions.scalar_backward import scalar_backward


def probe(function, edges, slopes):
    """`grad` of every node after one walk, and after a second one from the same end."""
    nodes = graph(edges, slopes)
    for node in nodes:
        node.data = 2.0 + sum(slope * parent.data for parent, slope in zip(node.parents, node.slopes))
    order = {nodes[-1]}
    for node in reversed(nodes):
        order |= set(node.parents) if node in order else set()
    seen = []
    for walk in range(2):
        function([node for node in nodes if node in order])
        seen.append(np.array([node.grad for node in nodes], float))
    return tuple(seen)


def after_two_walks(gradient, edges):
    """Leaves, which are the parent of some edge and the child of none, hold twice their gradient, others once."""
    leaf = ~np.isin(np.arange(len(gradient)), edges[:, 0])
    return gradient, np.where(leaf, 2 * gradient, gradient)


def oracle(edges, slopes):
    return after_two_walks(sums_over_paths(edges, slopes), edges)


def numeric(edges, slopes):
    def end(nudges):
        """The last number, where each is nudged on its own."""
        data = nudges.copy()
        for (node, parent), slope in sorted(zip(map(tuple, edges), slopes)):
            data[node] += slope * data[parent]
        return data[-1]

    return after_two_walks(numeric_gradient(end, np.zeros(edges.max() + 1), 1.0), edges)


def walker(*, seed=lambda end: 1.0, arrive=lambda grad, new: grad + new, send=lambda slope, grad: slope * grad,
           direction=reversed, reset=lambda node: node.parents, links=lambda node: zip(node.parents, node.slopes)):
    """The walk with one of its parts replaced: a wrong answer."""
    def walk(order):
        for node in order:
            if reset(node):
                node.grad = 0.0
        order[-1].grad += seed(order[-1])
        for node in direction(order):
            for parent, slope in links(node):
                parent.grad = arrive(parent.grad, send(slope, node.grad))
    return walk


def by_dictionary(order):
    """As minivit's tape does it: gradients wait in a dictionary until they are complete."""
    waiting = {id(order[-1]): 1.0}
    for node in order[::-1]:
        total = waiting.pop(id(node), 0.0)
        node.grad = total if node.parents else node.grad + total
        for k in range(len(node.parents)):
            waiting[id(node.parents[k])] = waiting.get(id(node.parents[k]), 0.0) + node.slopes[k] * total


def by_pulling(order):
    """Each node asks those that it went into, once these know their own gradient."""
    totals = [0.0] * len(order)
    totals[-1] = 1.0
    for k in range(len(order) - 2, -1, -1):
        totals[k] = sum(slope * totals[child] for child in range(k + 1, len(order))
                        for parent, slope in zip(order[child].parents, order[child].slopes) if parent is order[k])
    for node, total in zip(order, totals):
        node.grad = total + (0.0 if node.parents else node.grad)


EXERCISE = Exercise(
    slug="scalar_backward", lesson=1, minutes=20, difficulty=2,
    task="Walk a graph backwards, and add up the gradient of every number in it.",
    solution=scalar_backward, oracle=oracle, cases=cases, outputs=("grad", "grad after a second walk"), probe=probe,
    float32=False, numeric=numeric,
    wrong=(
        Wrong("overwrites", walker(arrive=lambda grad, new: new), "a gradient that arrives replaces the one that was "
              "there. A number that goes into two places moves the end by both: add up, +=.", specific=True),
        Wrong("inner-not-reset", walker(reset=lambda node: False), "a second walk starts from what the first left in "
              "the inner nodes, and sends it on once more. Only leaves add up from walk to walk: first set node.grad = "
              "0.0 for each node that has parents.", specific=True),
        Wrong("leaves-reset", walker(reset=lambda node: True), "leaves are set to 0 as well, so a second walk forgets "
              "the first. Only nodes with parents start from 0.", specific=True),
        Wrong("oldest-first", walker(direction=iter), "the walk goes from the leaves to the end. It must start at the "
              "end, the only node whose gradient is known: walk over reversed(order).", specific=True),
        Wrong("no-start", walker(seed=lambda end: 0.0), "the walk starts from 0, so all gradients are 0. The end moves "
              "with itself one to one: order[-1].grad is 1."),
        Wrong("start-from-data", walker(seed=lambda end: end.data), "the gradient of the end is 1, not its value: "
              "order[-1].data is where the end is, order[-1].grad = 1 the slope of the end by itself.", specific=True),
        Wrong("adds-slopes", walker(send=lambda slope, grad: slope + grad), "you add where you should multiply: along "
              "a way slopes are multiplied (two gears in a row), slope * node.grad; only different ways are added.",
              specific=True),
        Wrong("slope-forgotten", walker(send=lambda slope, grad: grad), "the node's gradient is handed on as it is. "
              "Multiply it by the slope by that parent.", specific=True),
        Wrong("gradient-forgotten", walker(send=lambda slope, grad: slope), "the slopes alone are handed on. That is "
              "right for the last operation only: hand on slope * node.grad, with the gradient of the node itself.",
              specific=True),
        Wrong("each-parent-once", walker(links=lambda node: dict(zip(node.parents, node.slopes)).items()),
              "a node that goes in twice, as in x * x, gets one of its two gradients only. A dict has each parent "
              "once: go through zip(node.parents, node.slopes), pair by pair.", specific=True)),
    correct=(by_dictionary, by_pulling),
    hints=(
        "A number that goes into two others moves the end in two ways. What does the sum rule say, and which operator "
        "of Python does it?",
        "parent.grad += slope * node.grad, for every parent of every node, beginning with the last node, whose "
        "gradient is 1. By the time a node's turn comes, its own gradient is complete.",
        "Three loops: set grad to 0 for each node that has parents; add 1 to the end's; then over reversed(order), "
        "inside it over zip(node.parents, node.slopes)."),
    why="What the walk computes is a sum over all paths from the end to a number, of the product of the slopes along "
        "each. There can be 2^n paths in a graph of n forks; the walk needs one multiplication for each edge, because "
        "it adds up where paths meet before it goes on. That is all there is to backpropagation. The checker "
        "adds up the paths by themselves, with powers of the matrix S of slopes: I + S + S^2 + ...")
