"""Whole models against timm, Hugging Face and PyTorch: the same logits, and the same gradient of every parameter.

What those compute is frozen in golden/models/*.npz, in float64 from numbers that float32 holds exactly, so that both
precisions can be held to it. golden/make_models.py writes the files, and says in timm's words what CASES says in ours;
golden/check_full_size.py does the same at full size, where PyTorch and timm are installed.
"""
import json
from pathlib import Path

import numpy as np
import pytest

from minivit import Tensor, ops, using
from minivit.models import build

FOLDER = Path(__file__).parent / "golden" / "models"
SMALL = dict(image_size=(8, 12), patch_size=(4, 2), in_chans=2, num_classes=5, embed_dim=12, depth=2, num_heads=3,
             mlp_ratio=2.0)
CASES = {
    "vit": ("vit", {}),
    "vit-no-qkv-bias": ("vit", dict(qkv_bias=False)),
    "vit-gelu-tanh": ("vit", dict(gelu="tanh")),
    "vit-no-positions": ("vit", dict(pos_embed="none")),
    "vit-gap": ("vit", dict(class_token=False, pool="mean")),
    "vit-mean": ("vit", dict(pool="mean")),
    "vit-fc-norm": ("vit", dict(pool="mean", fc_norm=True)),
    "vit-registers": ("vit", dict(registers=3)),
    "vit-registers-apart": ("vit", dict(registers=3, prefix_positions=False)),
    "vit-layer-scale": ("vit", dict(layer_scale=0.1)),
    "vit-all": ("vit", dict(class_token=False, registers=2, prefix_positions=False, pool="mean", fc_norm=True,
                            layer_scale=0.1, qkv_bias=False)),
    "deit": ("deit", {}),
    "deit-evaluation": ("deit", {}),
    "hugging-face-vit": ("vit", dict(norm_eps=1e-12)),
    "hugging-face-deit": ("deit", dict(norm_eps=1e-12)),
    "hugging-face-pooler": ("vit", dict(norm_eps=1e-12, representation_size=7)),
    "pytorch-post-norm": ("vit", dict(norm_first=False)),
}
EVALUATION = {"deit-evaluation", "hugging-face-deit"}
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}         # of the largest of an array's numbers


def golden(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def assert_close(got, expected, tolerance, what):
    assert got.shape == expected.shape, what
    error = np.abs(got - expected).max() / np.abs(expected).max()
    assert error <= tolerance, f"{what} is off by {error:.1e} of its largest number"


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("form", ["array", "composed"])
@pytest.mark.parametrize("name", CASES)
def test_logits_and_gradients(name, form, dtype):
    (architecture, changes), arrays, tolerance = CASES[name], golden(name), TOLERANCE[dtype]
    model = build(architecture, SMALL | changes).train(name not in EVALUATION).astype(dtype)
    model.load_state_dict({key.removeprefix("param/"): array for key, array in arrays.items() if "param/" in key})
    images = Tensor(arrays["images"].astype(dtype), requires_grad=True)
    with using(form):
        logits = model(images)
        logits = ops.stack(logits) if isinstance(logits, tuple) else logits
        logits.backward(arrays["dlogits"].astype(dtype))
    assert logits.dtype == dtype
    assert_close(logits.data, arrays["logits"], tolerance, "logits")
    assert_close(images.grad, arrays["dimages"], tolerance, "dimages")
    for key, parameter in model.named_parameters():
        assert_close(parameter.grad, arrays[f"grad/{key}"], tolerance, f"the gradient of {key}")


def test_every_file_is_tested_and_says_where_it_comes_from():
    assert {path.stem for path in FOLDER.glob("*.npz")} == CASES.keys()
    for name in CASES:
        provenance = json.loads(str(golden(name)["provenance"]))
        assert provenance["call"] == "python tests/golden/make_models.py" and isinstance(provenance["seed"], int)
        assert provenance["versions"].keys() == {"numpy", "timm", "torch", "transformers"}
