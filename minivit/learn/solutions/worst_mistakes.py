"""The mistakes that a model is surest of.

    p = softmax(logits) over the classes        its answer: the class of the largest p        its confidence: that p

A mistake is an image whose answer is not its label. The surest ones tell most about a model: a label that is wrong, an
image that is ambiguous, or something that it has not learned.
"""
import numpy as np


def worst_mistakes(logits, labels, n):
    """The numbers of the n images (fewer, if there are fewer mistakes) whose wrong answers have the highest confidence,
    the surest first. logits (B, Y), labels (B,) integers; returns integers."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    mistakes = np.flatnonzero(p.argmax(axis=1) != labels)
    surest_first = np.argsort(-p[mistakes].max(axis=1))
    return mistakes[surest_first[:n]]
