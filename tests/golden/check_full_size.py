"""A model at full size against timm's: names, shapes and number of parameters, logits, and every gradient.

The tests do this to small models (tests/test_parity.py), without timm. Run it (some seconds, 1 to 2 GB) in the scratch
environment that make_golden.py describes, with minivit on the path:

    PYTHONPATH=. /tmp/golden/bin/python tests/golden/check_full_size.py
    PYTHONPATH=. /tmp/golden/bin/python tests/golden/check_full_size.py vit_small_patch16_224 deit_tiny_patch16_224

Weights are random, none is 0. The truth is timm's model in float64. Errors are relative to the largest number of an
array; those of timm itself in float32 stand beside ours. The status is 1 where one of ours is above LIMIT and above
twice timm's: in a hybrid's ResNet, rounding flips a ReLU or a maximum now and then.
"""
import sys

import numpy as np
import timm
import torch

from minivit import Tensor, ops
from minivit.models import create

SEED = 24
B = 2
LIMIT = 1e-5                    # float32's rounding, through 12 blocks and back


def main(names):
    agree = [check(name) for name in names or ["deit_tiny_distilled_patch16_224"]]
    return 0 if all(agree) else 1


def check(name):
    """Print what was compared of one model; returns whether ours is right."""
    rng = np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    theirs, ours = timm.create_model(name, num_classes=1000), create(name, drop_path_rate=0.0)
    state = {key: values.numpy() + 0.05 * rng.standard_normal(values.shape, dtype=np.float32)
             for key, values in theirs.state_dict().items()}
    theirs.load_state_dict({key: torch.from_numpy(values) for key, values in state.items()})
    ours.load_state_dict(state)                             # raises where a name or a shape differs
    print(f"{name}: {len(state)} names and shapes agree, {ours.num_parameters():,} parameters")
    assert ours.num_parameters() == sum(parameter.numel() for parameter in theirs.parameters())
    images = rng.standard_normal((B, 3, *ours.config.image_size), dtype=np.float32)
    found, agree = run_ours(ours, images, rng), True
    single, truth = (run_timm(model(), images, found["dlogits"]) for model in (theirs.float, theirs.double))
    assert found.keys() == truth.keys()
    for what in ("logits in evaluation", "logits in training", "gradients"):
        keys = [key for key in truth if key.startswith(what)]
        error, key = max((difference(found[key], truth[key]), key) for key in keys)
        yardstick = max(difference(single[key], truth[key]) for key in keys)
        agree &= error <= max(LIMIT, 2 * yardstick)
        print(f"  {what + ':':<22} worst relative error {error:.1e} ({key}); of timm in float32 {yardstick:.1e}")
    return agree


def run_ours(model, images, rng):
    """{name: array} of logits and gradients, and the output gradient `dlogits` that was drawn for them."""
    images = Tensor(images, requires_grad=True)
    outputs = {"logits in evaluation": model.eval()(images).data}
    logits = model.train()(images)
    logits = ops.stack(logits) if isinstance(logits, tuple) else logits
    dlogits = rng.standard_normal(logits.shape, dtype=np.float32)
    logits.backward(dlogits)
    outputs |= {"logits in training": logits.data, "dlogits": dlogits, "gradients of images": images.grad}
    return outputs | {f"gradients of {name}": parameter.grad for name, parameter in model.named_parameters()}


def run_timm(model, images, dlogits):
    """The same of timm's model, in its precision."""
    dtype = next(model.parameters()).dtype
    images = torch.from_numpy(images).to(dtype).requires_grad_()
    model.zero_grad()
    with torch.no_grad():
        outputs = {"logits in evaluation": model.eval()(images)}
    if hasattr(model, "set_distilled_training"):
        model.set_distilled_training(True)
    logits = model.train()(images)
    logits = torch.stack(logits) if isinstance(logits, tuple) else logits
    dlogits = torch.from_numpy(dlogits).to(dtype)
    logits.backward(dlogits)
    outputs |= {"logits in training": logits, "dlogits": dlogits, "gradients of images": images.grad}
    outputs |= {f"gradients of {name}": parameter.grad for name, parameter in model.named_parameters()}
    return {name: output.detach().numpy() for name, output in outputs.items()}


def difference(got, expected):
    """The largest difference, relative to the largest number expected; a nan counts as infinitely far off."""
    return float(np.nan_to_num(np.abs(got - expected).max() / np.abs(expected).max(), nan=np.inf))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
