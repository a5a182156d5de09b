"""A DeiT with a distillation token, from images to the logits of both its heads.

    z  = [x_class; x_dist; patch_1 E; ...; patch_n E] + positions
    z' = z + Attention(LN(z))        z = z' + MLP(LN(z'))        in each block
    of_class = head(LN(z)[class token])        of_teacher = head_dist(LN(z)[distillation token])

In training each head has a loss of its own; a trained model answers with the mean of both logits.

The weights are a dictionary {name: array} as in vit_forward, and there is more in it:

    dist_token          (1, 1, D)               head_dist.weight    (Y, D)
    pos_embed           (1, 2 + Gy * Gx, D)     head_dist.bias      (Y,)

What you have written in other lessons is given: `patches` makes the tokens of an image's patches, without positions,
and `block` is a block of the encoder.
"""
import math

import numpy as np

from minivit.primitives.erf import erf


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def layernorm(x, weights, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-6) * weights[name + ".weight"] + weights[name + ".bias"]


def gelu(x):
    return x * (1 + erf(x / math.sqrt(2))) / 2


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def patches(images, weights):
    kernel = weights["patch_embed.proj.weight"]
    D, C, Py, Px = kernel.shape
    B, _, Sy, Sx = images.shape
    windows = images.reshape(B, C, Sy // Py, Py, Sx // Px, Px).transpose(0, 2, 4, 1, 3, 5).reshape(B, -1, C * Py * Px)
    return windows @ kernel.reshape(D, -1).T + weights["patch_embed.proj.bias"]


def block(z, weights, name, heads):
    B, N, D = z.shape
    qkv = linear(layernorm(z, weights, name + ".norm1"), weights, name + ".attn.qkv")
    q, k, v = qkv.reshape(B, N, 3, heads, -1).transpose(2, 0, 3, 1, 4)
    y = softmax(q @ k.swapaxes(-1, -2) / math.sqrt(D // heads)) @ v
    z = z + linear(y.transpose(0, 2, 1, 3).reshape(B, N, D), weights, name + ".attn.proj")
    hidden = gelu(linear(layernorm(z, weights, name + ".norm2"), weights, name + ".mlp.fc1"))
    return z + linear(hidden, weights, name + ".mlp.fc2")


def deit_forward(images, weights, depth, heads):
    """(of_class, of_teacher, answer), each (B, Y): the logits of both heads, and what a trained model answers.

    images (B, C, Sy, Sx); depth: how many blocks there are; heads: of attention.
    """
    tokens = patches(images, weights)
    B, _, D = tokens.shape
    own = [np.broadcast_to(weights[name], (B, 1, D)) for name in ("cls_token", "dist_token")]
    z = np.concatenate(own + [tokens], axis=1) + weights["pos_embed"]

    for number in range(depth):
        z = block(z, weights, f"blocks.{number}", heads)

    z = layernorm(z[:, :2], weights, "norm")
    of_class, of_teacher = linear(z[:, 0], weights, "head"), linear(z[:, 1], weights, "head_dist")
    return of_class, of_teacher, (of_class + of_teacher) / 2
