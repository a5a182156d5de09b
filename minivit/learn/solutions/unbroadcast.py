"""The backward of broadcasting.

NumPy lines up shapes from the right, and copies along each axis that is missing or has size 1:

    (3, 1)  ->  (2, 3, 5)        a new axis of 2 in front; the axis of size 1 stretched to 5

Each of the 3 numbers was copied to 2 * 5 places, and each copy moves the loss on its own. So the gradient of a number
is the sum of the gradients of its copies.
"""


def unbroadcast(gradient, shape):
    """The gradient of an array of `shape`, a tuple, given the `gradient` of what it was broadcast to."""
    added = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(added)))
    for axis, size in enumerate(shape):
        if size == 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient
