"""The loss of mixed images, and its gradient.

Image b of a batch was mixed of two, lam of the one and 1 - lam of the other, and the network's logits for the mixture
are x_b. Its loss is mixed in the same way:

    loss = 1/B sum_b ( lam CE(x_b, labels_b) + (1 - lam) CE(x_b, others_b) )        CE(x_b, y) = -log p[b, y]
    p = softmax of each row of the logits x

Shapes: logits x (B, Y); labels and others (B,), class indices from 0 to Y - 1; lam is one number from 0 to 1. The two
labels of an image may be the same.

Source: Zhang et al. 2017, "mixup: Beyond empirical risk minimization", arXiv 1710.09412.
"""
import numpy as np


def mixup_loss(x, labels, others, lam):
    """(loss, dx): a number, and its gradient (B, Y) by the logits x (B, Y). x may hold large numbers."""
    B = len(x)
    logp = x - x.max(axis=1, keepdims=True)
    logp = logp - np.log(np.exp(logp).sum(axis=1, keepdims=True))
    targets = np.zeros_like(x)
    targets[np.arange(B), labels] += lam
    targets[np.arange(B), others] += 1 - lam
    return -np.sum(targets * logp) / B, (np.exp(logp) - targets) / B
