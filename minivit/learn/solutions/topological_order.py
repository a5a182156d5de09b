"""An order for the walk back: every number after the numbers that it was computed from.

A node of a graph is a number that was computed. `node.parents` is a tuple of the nodes that went into it: empty where
it was not computed but given, and holding a node twice where it went in twice, as in x * x.

The walk back goes through the order from its end. A node may hand on its gradient only when it has received all of it,
so it must be visited after everything that was computed from it, by short ways and by long ones.
"""


def topological_order(end):
    """A list of `end` and all nodes that it was computed from, each once, each after all of its parents."""
    order, seen, stack = [], set(), [(end, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order
