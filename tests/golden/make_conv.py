"""Write conv.npz and resnet.npz: convolution, pooling, group norm and networks of them, as PyTorch and timm compute.

Recreate them (some seconds) in the scratch environment that make_golden.py describes:

    /tmp/golden/bin/python tests/golden/make_conv.py

conv.npz holds a JSON list `cases` of {name, op, options, inputs}, and for each case its inputs, a random output
gradient dy, the output y and the gradient d* of every input. resnet.npz holds, for each network in `networks`, its
parameters, images, output (`y`), output gradient (`dy`) and the gradient of every parameter and of the images.

All is float64, but every number that goes in is rounded to float32 first, so that a test in float32 starts from exactly
the same values. Two runs with the same versions write the same bytes.
"""
import json
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from timm.layers import GroupNormAct, StdConv2d, StdConv2dSame
from timm.layers.padding import pad_same
from timm.models.resnetv2 import ResNetV2

SEED = 24


# -------------------------------------------------------------------------------------- operations


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def padded(x, size, stride, padding, value=0.0):
    """x with the border that `padding` asks for, and nothing left to pad."""
    if padding == "VALID":
        return x
    if padding == "SAME":
        return pad_same(x, list(pair(size)), list(pair(stride)), value=value)
    y, x_ = pair(padding)
    return F.pad(x, (x_, x_, y, y), value=value)


def conv2d(x, weight, bias=None, stride=1, padding=0):
    return F.conv2d(padded(x, weight.shape[2:], stride, padding), weight, bias, stride)


def max_pool2d(x, size, stride=None, padding=0):
    return F.max_pool2d(padded(x, size, stride or size, padding, -torch.inf), size, stride)


def avg_pool2d(x, size, stride=None, padding=0):
    return F.avg_pool2d(padded(x, size, stride or size, padding), size, stride)


def standardise(weight, eps):
    """timm's weights, as its StdConv2d uses them: convolving one-hot images reads them back."""
    outputs, inputs, *size = weight.shape
    layer = StdConv2d(inputs, outputs, tuple(size), padding=0, eps=eps).double()
    pixels = torch.eye(weight[0].numel(), dtype=torch.float64).reshape(-1, inputs, *size)
    read = torch.func.functional_call(layer, {"weight": weight}, (pixels,))       # (C * Ky * Kx, O, 1, 1)
    return read.flatten(1).T.reshape(weight.shape)


TORCH = {
    "conv2d": conv2d,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "groupnorm": lambda x, gamma, beta, groups, eps: F.group_norm(x, groups, gamma, beta, eps),
    "standardise": standardise,
    "relu": F.relu,
}


def normal(rng, *shape, offset=0.0, scale=1.0):
    """Normal numbers that float32 holds exactly, as float64."""
    return (offset + scale * rng.standard_normal(shape)).astype(np.float32).astype(np.float64)


def kernel(x, weight, bias=True, **options):
    """A convolution; x and weight are shapes."""
    def make(r):
        inputs = dict(x=normal(r, *x), weight=normal(r, *weight))
        return inputs | (dict(bias=normal(r, weight[0])) if bias else {}), options
    return make


def pool(*x, offset=0.0, **options):
    return lambda r: (dict(x=normal(r, *x, offset=offset)), options)


def norm(*x, groups, eps=1e-5, offset=0.0):
    return lambda r: (dict(x=normal(r, *x, offset=offset), gamma=normal(r, x[1]), beta=normal(r, x[1])),
                      dict(groups=groups, eps=eps))


def filters(*weight, eps):
    return lambda r: (dict(weight=normal(r, *weight)), dict(eps=eps))


