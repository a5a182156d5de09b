"""Check that timm and transformers load what minivit writes, to the last parameter, and compute the same from it.

    PYTHONPATH=. /tmp/golden/bin/python tests/golden/check_formats.py

in the scratch environment that make_golden.py describes, with transformers==5.23.0. The test suite, which has neither,
checks that minivit reads back what it has written. Models run in float64; the status is 1 on a difference.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
import transformers
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.models.vision_transformer import VisionTransformer

from minivit import Tensor, no_grad
from minivit.data import Preprocessing, image_pixels, normalise
from minivit.models import DistilledConfig, HybridConfig, ResNetConfig, ViTConfig
from minivit.models.registry import build_from
from minivit.weights import Card, save

VIT = dict(image_size=16, patch_size=4, num_classes=5, embed_dim=16, depth=2, num_heads=4, mlp_ratio=2.5)
GOOGLE = VIT | dict(gelu="tanh")
MODELS = {
    "timm": {
        "vit": ViTConfig(**VIT),
        "tanh, not square": ViTConfig(**VIT | dict(image_size=(8, 12), patch_size=(4, 2), in_chans=2, gelu="tanh")),
        "registers, LayerScale, mean": ViTConfig(**VIT, registers=3, layer_scale=0.1, pool="mean", fc_norm=True,
                                                 prefix_positions=False, qkv_bias=False),
        "no class token": ViTConfig(**VIT, class_token=False, pool="mean"),
        "sincos-2d": ViTConfig(**VIT, pos_embed="sincos-2d"),
        "learned-2d": ViTConfig(**VIT, pos_embed="learned-2d"),
        "no positions": ViTConfig(**VIT, pos_embed="none"),
        "distilled": DistilledConfig(**VIT),
        "distilled, sincos-2d": DistilledConfig(**VIT, pos_embed="sincos-2d"),
        "hybrid": HybridConfig(**VIT | dict(patch_size=1), layers=()),
        "hybrid, R26": HybridConfig(**VIT | dict(image_size=64, patch_size=1), layers=(2, 2, 2, 2)),
        "BiT": ResNetConfig(32, num_classes=5, zero_head=False),
        "BiT, grey": ResNetConfig(32, 1, 5, zero_head=False),
    },
    "huggingface": {
        "vit": ViTConfig(**VIT, norm_eps=1e-12),
        "tanh, not square": ViTConfig(**VIT | dict(image_size=(8, 12), patch_size=(4, 2), in_chans=2, gelu="tanh")),
        "no biases": ViTConfig(**VIT, qkv_bias=False),
        "sincos-2d": ViTConfig(**VIT, pos_embed="sincos-2d"),
        "1 register": ViTConfig(**VIT, registers=1),
        "distilled": DistilledConfig(**VIT, norm_eps=1e-12),
        "distilled, sincos-2d": DistilledConfig(**VIT, pos_embed="sincos-2d"),
    },
    "google": {
        "vit": ViTConfig(**GOOGLE),
        "gap": ViTConfig(**GOOGLE, class_token=False, pool="mean"),
        "sincos-2d": ViTConfig(**GOOGLE, pos_embed="sincos-2d"),
        "hybrid": HybridConfig(**GOOGLE | dict(patch_size=1), layers=()),
        "hybrid, R26": HybridConfig(**GOOGLE | dict(image_size=64, patch_size=1), layers=(2, 2, 2, 2)),
        "BiT": ResNetConfig(32, num_classes=5, layers=(2, 1, 1, 1), conv_eps=1e-10, zero_head=False),
    },
}
# 0.8, so that what is cut away can be halved: of an odd row, one of them takes it above and the other below.
PREPROCESSING = {"center": dict(crop_pct=0.8, crop_mode="center"),
                 "squash": dict(interpolation="bilinear", crop_mode="squash"),
                 "squash, cut": dict(crop_pct=0.875, crop_mode="squash", interpolation="lanczos")}


def main():
    torch.set_num_threads(1)
    checks = [(format, name, difference, config) for format, configs in MODELS.items()
              for name, config in configs.items()]
    checks += [(format, f"pixels, {name}", pixels, Preprocessing((32, 32), **settings))
               for format in ("timm", "huggingface") for name, settings in PREPROCESSING.items()]
    wrong = 0
    for format, name, check, subject in checks:
        with tempfile.TemporaryDirectory() as folder:
            error = check(format, subject, Path(folder))
        wrong += error > LIMITS[check]
        print(f"{format:12}{name:32}{error:10.1e}{'  WRONG' if error > LIMITS[check] else ''}")
    print(f"{len(checks)} checks, {wrong} wrong")
    return int(wrong > 0)


def filled(config):
    """A model whose parameters are all random, and its card."""
    rng, model = np.random.default_rng(0), build_from(config).eval()
    for name, parameter in model.named_parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape) * 0.3 + ("norm" in name and name.endswith("weight"))
    half = (0.5,) * config.in_chans
    model.card = Card(tuple("abcde"), Preprocessing(config.image_size, mean=half, std=half))
    return model


def difference(format, config, folder):
    """The largest difference of logits, relative to the largest, of minivit's model and what others load of it."""
    model, path = filled(config), folder / "model.npz" if format == "google" else folder / "model"
    save(model, path, format=format)
    shape = (3, config.in_chans, *config.image_size)
    images = np.random.default_rng(1).standard_normal(shape)
    with no_grad(), torch.no_grad():
        ours = model.astype(np.float64)(Tensor(images)).data
        theirs = OTHERS[format](path, config).double()(torch.from_numpy(images))
        theirs = getattr(theirs, "logits", theirs).numpy()
    return abs(ours - theirs).max() / abs(theirs).max()


