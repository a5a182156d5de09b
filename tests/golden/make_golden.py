"""Write the golden files: what PyTorch and timm compute, so that minivit's tests need neither.

Recreate them (no GPU needed, some seconds) in a scratch environment of Python 3.11:

    python -m venv /tmp/golden
    /tmp/golden/bin/pip install torch==2.15.0 torchvision==0.29.2 timm==1.0.31 numpy==2.4.6
    /tmp/golden/bin/python tests/golden/make_golden.py

One call writes all three; every array is float64 unless said otherwise:

    ops.npz     per case: inputs, a random output gradient dy, the output y, every input's gradient
    vit.npz     a small timm VisionTransformer: parameters, their gradients, images, logits, loss
    optim.npz   20 steps of every optimizer in float64 and in float32; gradient clipping

Each file holds `provenance`, a JSON string. Two runs with the same versions write the same bytes.

Every number that goes *in* is rounded to float32 first. So a test in float32 starts from exactly
the same values, and measures the error of the arithmetic, not of rounding the inputs.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

from golden_cases import CASES, exact, normal
from torch_ops import TORCH

HERE = Path(__file__).parent
SEED = 20
STEPS = 20


def main():
    torch.set_num_threads(1)
    save("ops.npz", golden_ops(), torch=torch.__version__)
    save("vit.npz", golden_vit(), torch=torch.__version__, timm=timm.__version__)
    save("optim.npz", golden_optim(), torch=torch.__version__)


def save(name, arrays, **versions):
    """Write one file with its provenance: versions, the call and the seed, but no date."""
    call = "python tests/golden/make_golden.py"
    versions = {"numpy": np.__version__, **versions}
    provenance = json.dumps({"call": call, "seed": SEED, "versions": versions})
    np.savez_compressed(HERE / name, provenance=provenance, **arrays)
    print(f"{name:10}{(HERE / name).stat().st_size:>9,} bytes {len(arrays):>5} arrays")


# ------------------------------------------------------------------------------------------ ops.npz


def golden_ops():
    """Run every case of `golden_cases`; see there for what a case is."""
    arrays, described = {}, []
    for number, (op, cases) in enumerate(CASES.items()):
        rng = np.random.default_rng([SEED, number])
        for label, make in cases.items():
            name = f"{op}-{label}"
            given = make(rng)
            inputs = {k: v for k, v in given.items() if isinstance(v, np.ndarray)}
            options = {k: v for k, v in given.items() if k not in inputs and k != "fixed"}
            fixed = given.get("fixed", ())
            results, outputs, grads = run_case(op, inputs, options, fixed, rng)
            assert not set(inputs) & set(results), f"{name}: an input has the name of a result"
            arrays.update({f"{name}/{key}": value for key, value in {**inputs, **results}.items()})
            described.append({"name": name, "op": op, "options": options, "inputs": list(inputs),
                              "outputs": outputs, "grads": grads})
    return {"cases": json.dumps(described), **arrays}


def run_case(op, inputs, options, fixed, rng):
    """Forward and backward in torch: (arrays to store, number of outputs, names of the leaves)."""
    tensors = {k: torch.from_numpy(v.copy()) for k, v in inputs.items()}
    leaves = [k for k, v in tensors.items() if v.is_floating_point() and k not in fixed]
    for key in leaves:
        tensors[key].requires_grad_()
    ys = TORCH[op](*tensors.values(), **options)
    single = not isinstance(ys, tuple)
    ys = (ys,) if single else ys
    dys = [normal(rng, *y.shape) for y in ys]
    gradients = torch.autograd.grad(
        ys, [tensors[k] for k in leaves], [torch.from_numpy(dy) for dy in dys])
    results = {f"d{k}": g.numpy() for k, g in zip(leaves, gradients)}
    for i, (y, dy) in enumerate(zip(ys, dys)):
        index = "" if single else str(i)
        results[f"y{index}"], results[f"dy{index}"] = y.detach().numpy(), dy
    return results, 1 if single else len(ys), leaves


# ------------------------------------------------------------------------------------------ vit.npz


def golden_vit():
    """Logits, loss and all gradients of a tiny, oddly shaped ViT with no parameter left at zero."""
    rng = np.random.default_rng([SEED, 1000])
    model = timm.models.VisionTransformer(
        img_size=(28, 20), patch_size=(7, 5), in_chans=2, num_classes=5, embed_dim=12, depth=2,
        num_heads=3, mlp_ratio=2, qkv_bias=True, class_token=True, global_pool="token",
        norm_layer=partial(nn.LayerNorm, eps=1e-6), act_layer=nn.GELU).double()
    model.train()  # all drop rates are zero, so this changes nothing but is how gradients are used
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_scale = "norm" in name and name.endswith("weight")
            drawn = normal(rng, *parameter.shape) * 0.25 + (1.0 if is_scale else 0.0)
            parameter.copy_(torch.from_numpy(exact(drawn)))
    images = torch.from_numpy(normal(rng, 3, 2, 28, 20)).requires_grad_()
    labels = torch.tensor([4, 0, 2])
    logits = model(images)
    loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    loss.backward()
    arrays = {"images": images, "labels": labels, "logits": logits, "loss": loss,
              "dimages": images.grad}
    for name, parameter in model.named_parameters():
        arrays[f"param/{name}"], arrays[f"grad/{name}"] = parameter, parameter.grad
    return {name: tensor.detach().numpy() for name, tensor in arrays.items()}


# ---------------------------------------------------------------------------------------- optim.npz

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd-momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd-nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "sgd-decay": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam-l2": ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    "adamw": ("AdamW", {"lr": 0.01, "weight_decay": 0.05}),
    "adamw-betas": ("AdamW", {"lr": 0.01, "weight_decay": 0.05, "betas": (0.9, 0.95)}),
}
CLIPS = {"above": 1.0, "below": 100.0}  # the gradients' norm is between the two


def golden_optim():
    """Parameters a (4, 3) and b (5,) after every step, for given gradients; clipped gradients."""
    rng = np.random.default_rng([SEED, 2000])
    start = {"a": normal(rng, 4, 3), "b": normal(rng, 5)}
    grads = {name: normal(rng, STEPS, *value.shape) for name, value in start.items()}
    arrays = {f"start/{name}": value for name, value in start.items()}
    arrays.update({f"grads/{name}": value for name, value in grads.items()})
    for case, (optimizer, options) in OPTIMIZERS.items():
        for dtype in ("float64", "float32"):
            path = descend(optimizer, options, start, grads, getattr(torch, dtype))
            arrays.update({f"{case}/{dtype}/{name}": steps for name, steps in path.items()})
    for label, limit in CLIPS.items():
        parameters = [torch.from_numpy(value.copy()) for value in start.values()]
        for parameter, grad in zip(parameters, grads.values()):
            parameter.grad = torch.from_numpy(grad[0].copy())
        arrays[f"clip-{label}/norm"] = nn.utils.clip_grad_norm_(parameters, limit).numpy()
        for name, parameter in zip(start, parameters):
            arrays[f"clip-{label}/{name}"] = parameter.grad.numpy()
    return {"optimizers": json.dumps(OPTIMIZERS), "clips": json.dumps(CLIPS), **arrays}


def descend(optimizer, options, start, grads, dtype):
    """The parameters after every step: {name: array (STEPS, *shape)}."""
    parameters = {k: torch.from_numpy(v.copy()).to(dtype) for k, v in start.items()}
    stepper = getattr(torch.optim, optimizer)(list(parameters.values()), **options)
    path = {name: [] for name in start}
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = torch.from_numpy(grads[name][step].copy()).to(dtype)
        stepper.step()
        for name, parameter in parameters.items():
            path[name].append(parameter.detach().numpy().copy())
    return {name: np.stack(steps) for name, steps in path.items()}


if __name__ == "__main__":
    main()
