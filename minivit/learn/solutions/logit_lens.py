"""The logit lens: what a model would say if it ended after any of its blocks.

    y = LN(z), the layer norm `norm`                       logits = head(y[token 0])
    of a distilled DeiT, which has a `head_dist` too:      logits = (head(y[token 0]) + head_dist(y[token 1])) / 2
    p = softmax(logits) over the classes

Shapes: tokens z (L + 1, B, N, D), the embedded tokens and those after each of L blocks; p (L + 1, B, Y). Token 0 is the
class token; in a distilled DeiT token 1 is the distillation token. The weights are a dictionary {name: array}, with
norm.weight, norm.bias (D,), head.weight (Y, D), head.bias (Y,), and of a distilled DeiT head_dist.weight and
head_dist.bias. The parts that you have written in other lessons are given.

Blocks only add to the tokens. So what the head reads after the last block, it can look for after any.
"""
import numpy as np


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def layernorm(x, weights, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-6) * weights[name + ".weight"] + weights[name + ".bias"]


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def logit_lens(tokens, weights):
    """p (L + 1, B, Y)."""
    y = layernorm(tokens, weights, "norm")
    logits = linear(y[:, :, 0], weights, "head")
    if "head_dist.weight" in weights:
        logits = (logits + linear(y[:, :, 1], weights, "head_dist")) / 2
    return softmax(logits)
