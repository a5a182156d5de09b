"""Write tests/golden/formats: small checkpoints as timm, DeiT, Hugging Face and Google write them, and their logits.

Recreate them (half a minute) in the scratch environment that make_golden.py describes, with transformers==5.23.0:

    /tmp/golden/bin/python tests/golden/make_formats.py

    timm-vit/                   a folder with config.json; images and patches are not square
    timm-registers.safetensors  bare; registers, without positions; LayerScale, mean, no biases of q, k, v; bfloat16
    timm-hybrid.safetensors     a ResNet before the ViT
    timm-resnet.safetensors     BiT
    deit.pth, deit3.pth         as DeiT saves them; that of DeiT III has its names of LayerScale, and is in 16 bits
    hf-vit/, hf-vit-5/, hf-deit/, hf-teacher/, hf-model/    Hugging Face's classes; -5 has transformers 5's own names
    google-vit.npz, google-gap.npz, google-hybrid.npz       names and layouts of vit_jax; gap has a hidden layer
    big-vision.npz              all blocks in one array
    google-bit.npz              BiT
    expected.npz                images and logits of NAME, and of NAME@SIZE: the same model for larger images

Google's code is not run here: timm, which reads its files, says what they compute.
"""
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import safetensors.torch
import timm
import torch
import transformers
from timm.layers import HybridEmbed, StdConv2d, StdConv2dSame
from timm.layers.norm_act import GroupNormAct
from timm.models import save_for_hf
from timm.models.deit import VisionTransformerDistilled, _create_deit
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

FORMATS = Path(__file__).parent / "formats"
SEED = 29
SIZE, LARGER = 8, 16
D, F, H, DEPTH, Y = 8, 20, 2, 2, 5
VIT = dict(img_size=SIZE, patch_size=4, embed_dim=D, depth=DEPTH, num_heads=H, mlp_ratio=F / D, num_classes=Y)
HUGGING_FACE = dict(image_size=SIZE, patch_size=4, hidden_size=D, num_hidden_layers=DEPTH, num_attention_heads=H,
                    intermediate_size=F, num_labels=Y)
NAMES = ["tench", "goldfish", "great white shark", "tiger shark", "hammerhead"]
expected = {}


def main():
    torch.set_num_threads(1)
    shutil.rmtree(FORMATS, ignore_errors=True)
    FORMATS.mkdir()
    makers = (timm_vit, timm_registers, timm_hybrid, timm_resnet, deit, deit3, hugging_face, google, google_gap,
              big_vision, google_hybrid, google_bit)
    for number, make in enumerate(makers):
        make(np.random.default_rng([SEED, number]))
    versions = {module.__name__: str(module.__version__) for module in (np, safetensors, timm, torch, transformers)}
    provenance = {"call": "python tests/golden/make_formats.py", "seed": SEED, "versions": versions}
    np.savez_compressed(FORMATS / "expected.npz", provenance=json.dumps(provenance), **expected)
    for path in sorted(FORMATS.rglob("*.*")):
        print(f"{path.relative_to(FORMATS)!s:40}{path.stat().st_size:>8,} bytes")


def record(name, rng, forward, size=SIZE, channels=3):
    """Keep images and logits of a model; size: of the images, one number or (Sy, Sx)."""
    Sy, Sx = (size, size) if isinstance(size, int) else size
    images = torch.from_numpy(rng.standard_normal((2, channels, Sy, Sx)).astype(np.float32))
    with torch.no_grad():
        expected[f"{name}:images"], expected[f"{name}:logits"] = images.numpy(), forward(images).numpy()