def timm_model(path, config):
    return timm.create_model(f"local-dir:{path}", pretrained=True).eval()


def hugging_face_model(path, config):
    kind = transformers.AutoConfig.from_pretrained(path).architectures[0]
    model, info = getattr(transformers, kind).from_pretrained(path, output_loading_info=True)
    assert not any(info.values()), info
    assert list(model.config.id2label.values()) == list("abcde")
    return model.eval()


def google_model(path, config):
    """timm reads Google's files: into a model of the same shape, with zeros in it that must all go away."""
    if isinstance(config, ResNetConfig):
        model = timm.models.resnetv2._create_resnetv2_bit("resnetv2_50x1_bit", layers=config.layers, num_classes=5)
        model.load_pretrained(path)
        return model.eval()
    options = dict(img_size=config.image_size, patch_size=config.patch_size, num_classes=5, embed_dim=config.embed_dim,
                   depth=config.depth, num_heads=config.num_heads, mlp_ratio=config.mlp_ratio, act_layer="gelu_tanh")
    if isinstance(config, HybridConfig):
        name = "vit_small_r26_s32_224" if config.layers else "vit_tiny_r_s16_p8_224"
        model = timm.create_model(name, **options)
    else:
        model = VisionTransformer(**options, class_token=config.class_token, fc_norm=False,
                                  global_pool="token" if config.class_token else "avg")
    model.load_pretrained(path)
    return model.eval()


def pixels(format, preprocessing, folder):
    """The mean difference of a prepared picture, in steps of 256."""
    model = filled(ViTConfig(32, 8, num_classes=5, embed_dim=16, depth=1, num_heads=4))
    model.card = Card(model.card.classes, preprocessing)
    save(model, folder / "model", format=format)
    noise = np.random.default_rng(2).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((60, 45), Image.Resampling.BICUBIC)
    ours = normalise(image_pixels(image, preprocessing, 3)[None], preprocessing.mean, preprocessing.std)[0]
    if format == "timm":
        model = timm_model(folder / "model", None)
        theirs = create_transform(**resolve_data_config(model=model))(image).numpy()
    else:
        processor = transformers.AutoImageProcessor.from_pretrained(folder / "model", backend="pil")
        theirs = np.asarray(processor(image, return_tensors="np")["pixel_values"][0])
    return abs(ours - theirs).mean() * 0.5 * 255


# Of logits: timm has an epsilon of 1e-8 in BiT where Google has 1e-10. Of pixels: normalised in float32.
LIMITS = {difference: 1e-6, pixels: 1e-4}
OTHERS = {"timm": timm_model, "huggingface": hugging_face_model, "google": google_model}

if __name__ == "__main__":
    sys.exit(main())
