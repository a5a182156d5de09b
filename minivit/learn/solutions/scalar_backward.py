"""The walk back: from the slopes of single operations to the slope of the end by every number on the way.

    end.grad = 1        parent.grad += slope * node.grad        for each node and each of its parents, newest first

A node has `parents`, a tuple of nodes; `slopes`, a tuple with its own slope by each of them; and `grad`, a number, to
be filled in: how fast the end moves with this node.

`grad` of a leaf (a node without parents) *adds up* from walk to walk, until someone sets it to 0, so that two losses
can share their leaves. `grad` of every other node belongs to one walk: it begins at 0, whatever an earlier walk left.
"""


def scalar_backward(order):
    """Fill in `grad` of all nodes in the list `order`, in which each comes after its parents and the end comes last."""
    for node in order:
        if node.parents:
            node.grad = 0.0
    order[-1].grad = 1.0
    for node in reversed(order):
        for parent, slope in zip(node.parents, node.slopes):
            parent.grad += slope * node.grad
