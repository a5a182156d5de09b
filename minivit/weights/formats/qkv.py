"""Queries, keys and values: three matrices in most projects' files, one on top of the other in timm's and minivit's.

    blocks.0.attn.q.weight, ...k.weight, ...v.weight (D, D) each        blocks.0.attn.qkv.weight (3 D, D)
"""
import numpy as np


def join_qkv(arrays):
    """{name: array} with each three of q, k and v as one; of an incomplete three, what there is stays as it is."""
    joined = dict(arrays)
    for name in arrays:
        three = [name.replace(".attn.q.", f".attn.{letter}.") for letter in "qkv"]
        if ".attn.q." in name and all(part in arrays and arrays[part].shape == arrays[name].shape for part in three):
            joined[name.replace(".attn.q.", ".attn.qkv.")] = np.concatenate([joined.pop(part) for part in three])
    return joined


def split_qkv(arrays):
    """The inverse of `join_qkv`."""
    split = {}
    for name, array in arrays.items():
        if ".attn.qkv." in name:
            split |= {name.replace(".attn.qkv.", f".attn.{letter}."): part
                      for letter, part in zip("qkv", np.split(array, 3))}
        else:
            split[name] = array
    return split
