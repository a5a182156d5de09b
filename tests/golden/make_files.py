"""Write tests/golden/files: small checkpoints as PyTorch, safetensors, NumPy and Hugging Face write them.

Recreate them in the environment that make_golden.py describes, with two more packages:

    /tmp/golden/bin/pip install safetensors==0.8.0 transformers==5.23.0
    /tmp/golden/bin/python tests/golden/make_files.py

    types.safetensors, types.pth, types.npz     arrays of every type that is read, and odd shapes
    views.pth                                   tensors that share storages: views, tied weights, a broadcast
    training.pth                                as DeiT's training saves it: model, optimizer, epoch, args
    parameters.pth                              Parameters under "state_dict"
    ema.pth                                     under "model_ema"
    google.npz                                  compressed, with names like Google's
    old.pth, module.pth                         to be refused: PyTorch's old format, a whole module
    vit/, vit-shards/, vit-bin/                 a tiny ViT as Transformers saves it, whole, in parts, and as .bin
    expected.npz                                what PyTorch has in each, 16-bit floats as float32: "FILE:NAME"

Two runs with the same versions write the same bytes; but old.pth numbers its storages by their address in memory.
"""
import argparse
import json
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
import transformers

FILES = Path(__file__).parent / "files"
SEED = 21


def main():
    torch.manual_seed(SEED)
    shutil.rmtree(FILES, ignore_errors=True)
    FILES.mkdir()
    expected = {}

    def record(file, tensors):
        for name, tensor in tensors.items():
            half = tensor.dtype in (torch.float16, torch.bfloat16)
            expected[f"{file}:{name}"] = (tensor.float() if half else tensor).detach().numpy()

    safetensors.torch.save_file(types(), FILES / "types.safetensors", {"format": "pt"})
    record("types.safetensors", safetensors.torch.load_file(FILES / "types.safetensors"))
    for file, tensors in {"types.pth": types() | {"nothing": torch.zeros(0, 3)}, "views.pth": views()}.items():
        torch.save(tensors, FILES / file)
        record(file, tensors)

    state = torch.nn.Linear(3, 2).state_dict()
    for part, file, saved in (("model", "training.pth", training()), ("model_ema", "ema.pth", {"model_ema": state}),
                              ("state_dict", "parameters.pth", {"epoch": 7, "state_dict": dict(parameters())})):
        torch.save(saved, FILES / file)
        record(file, saved[part])
    torch.save(state, FILES / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(3, 2), FILES / "module.pth")

    arrays, tensors = google()
    np.savez(FILES / "types.npz", **arrays)
    record("types.npz", tensors)
    kernel = torch.randn(2, 4, 3)
    named = {"Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/kernel": kernel,
             "cls": torch.zeros(1, 1, 4), "head/bias": torch.zeros(500)}
    np.savez_compressed(FILES / "google.npz", **{name: tensor.numpy() for name, tensor in named.items()})
    record("google.npz", named)

    model = vit()
    model.save_pretrained(FILES / "vit")
    transformers.ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(FILES / "vit")
    model.save_pretrained(FILES / "vit-shards", max_shard_size="2KB")
    shutil.copytree(FILES / "vit", FILES / "vit-bin")
    (FILES / "vit-bin" / "model.safetensors").unlink()
    saved = safetensors.torch.load_file(FILES / "vit" / "model.safetensors")        # the names on disk, not in memory
    torch.save(saved, FILES / "vit-bin" / "pytorch_model.bin")
    record("vit", saved)

    versions = {module.__name__: module.__version__ for module in (np, torch, safetensors, transformers)}
    provenance = json.dumps({"call": "python tests/golden/make_files.py", "seed": SEED, "versions": versions})
    np.savez_compressed(FILES / "expected.npz", provenance=provenance, **expected)
    for path in sorted(FILES.rglob("*")):
        print(f"{path.relative_to(FILES)!s:50}{path.stat().st_size:>9,}")


def types():
    """A tensor of every type, of more than one shape; the floats have bits that a wrong widening would lose."""
    odd = torch.tensor([[1.0, -2.5, 3.140625], [0.0, -0.0, 65504.0]])
    extreme = torch.tensor([1e-30, -3e38, float("inf"), float("nan"), 1.00390625, 1e-40])
    return OrderedDict(
        float32=torch.randn(3, 4), float64=torch.randn(2, 3, dtype=torch.float64), float16=odd.half(),
        bfloat16=extreme.bfloat16(), tiny=torch.tensor([6e-8, 1e-5]).half(), int64=torch.tensor([-2 ** 62, 5]),
        int32=torch.tensor([[-7], [2 ** 30]], dtype=torch.int32), int16=torch.tensor([-300], dtype=torch.int16),
        int8=torch.tensor([-128, 127], dtype=torch.int8), uint8=torch.tensor([0, 255], dtype=torch.uint8),
        mask=torch.tensor([True, False, True]), scalar=torch.tensor(2.5), count=torch.tensor(7),
        empty=torch.zeros(0), deep=torch.randn(1, 2, 1, 3, 1))


def views():
    """Tensors that do not lie in their storage from its first number to its last in C order."""
    base = torch.randn(4, 6)
    half = base.half()
    row = torch.randn(3)
    return {"base": base, "transposed": base.T, "part": base[1:3, 2:5], "strided": base[::2, ::3], "tied": base,
            "last": base[3, 5], "none": base[:0], "half": half, "half transposed": half.T,
            "permuted": torch.randn(2, 3, 4).permute(2, 0, 1), "one row": row.expand(1, 3)}


def training():
    """What DeiT's main.py saves: `args` is an argparse.Namespace."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    model(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    args = argparse.Namespace(lr=5e-4, model="deit_tiny_patch16_224", opt_betas=None, repeated_aug=True,
                              dist_url="env://", layers=[1, 2])
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "lr_scheduler": schedule.state_dict(),
            "epoch": 299, "scaler": {}, "args": args}


def parameters():
    """Parameters themselves, not detached from them as state_dict() does."""
    model = torch.nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    return model.named_parameters()


def google():
    """({name: array}, the same as tensors): bfloat16 as JAX makes NumPy write it, an array in Fortran order."""
    brain = torch.tensor([[1.5, -3.0, 1e30]]).bfloat16()
    tensors = {"params/bfloat16": brain, "float16": torch.tensor([1.5, 6e-8]).half(), "float32": torch.randn(2, 3, 4),
               "float64": torch.randn(2, dtype=torch.float64), "fortran": torch.randn(3, 5),
               "scalar": torch.tensor(3.5), "int32": torch.arange(3, dtype=torch.int32),
               "mask": torch.tensor([True, False]), "empty": torch.zeros(0, 4)}
    arrays = {name: tensor.numpy() for name, tensor in tensors.items() if tensor is not brain}
    arrays["params/bfloat16"] = brain.view(torch.int16).numpy().view("V2")
    arrays["fortran"] = np.asfortranarray(arrays["fortran"])
    arrays["big-endian"] = np.arange(4, dtype=">f4")
    return arrays, tensors | {"big-endian": torch.arange(4.0)}


def vit():
    """A ViT of one layer."""
    return transformers.ViTForImageClassification(transformers.ViTConfig(
        image_size=8, patch_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_labels=3))


if __name__ == "__main__":
    main()
