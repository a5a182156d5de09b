"""minivit against PyTorch and timm, whose results are frozen in golden/*.npz by make_golden.py.

Every case of ops.npz runs in both forms and in both precisions: the output and the gradient of
every input, for a random output gradient. Inputs and output gradients are read-only here, so that
an op which writes into them fails.

Tolerances are absolute, times the largest |expected value| where that is above 1. The frozen
inputs are numbers that float32 holds exactly, so the float32 runs measure arithmetic alone. That
makes 1e-5 honest even at softmax's offset of 1e4: the difference of two float32 numbers that close
is exact. `FLOAT32` lists the cases where 1e-5 cannot hold, with the reason.
"""
import json
from pathlib import Path

import numpy as np
import pytest

from minivit import Tensor, ops, optim, using
from minivit.models import ViTConfig, VisionTransformer

GOLDEN = Path(__file__).parent / "golden"
FORMS = ("composed", "array")
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
FLOAT32 = {
    # The mean of numbers near 1e4 is itself rounded, to a multiple of 2^-10 = 1e-3, and so is
    # their sum before it. No formula that subtracts a float32 mean once, as the definition does,
    # does better; the array form subtracts what remains of the mean too, and needs no exception.
    ("layernorm-offset", "composed"): 1.3e-3,
}


def golden(name):
    with np.load(GOLDEN / name) as file:
        return {key: file[key] for key in file.files}


OPS, VIT, OPTIM = golden("ops.npz"), golden("vit.npz"), golden("optim.npz")
CASES = {case["name"]: case for case in json.loads(str(OPS["cases"]))}
OPTIMIZERS, CLIPS = json.loads(str(OPTIM["optimizers"])), json.loads(str(OPTIM["clips"]))

forms = pytest.mark.parametrize("form", FORMS)
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def assert_close(got, expected, dtype, tolerance, what):
    """Same dtype and shape, and the same values to `tolerance` times max(1, largest |expected|)."""
    assert got is not None, f"{what} is None"
    assert got.dtype == dtype, f"{what} is {got.dtype}, not {dtype}"
    assert got.shape == expected.shape, f"{what} has shape {got.shape}, PyTorch's {expected.shape}"
    error = np.abs(got.astype("float64") - expected) / max(1.0, np.abs(expected).max(initial=0.0))
    worst = np.unravel_index(np.argmax(error), error.shape)
    assert error.max() <= tolerance, (
        f"{what} is off by {error.max():.1e} (allowed {tolerance:.0e}) at {[*map(int, worst)]}: "
        f"{got[worst]!r}, PyTorch has {expected[worst]!r}")


# --------------------------------------------------------------------------------------- operations


def evaluate(*values, names, text):
    """`text` is a Python expression over `names`: see golden/golden_cases.py."""
    return eval(text, {"__builtins__": {}}, dict(zip(names, values)))


MINIVIT = {
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
    "gelu": ops.gelu,
    "layernorm": ops.layernorm,
    "attention": ops.attention,
    "cross_entropy": ops.cross_entropy,
    "linear": ops.linear,
    "extract_patches": ops.extract_patches,
    "expression": evaluate,
    "sum": lambda x, axis, keepdims: x.sum(axis, keepdims),
    "mean": lambda x, axis, keepdims: x.mean(axis, keepdims),
    "max": lambda x, axis, keepdims: x.max(axis, keepdims),
    "min": lambda x, axis, keepdims: x.min(axis, keepdims),
    "var": lambda x, axis, keepdims: x.var(axis, keepdims),
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "transpose": lambda x, axes: x.transpose(*axes),
    "expand": lambda x, shape: x.expand(*shape),
    "pad": lambda x, widths: x.pad(widths),
    "reverse": lambda x: x[::-1, :, ::-1],
    "concat": lambda *xs, axis: ops.concat(xs, axis),
    "stack": lambda *xs, axis: ops.stack(xs, axis),
    "split": lambda x, sizes, axis: x.split(sizes, axis),
    "where": ops.where,
    "unbind": lambda x, axis: x.unbind(axis),
    "merge_patches": ops.merge_patches,
}


def read_only(array, dtype):
    """A copy that refuses to be written to, floating-point numbers as `dtype`."""
    array = array.astype(dtype) if array.dtype.kind == "f" else array.copy()
    array.flags.writeable = False
    return array


def run(case, dtype):
    """The inputs by name and the outputs of one case."""
    inputs = {}
    for name in case["inputs"]:
        array = read_only(OPS[f"{case['name']}/{name}"], dtype)
        inputs[name] = Tensor(array, requires_grad=True) if name in case["grads"] else array
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in case["options"].items()}
    ys = MINIVIT[case["op"]](*inputs.values(), **options)
    return inputs, ys if isinstance(ys, tuple) else (ys,)


@dtypes
@forms
@pytest.mark.parametrize("name", CASES)
def test_op(name, form, dtype):
    case = CASES[name]
    numbers = [""] if case["outputs"] == 1 else range(case["outputs"])
    dys = [read_only(OPS[f"{name}/dy{i}"], dtype) for i in numbers]
    with using(form):
        inputs, ys = run(case, dtype)
        if len(ys) == 1:
            ys[0].backward(dys[0])
        else:
            sum((y * dy).sum() for y, dy in zip(ys, dys)).backward()
    tolerance = TOLERANCE[dtype] if dtype == "float64" else FLOAT32.get((name, form), TOLERANCE[dtype])
    assert len(ys) == case["outputs"]
    for i, y in zip(numbers, ys):
        assert_close(y.data, OPS[f"{name}/y{i}"], dtype, tolerance, f"y{i}")
    for key in case["grads"]:
        assert_close(inputs[key].grad, OPS[f"{name}/d{key}"], dtype, tolerance, f"d{key}")


