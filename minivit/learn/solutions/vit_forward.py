"""A whole Vision Transformer, from images to logits.

    z  = [x_class; patch_1 E; ...; patch_n E] + positions
    z' = z + Attention(LN(z))        z = z' + MLP(LN(z'))        in each block
    logits = head(LN(z)[class token])

The weights are a dictionary {name: array} with timm's names and shapes, as minivit's model.state_dict() has them:

    patch_embed.proj.weight   (D, C, Py, Px)        cls_token   (1, 1, D)
    patch_embed.proj.bias     (D,)                  pos_embed   (1, 1 + Gy * Gx, D)

    blocks.0.norm1            D numbers             blocks.0.norm2      D numbers
    blocks.0.attn.qkv         D -> 3 * D            blocks.0.mlp.fc1    D -> F
    blocks.0.attn.proj        D -> D                blocks.0.mlp.fc2    F -> D        and so on for blocks.1, ...

    norm                      D numbers             head                D -> Y

A norm or a linear layer called `name` has two arrays, name.weight and name.bias; a linear layer's weight is (out, in).
Patches are counted row by row, and the numbers of a patch are ordered (C, Py, Px). The 3 * D numbers that qkv makes of
a token are its query, its key and its value; of each, head h has the numbers from h * K to (h + 1) * K, K = D / heads.
The parts that you have written in other lessons are given.
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


def vit_forward(images, weights, depth, heads):
    """Logits (B, Y) of images (B, C, Sy, Sx), by a ViT of `depth` blocks whose attention has `heads` heads."""
    kernel = weights["patch_embed.proj.weight"]
    D, C, Py, Px = kernel.shape
    B, _, Sy, Sx = images.shape
    Gy, Gx, K = Sy // Py, Sx // Px, D // heads

    patches = images.reshape(B, C, Gy, Py, Gx, Px).transpose(0, 2, 4, 1, 3, 5).reshape(B, Gy * Gx, C * Py * Px)
    tokens = patches @ kernel.reshape(D, -1).T + weights["patch_embed.proj.bias"]
    class_token = np.broadcast_to(weights["cls_token"], (B, 1, D))
    z = np.concatenate([class_token, tokens], axis=1) + weights["pos_embed"]

    for block in (f"blocks.{number}" for number in range(depth)):
        qkv = linear(layernorm(z, weights, block + ".norm1"), weights, block + ".attn.qkv")
        q, k, v = qkv.reshape(B, -1, 3, heads, K).transpose(2, 0, 3, 1, 4)
        y = softmax(q @ k.swapaxes(-1, -2) / math.sqrt(K)) @ v
        y = y.transpose(0, 2, 1, 3).reshape(B, -1, D)
        z = z + linear(y, weights, block + ".attn.proj")
        hidden = gelu(linear(layernorm(z, weights, block + ".norm2"), weights, block + ".mlp.fc1"))
        z = z + linear(hidden, weights, block + ".mlp.fc2")

    return linear(layernorm(z[:, 0], weights, "norm"), weights, "head")
