"""A gradient checker: is `backward` the derivative of `forward`?

    forward(x) -> y        backward(dy, x) -> dx        arrays of float64; y may have another shape than x

dx should be the gradient by x of the number sum(forward(x) * dy). It can be had without backward, too: nudge one
element of x at a time, and see how that number moves. For what dy? If one dy is tried, it must be one that no mistake
can hide from.

The checker answers True if the largest difference between dx and the measured gradient is at most 1e-5 times the
largest element of the measured gradient. It must notice an error in one element, and an error of 1 %; and it must not
suspect a gradient that is right.
"""
import numpy as np


def gradcheck(forward, backward, x, rng):
    """Whether backward is right at x. rng: a NumPy Generator, to draw from if random numbers are wanted."""
    dy = rng.standard_normal(forward(x).shape)
    h = 1e-5
    measured = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[index] = h
        measured[index] = np.sum((forward(x + nudge) - forward(x - nudge)) * dy) / (2 * h)
    return np.abs(backward(dy, x) - measured).max() <= 1e-5 * np.abs(measured).max()