@dtypes
@forms
@pytest.mark.parametrize("name", ["gelu-erf_special", "gelu-tanh_special"])
def test_gelu_is_precise_near_zero(name, form, dtype):
    """gelu(x) is about x / 2 there, and an absolute tolerance would take 0 for gelu(1e-30)."""
    with using(form):
        inputs, (y,) = run(CASES[name], dtype)
    near = np.abs(inputs["x"].data) <= 1
    np.testing.assert_allclose(y.data[near], OPS[f"{name}/y"][near], rtol=100 * np.finfo(dtype).eps)


@dtypes
@forms
@pytest.mark.parametrize("kept", [0, 1, 2])
def test_split_with_one_part_used(kept, form, dtype):
    """The gradient of the parts that were not used is zero."""
    case = CASES["split-uneven"]
    with using(form):
        inputs, ys = run(case, dtype)
        dy = read_only(OPS[f"split-uneven/dy{kept}"], dtype)
        ys[kept].backward(dy)
    used = np.repeat([0, 1, 2], case["options"]["sizes"]) == kept
    expected = np.where(used, OPS["split-uneven/dx"], 0)
    assert_close(inputs["x"].grad, expected, dtype, TOLERANCE[dtype], "dx")


# ------------------------------------------------------------------------------------ the whole ViT


@dtypes
@forms
def test_vit(form, dtype):
    """Logits, loss and the gradients of every parameter and pixel of timm's VisionTransformer."""
    model = timm_sized_vit(dtype)
    images = Tensor(VIT["images"].astype(dtype), requires_grad=True)
    with using(form):
        logits = model(images)
        loss = ops.cross_entropy(logits, VIT["labels"], label_smoothing=0.1)
        loss.backward()
    tolerance = TOLERANCE[dtype]
    assert_close(logits.data, VIT["logits"], dtype, tolerance, "logits")
    assert_close(loss.data, VIT["loss"], dtype, tolerance, "loss")
    assert_close(images.grad, VIT["dimages"], dtype, tolerance, "dimages")
    parameters = dict(model.named_parameters())
    assert set(parameters) == timm_names()
    for name, parameter in parameters.items():
        assert_close(parameter.grad, VIT[f"grad/{name}"], dtype, tolerance, f"gradient of {name}")


def timm_sized_vit(dtype):
    """Our model with timm's parameters. The one place that knows how a model is made and filled."""
    config = ViTConfig(
        image_size=(28, 20), patch_size=(7, 5), in_chans=2, num_classes=5, embed_dim=12, depth=2,
        num_heads=3, mlp_ratio=2)
    model = VisionTransformer(config).astype(dtype)
    model.load_state_dict({name: VIT[f"param/{name}"].astype(dtype) for name in timm_names()})
    return model


def timm_names():
    return {key.removeprefix("param/") for key in VIT if key.startswith("param/")}


# --------------------------------------------------------------------------------------- optimizers


def parameters(dtype):
    """Parameters a and b as they start."""
    return {k: Tensor(OPTIM[f"start/{k}"].astype(dtype), requires_grad=True) for k in "ab"}


def give_gradients(tensors, dtype, step):
    for key, tensor in tensors.items():
        tensor.grad = OPTIM[f"grads/{key}"][step].astype(dtype)


@dtypes
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_optimizer(case, dtype):
    """The parameters after each of 20 steps. PyTorch took them in the same precision."""
    name, options = OPTIMIZERS[case]
    tensors = parameters(dtype)
    optimizer = getattr(optim, name)(tensors.items(), **options)
    tolerance = {"float64": 1e-12, "float32": 2e-6}[dtype]
    for step in range(20):
        give_gradients(tensors, dtype, step)
        optimizer.step()
        for key, tensor in tensors.items():
            expected = OPTIM[f"{case}/{dtype}/{key}"][step]
            assert_close(tensor.data, expected, dtype, tolerance, f"{key} after step {step + 1}")


@dtypes
@pytest.mark.parametrize("case", CLIPS)
def test_clip_grad_norm(case, dtype):
    """Gradients above the limit are scaled to it, others left alone; returns the norm before."""
    tensors = parameters(dtype)
    give_gradients(tensors, dtype, step=0)
    norm = optim.clip_grad_norm(tensors.values(), CLIPS[case])
    tolerance = {"float64": 1e-12, "float32": 1e-6}[dtype]
    assert float(norm) == pytest.approx(float(OPTIM[f"clip-{case}/norm"]), rel=tolerance)
    for key, tensor in tensors.items():
        assert_close(tensor.grad, OPTIM[f"clip-{case}/{key}"], dtype, tolerance, f"clipped d{key}")


# ---------------------------------------------------------------------------------------- the files


@pytest.mark.parametrize("arrays", [OPS, VIT, OPTIM], ids=["ops", "vit", "optim"])
def test_provenance(arrays):
    """Each file says which versions, call and seed made it."""
    provenance = json.loads(str(arrays["provenance"]))
    assert provenance["call"] == "python tests/golden/make_golden.py"
    assert {"torch", "numpy"} <= set(provenance["versions"]) and isinstance(provenance["seed"], int)


def test_golden_files_are_small():
    sizes = {str(path.relative_to(GOLDEN)): path.stat().st_size for path in GOLDEN.rglob("*.npz")}
    assert [name for name, size in sizes.items() if size > 300_000] == ["ops.npz"] and sizes["ops.npz"] < 420_000
    assert sum(sizes.values()) < 3_000_000
