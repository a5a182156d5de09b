"""A trained Vision Transformer for other classes: a new head of zeros on the same trunk.

The weights are a dictionary {name: array} with timm's names, as minivit's model.state_dict() has them. The head is

    head.weight             (Y, D), or (Y, R) after a hidden layer
    head.bias               (Y,)
    pre_logits.fc.weight    (R, D)      the hidden layer of an MLP head, which only some models have
    pre_logits.fc.bias      (R,)

All other arrays are the trunk. For fine-tuning the whole head is taken off, hidden layer included, and in its place
comes one linear layer, D -> num_classes, whose weight and bias are 0. The trunk stays as it is, and so does the
dictionary that was given.
"""
import numpy as np


def swap_head(state, num_classes):
    """A new dictionary: the trunk's arrays of `state`, and head.weight and head.bias of zeros, in the trunk's dtype."""
    new = {name: array for name, array in state.items() if name.split(".")[0] not in ("head", "pre_logits")}
    norm = state["norm.weight"]                                             # (D,), of what the head reads
    new["head.weight"] = np.zeros((num_classes, len(norm)), norm.dtype)
    new["head.bias"] = np.zeros(num_classes, norm.dtype)
    return new
