"""One step of stochastic gradient descent with momentum.

    g = g + weight_decay p        b = momentum b + g        p = p - lr b

b is a heavy ball's velocity: gradients that agree add up in it, those that alternate cancel. It begins at 0. The
learning rate lr may change from step to step, and is no part of b.

Source: Sutskever et al. 2013, "On the importance of initialization and momentum", in the form that PyTorch uses.
"""


def sgd_momentum_step(p, g, b, lr, momentum, weight_decay):
    """(p, b) after one step, as new arrays; p, the gradient g and b have one shape."""
    b = momentum * b + g + weight_decay * p
    return p - lr * b, b