def filled(rng, module, dtype=torch.float32):
    """The module with random parameters, rounded to `dtype`, in evaluation mode."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            drawn = torch.from_numpy(rng.standard_normal(parameter.shape) * 0.3 + (1.0 if of_norm(name) else 0.0))
            parameter.copy_(drawn.to(dtype))
    return module.eval()


def of_norm(name):
    return "norm" in name and name.endswith("weight")


# timm and DeiT

def timm_vit(rng):
    size = (8, 12)
    model = timm.create_model("vit_tiny_patch16_224", **VIT | dict(img_size=size, patch_size=(4, 2), in_chans=2))
    save_for_hf(filled(rng, model), FORMATS / "timm-vit", {"label_names": NAMES}, safe_serialization=True)
    record("timm-vit", rng, model, size, 2)


def timm_registers(rng):
    options = VIT | dict(reg_tokens=3, no_embed_class=True, init_values=0.1, global_pool="avg", qkv_bias=False)
    model = filled(rng, VisionTransformer(**options), torch.bfloat16)
    state = {name: tensor.to(torch.bfloat16) for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(state, FORMATS / "timm-registers.safetensors")
    record("timm-registers", rng, model)
    larger = VisionTransformer(**options | dict(img_size=LARGER)).eval()
    larger.load_state_dict(checkpoint_filter_fn(model.state_dict(), larger))
    record(f"timm-registers@{LARGER}", rng, larger, LARGER)


def hybrid(**options):
    """A hybrid with a ResNet of two stages, 4 groups, for images of 16 x 16 pixels."""
    norm = partial(GroupNormAct, num_groups=4)
    backbone = ResNetV2(layers=(2, 1), channels=(32, 64), stem_chs=8, num_classes=0, global_pool="", preact=False,
                        stem_type="same", norm_layer=norm, conv_layer=partial(StdConv2dSame, eps=1e-8))
    embed = partial(HybridEmbed, backbone=backbone)
    return VisionTransformer(**VIT | dict(patch_size=1, img_size=16, embed_layer=embed) | options)


def timm_hybrid(rng):
    model = filled(rng, hybrid())
    safetensors.torch.save_file(model.state_dict(), FORMATS / "timm-hybrid.safetensors")
    record("timm-hybrid", rng, model, 16)


def resnet(eps):
    return ResNetV2(layers=(2, 1), channels=(32, 64), stem_chs=8, num_classes=Y, stem_type="fixed",
                    norm_layer=partial(GroupNormAct, num_groups=4), conv_layer=partial(StdConv2d, eps=eps))


def timm_resnet(rng):
    model = filled(rng, resnet(1e-8))
    safetensors.torch.save_file(model.state_dict(), FORMATS / "timm-resnet.safetensors")
    record("timm-resnet", rng, model, 32)


def deit(rng):
    model = filled(rng, VisionTransformerDistilled(**VIT))
    torch.save({"model": model.state_dict()}, FORMATS / "deit.pth")
    record("deit", rng, model)


def deit3(rng):
    options = VIT | dict(no_embed_class=True, init_values=1e-6)
    model = filled(rng, _create_deit("deit3_small_patch16_224", **options), torch.float16)
    state = {name.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): tensor.half()
             for name, tensor in model.state_dict().items()}
    torch.save({"model": state}, FORMATS / "deit3.pth")
    record("deit3", rng, model)


# Hugging Face

def hugging_face(rng):
    labels = dict(id2label=dict(enumerate(NAMES)), label2id={name: i for i, name in enumerate(NAMES)})
    vit = transformers.ViTConfig(**HUGGING_FACE, **labels)
    deit = transformers.DeiTConfig(**HUGGING_FACE | dict(hidden_act="gelu_new", layer_norm_eps=1e-6))
    models = {"hf-vit": transformers.ViTForImageClassification(vit),
              "hf-deit": transformers.DeiTForImageClassification(deit),
              "hf-teacher": transformers.DeiTForImageClassificationWithTeacher(deit)}
    processors = {"hf-vit": transformers.ViTImageProcessor(size={"height": SIZE, "width": SIZE}),
                  "hf-teacher": transformers.DeiTImageProcessor(size={"height": 10, "width": 10},
                                                                crop_size={"height": SIZE, "width": SIZE})}
    for name, model in models.items():
        filled(rng, model).save_pretrained(FORMATS / name)
        record(name, rng, lambda images: model(images).logits)
        larger = partial(model, interpolate_pos_encoding=True)
        record(f"{name}@{LARGER}", rng, lambda images: larger(images).logits, LARGER)
    for name, processor in processors.items():
        processor.save_pretrained(FORMATS / name)
    shutil.copytree(FORMATS / "hf-vit", FORMATS / "hf-vit-5")
    safetensors.torch.save_file(models["hf-vit"].state_dict(), FORMATS / "hf-vit-5" / "model.safetensors")
    for part in ("images", "logits"):
        expected[f"hf-vit-5:{part}"] = expected[f"hf-vit:{part}"]
    model = filled(rng, transformers.ViTModel(vit))             # without a head: instead of logits, its class tokens
    model.save_pretrained(FORMATS / "hf-model")
    record("hf-model", rng, lambda images: model(images).last_hidden_state[:, 0])


# Google

def jax_arrays(rng, big_vision=False, prefix=1, pre_logits=0, patch=4, channels=3):
    """{name: array} as vit_jax or big_vision have them: kernels with inputs first, heads apart.

    prefix: how many tokens have positions beside the patches.
    """
    def normal(*shape):
        return (rng.standard_normal(shape) * 0.3).astype(np.float32)

    def norm():
        return {"scale": 1 + normal(D), "bias": normal(D)}

    def dense(inputs, outputs):
        return {"kernel": normal(inputs, outputs), "bias": normal(outputs)}

    K = D // H
    modules = {"embedding": {"kernel": normal(patch, patch, channels, D), "bias": normal(D)},
               "Transformer/encoder_norm": norm(), "head": dense(pre_logits or D, Y)}
    modules |= {"pre_logits": dense(D, pre_logits)} if pre_logits else {}
    names = (("MultiHeadDotProductAttention_0", "LayerNorm_1", "MlpBlock_0") if big_vision else
             ("MultiHeadDotProductAttention_1", "LayerNorm_2", "MlpBlock_3"))
    for i in range(DEPTH):
        attention = {part: {"kernel": normal(D, H, K), "bias": normal(H, K)} for part in ("query", "key", "value")}
        attention["out"] = {"kernel": normal(H, K, D), "bias": normal(D)}
        block = f"Transformer/encoderblock_{i}"
        modules |= {f"{block}/{names[0]}/{part}": leaves for part, leaves in attention.items()}
        modules |= {f"{block}/LayerNorm_0": norm(), f"{block}/{names[1]}": norm(),
                    f"{block}/{names[2]}/Dense_0": dense(D, F), f"{block}/{names[2]}/Dense_1": dense(F, D)}
    positions = normal(1, prefix + (SIZE // 4) ** 2, D)
    arrays = {"pos_embedding" if big_vision else "Transformer/posembed_input/pos_embedding": positions}
    arrays |= {"cls": normal(1, 1, D)}
    return arrays | {f"{module}/{leaf}": array for module, leaves in modules.items() for leaf, array in leaves.items()}


def by_timm(name, rng, arrays, model, size=SIZE):
    """Write the file, let timm read it, and keep what it says."""
    np.savez(FORMATS / f"{name}.npz", **arrays)
    model.eval().load_pretrained(FORMATS / f"{name}.npz")
    record(name, rng, model, size)


def google(rng):
    by_timm("google-vit", rng, jax_arrays(rng), VisionTransformer(**VIT, act_layer="gelu_tanh"))


def google_gap(rng):
    arrays = jax_arrays(rng, prefix=0, pre_logits=6)
    del arrays["cls"]
    np.savez(FORMATS / "google-gap.npz", **arrays)
    model = VisionTransformer(**VIT | dict(num_classes=0), act_layer="gelu_tanh", class_token=False, global_pool="avg",
                              fc_norm=False).eval()
    model.load_pretrained(FORMATS / "google-gap.npz")       # timm leaves out the hidden layer and the head after it
    hidden = [torch.from_numpy(arrays[f"{module}/{leaf}"]) for module in ("pre_logits", "head")
              for leaf in ("kernel", "bias")]
    record("google-gap", rng, lambda images: torch.tanh(model(images) @ hidden[0] + hidden[1]) @ hidden[2] + hidden[3])


def big_vision(rng):
    arrays = jax_arrays(rng, big_vision=True, prefix=0)
    blocks = {name.replace("_0", "", 1): np.stack([arrays.pop(name), arrays.pop(name.replace("block_0", "block_1"))])
              for name in list(arrays) if "encoderblock_0" in name}
    arrays = {f"params/{name}": array for name, array in (arrays | blocks).items()}
    by_timm("big-vision", rng, arrays, VisionTransformer(**VIT, act_layer="gelu_tanh", no_embed_class=True))


def google_hybrid(rng):
    arrays, model = jax_arrays(rng, patch=1, channels=64), hybrid(act_layer="gelu_tanh")
    filled(rng, model)
    for name, tensor in model.patch_embed.backbone.state_dict().items():
        *path, leaf = name.replace("downsample", "proj").split(".")
        array = tensor.numpy()
        if path[0] == "stem":
            module = {"conv": "conv_root", "norm": "gn_root"}[path[1]]
        else:
            stage, unit, layer = int(path[1]) + 1, int(path[3]) + 1, "_".join(reversed(path[4:]))
            module = f"block{stage}/unit{unit}/{layer.replace('norm', 'gn')}"
        if array.ndim == 4:
            arrays[f"{module}/kernel"] = array.transpose(2, 3, 1, 0)
        else:
            leaf = "scale" if leaf == "weight" else leaf
            arrays[f"{module}/{leaf}"] = array.reshape(1, 1, 1, -1) if path[0] == "stem" else array
    by_timm("google-hybrid", rng, arrays, filled(rng, model), 16)


def google_bit(rng):
    model, arrays = filled(rng, resnet(1e-10)), {}
    for name, tensor in model.state_dict().items():
        *path, leaf = name.split(".")
        array, norm = tensor.numpy(), "norm" in path[-1]
        if path[0] == "stages":
            letter = "abc"[int(path[4][-1]) - 1] if path[4] != "downsample" else "a/proj"
            module = f"block{int(path[1]) + 1}/unit{int(path[3]) + 1:02d}/{letter}/"
            module += "group_norm" if norm else "standardized_conv2d"
        else:
            module = {"stem": "root_block/standardized_conv2d", "norm": "group_norm", "head": "head/conv2d"}[path[0]]
        leaf = {"weight": "gamma", "bias": "beta"}[leaf] if norm else {"weight": "kernel", "bias": "bias"}[leaf]
        arrays[f"resnet/{module}/{leaf}"] = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
    by_timm("google-bit", rng, arrays, filled(rng, model), 32)


if __name__ == "__main__":
    main()
