"""Which parameters of a model learn, how fast, and which of them decay.

- `decay_groups(model, weight_decay)`: no decay for biases, norms, tokens and positions
- `layer_numbers(model)`: how deep each parameter lies, from 0 (patches, tokens, positions) to the head
- `layer_groups(model, weight_decay, layer_decay)`: groups whose learning rates fall from the head to the patches
- `freeze(model, patterns)`: parameters, by their names, that are not trained at all

In a model that is not trained from scratch, what lies near the image is general and needs little change; what lies
near the head is about the old task.

Source: Howard and Ruder 2018, arXiv 1801.06146, section 3.2 (the idea); Bao et al. 2021, "BEiT", arXiv 2106.08254, the
authors' `get_num_layer_for_vit`: a model of `depth` blocks has layers 0 ... depth + 1, norm and head being the last,
and layer k learns at layer_decay ** (depth + 1 - k) of the rate. (timm counts the last norm to the last block.)
"""
import re
from fnmatch import fnmatchcase

from minivit.errors import unknown

NO_DECAY = ("cls_token", "dist_token", "reg_token", "pos_embed")
_BLOCK = re.compile(r"(blocks\.\d+|stages\.\d+(\.blocks\.\d+)?)\.")
_LAST = ("norm", "fc_norm", "pre_logits", "head", "head_dist")


def decay_groups(model, weight_decay):
    """Two groups for an optimizer: matrices, which decay, and biases, norms, tokens and positions, which do not."""
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        plain = parameter.ndim <= 1 or any(part in NO_DECAY for part in name.split("."))    # pos_embed.y is one too
        (free if plain else decayed).append((name, parameter))
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def layer_numbers(model):
    """{name of a parameter: number of its layer}; blocks are counted from 1 in the order in which they come."""
    blocks, numbers = {}, {}
    names = [name for name, _ in model.named_parameters()]
    for name in names:
        block = _BLOCK.match(name)
        if block:
            blocks.setdefault(block.group(1), len(blocks) + 1)
        numbers[name] = blocks[block.group(1)] if block else 0
    last = len(blocks) + 1
    return {name: last if name.partition(".")[0] in _LAST else number for name, number in numbers.items()}


def layer_groups(model, weight_decay, layer_decay=1.0):
    """Groups for an optimizer, as `decay_groups` makes them, of what is trained; each layer learns at its own rate.

    layer_decay: 0 < layer_decay <= 1, the factor from a layer to the one below it. Raises ValueError where it is out of
    range, and where every parameter is frozen.
    """
    if not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay must be above 0 and at most 1, not {layer_decay}")
    numbers, groups = layer_numbers(model), []
    last = max(numbers.values())
    for group in decay_groups(model, weight_decay):
        layers = {}
        for name, parameter in group["params"]:
            if parameter.requires_grad:
                layers.setdefault(numbers[name] if layer_decay < 1 else last, []).append((name, parameter))
        groups += [group | {"params": pairs, "lr_scale": layer_decay ** (last - number)}
                   for number, pairs in sorted(layers.items())]
    if not groups:
        raise ValueError("every parameter is frozen: there is nothing to train")
    return groups


def freeze(model, patterns):
    """Stop the parameters whose names match one of `patterns` from being trained; returns their names.

    patterns: names in which * stands for anything, "patch_embed.*" or "blocks.0.*" say; what matches nothing raises
    ValueError. Call it before the optimizer is made.
    """
    named, frozen = dict(model.named_parameters()), []
    for pattern in patterns:
        found = [name for name in named if fnmatchcase(name, pattern)]
        if not found:
            raise ValueError(f"{unknown('parameter to freeze', pattern, named)} (minivit summary MODEL --parameters "
                             f"lists them; * stands for anything)")
        frozen += found
    for name in frozen:
        named[name].requires_grad = False
    return frozen