CASES = {
    "conv2d": {
        "3x3": kernel((2, 3, 7, 6), (4, 3, 3, 3), padding=1),
        "no_bias": kernel((2, 3, 5, 6), (4, 3, 3, 3), bias=False),
        "valid": kernel((1, 2, 5, 6), (3, 2, 3, 2), padding="VALID"),
        "stride": kernel((2, 3, 8, 7), (4, 3, 3, 3), stride=2, padding=1),
        "strides_differ": kernel((1, 2, 9, 8), (3, 2, 3, 2), stride=[2, 3], padding=[1, 0]),
        "gaps": kernel((1, 2, 9, 8), (3, 2, 2, 2), stride=3),
        "pixel": kernel((2, 3, 4, 5), (6, 3, 1, 1)),
        "pixel_stride": kernel((2, 3, 6, 5), (4, 3, 1, 1), stride=2, bias=False),
        "same": kernel((2, 2, 5, 6), (3, 2, 3, 3), padding="SAME"),
        "same_stride": kernel((2, 2, 8, 7), (3, 2, 3, 3), stride=2, padding="SAME"),
        "same_even": kernel((1, 2, 5, 6), (3, 2, 2, 4), padding="SAME"),
        "same_stem": kernel((1, 3, 14, 13), (4, 3, 7, 7), stride=2, padding="SAME", bias=False),
        "stem": kernel((1, 3, 14, 13), (4, 3, 7, 7), stride=2, padding=3, bias=False),
        "wide_border": kernel((1, 2, 4, 3), (2, 2, 2, 3), padding=3),
        "whole": kernel((2, 3, 4, 5), (2, 3, 4, 5)),
        "one_pixel": kernel((3, 2, 1, 1), (4, 2, 3, 3), padding=1),
        "blocks": kernel((140, 1, 2, 2), (2, 1, 3, 3), padding=1),
        "blocks_stride": kernel((140, 1, 4, 3), (2, 1, 3, 3), stride=2, padding=1),
    },
    "max_pool2d": {
        "2x2": pool(2, 3, 6, 4, size=2),
        "remainder": pool(1, 2, 7, 5, size=2),
        "overlap": pool(2, 2, 7, 6, size=3, stride=2, padding=1),
        "same": pool(2, 2, 8, 7, size=3, stride=2, padding="SAME"),
        "rectangles": pool(1, 2, 6, 7, size=[2, 3], stride=[1, 2], padding=[1, 0]),
        "negative": pool(1, 2, 5, 5, size=3, stride=2, padding=1, offset=-9.0),
        "gaps": pool(1, 1, 7, 8, size=2, stride=3),
    },
    "avg_pool2d": {
        "2x2": pool(2, 3, 6, 4, size=2),
        "overlap": pool(2, 2, 7, 6, size=3, stride=2, padding=1),
        "same": pool(2, 2, 8, 7, size=3, stride=2, padding="SAME"),
        "rectangles": pool(1, 2, 6, 7, size=[2, 3], stride=[1, 2]),
    },
    "groupnorm": {
        "two": norm(2, 6, 4, 3, groups=2),
        "one": norm(3, 4, 2, 5, groups=1),
        "each": norm(2, 3, 4, 5, groups=3),
        "eps": norm(2, 4, 3, 3, groups=2, eps=0.5),
        "offset": norm(2, 4, 3, 5, groups=2, offset=1e4),
        "no_pixels": norm(3, 6, groups=2),
        "one_axis": norm(2, 4, 5, groups=2),
    },
    "standardise": {
        "3x3": filters(4, 3, 3, 3, eps=1e-8),
        "1x1": filters(5, 6, 1, 1, eps=1e-8),
        "eps": filters(3, 2, 2, 3, eps=0.5),
    },
    "relu": {
        "plain": pool(3, 4),
        "at_0": lambda r: (dict(x=np.array([[0.0, -0.0, 1.0], [-1.0, 1e-30, -1e-30]])), {}),
    },
}


def operations():
    arrays, described = {}, []
    for number, (op, cases) in enumerate(CASES.items()):
        rng = np.random.default_rng([SEED, number])
        for label, make in cases.items():
            inputs, options = make(rng)
            tensors = [torch.from_numpy(x.copy()).requires_grad_() for x in inputs.values()]
            y = TORCH[op](*tensors, **options)
            dy = normal(rng, *y.shape)
            gradients = torch.autograd.grad(y, tensors, torch.from_numpy(dy))
            results = {"y": y.detach().numpy(), "dy": dy} | {f"d{k}": g.numpy() for k, g in zip(inputs, gradients)}
            arrays |= {f"{op}-{label}/{key}": array for key, array in {**inputs, **results}.items()}
            described.append({"name": f"{op}-{label}", "op": op, "options": options, "inputs": list(inputs)})
    return {"cases": json.dumps(described), **arrays}


# ---------------------------------------------------------------------------------------- networks

FEW_GROUPS = dict(norm_layer=partial(GroupNormAct, num_groups=4), in_chans=2, stem_chs=8)
BIT = dict(FEW_GROUPS, num_classes=5, stem_type="fixed", conv_layer=partial(StdConv2d, eps=1e-8))
NETWORKS = {
    "bit": (partial(ResNetV2, layers=(1, 1), channels=(32, 32), **BIT), (21, 16)),
    "basic": (partial(ResNetV2, layers=(1, 1), channels=(8, 16), basic=True, bottle_ratio=1.0, **BIT), (18, 21)),
    "hybrid": (partial(ResNetV2, layers=(1, 1), channels=(32, 32), num_classes=0, global_pool="", preact=False,
                       stem_type="same", conv_layer=partial(StdConv2dSame, eps=1e-8), **FEW_GROUPS), (22, 15)),
}


def networks():
    """Output and all gradients of small networks with no parameter left at 0 or 1."""
    arrays = {}
    for number, (name, (make, size)) in enumerate(NETWORKS.items()):
        rng = np.random.default_rng([SEED, 1000 + number])
        network = make().double()
        with torch.no_grad():
            for key, parameter in network.named_parameters():
                offset = 1.0 if "norm" in key and key.endswith("weight") else 0.0
                parameter.copy_(torch.from_numpy(normal(rng, *parameter.shape, offset=offset, scale=0.25)))
        images = torch.from_numpy(normal(rng, 2, 2, *size)).requires_grad_()
        y = network(images)
        dy = normal(rng, *y.shape)
        y.backward(torch.from_numpy(dy))
        tensors = {"y": y, "images": images, "dimages": images.grad}
        for key, parameter in network.named_parameters():
            tensors |= {f"param/{key}": parameter, f"grad/{key}": parameter.grad}
        arrays |= {f"{name}/dy": dy} | {f"{name}/{key}": tensor.detach().numpy() for key, tensor in tensors.items()}
    return {"networks": json.dumps(list(NETWORKS)), **arrays}


def main():
    torch.set_num_threads(1)
    versions = {module.__name__: module.__version__ for module in (np, timm, torch)}
    provenance = json.dumps({"call": "python tests/golden/make_conv.py", "seed": SEED, "versions": versions})
    for name, arrays in (("conv.npz", operations()), ("resnet.npz", networks())):
        path = Path(__file__).parent / name
        np.savez_compressed(path, provenance=provenance, **arrays)
        print(f"{name:12}{path.stat().st_size:>9,} bytes {len(arrays):>5} arrays")


if __name__ == "__main__":
    main()
