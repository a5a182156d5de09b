"""Models by name: presets with timm's names, and how a model is built from its configuration.

- `create(name, **changes)`: a model by its preset's name, with fields of its configuration changed
- `PRESETS`: name -> configuration
- `build(architecture, settings)`: a model from what a weights file says of it
"""
from dataclasses import asdict, fields, replace

from minivit.errors import unknown
from minivit.models.cnn import CNN, CNN_PRESETS, CNNConfig
from minivit.models.deit import DistilledConfig, DistilledVisionTransformer
from minivit.models.hybrid import HybridConfig, HybridVisionTransformer
from minivit.models.resnet import RESNET_PRESETS, ResNet, ResNetConfig
from minivit.models.vit import ViTConfig, VisionTransformer

ARCHITECTURES = {"vit": (ViTConfig, VisionTransformer), "deit": (DistilledConfig, DistilledVisionTransformer),
                 "hybrid": (HybridConfig, HybridVisionTransformer), "cnn": (CNNConfig, CNN),
                 "resnet": (ResNetConfig, ResNet)}

# Dosovitskiy et al. 2020, table 1; Ti and S from Touvron et al. 2021, arXiv 2012.12877, table 1.
_SIZES = {"tiny": dict(embed_dim=192, depth=12, num_heads=3), "small": dict(embed_dim=384, depth=12, num_heads=6),
          "base": dict(embed_dim=768, depth=12, num_heads=12), "large": dict(embed_dim=1024, depth=24, num_heads=16),
          "huge": dict(embed_dim=1280, depth=32, num_heads=16)}
_PATCHES = {"tiny": (16,), "small": (16, 32), "base": (8, 16, 32), "large": (16, 32), "huge": (14,)}

PRESETS = {f"vit_{size}_patch{patch}_224": ViTConfig(patch_size=patch, **_SIZES[size])
           for size, patches in _PATCHES.items() for patch in patches}

# Without a class token, the head reads the mean of the patches (Zhai et al. 2021, arXiv 2106.04560). As in vit_jax,
# base has 12 heads; timm's vit_base_patch16_gap_224 has 16, with weights of the same shapes.
PRESETS |= {f"vit_{size}_patch16_gap_224": ViTConfig(class_token=False, pool="mean", **_SIZES[size])
            for size in ("small", "base")}

# Touvron et al. 2020, arXiv 2012.12877, tables 1 and 9: other first values, and no dropout but stochastic depth.
_DEIT = dict(weight_init="normal", zero_head=False, drop_path_rate=0.1)
PRESETS |= {f"deit_{size}_patch16_224": ViTConfig(**_SIZES[size], **_DEIT) for size in ("tiny", "small", "base")}
PRESETS |= {f"deit_{size}_distilled_patch16_224": DistilledConfig(**_SIZES[size], **_DEIT)
            for size in ("tiny", "small", "base")}
PRESETS |= {"deit_base_patch16_384": ViTConfig(384, **_SIZES["base"], **_DEIT),
            "deit_base_distilled_patch16_384": DistilledConfig(384, **_SIZES["base"], **_DEIT)}

# Steiner et al. 2021, "How to train your ViT?", arXiv 2106.10270, table 1; R50 before a base model has no fourth stage.
PRESETS |= {"vit_tiny_r_s16_p8_224": HybridConfig(patch_size=8, layers=(), **_SIZES["tiny"]),
            "vit_small_r26_s32_224": HybridConfig(layers=(2, 2, 2, 2), **_SIZES["small"]),
            "vit_base_r26_s32_224": HybridConfig(layers=(2, 2, 2, 2), **_SIZES["base"]),
            "vit_base_r50_s16_224": HybridConfig(layers=(3, 4, 9), **_SIZES["base"]),
            "vit_large_r50_s32_224": HybridConfig(layers=(3, 4, 6, 3), **_SIZES["large"])}

# Small ones, for images of 28x28 (grey) and 32x32 (colour), trained from scratch on few images. Their positions begin
# at 0.2: at 0.02, a fiftieth of the tokens they are added to, they take epochs to be told apart.
_NANO_R = dict(layers=(1, 1), channels=(32, 64), stem_width=16, small_stem=True, groups=8)
PRESETS |= {
    "vit_nano_patch7_28": ViTConfig(28, 7, 1, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2),
    "vit_nano_patch4_28": ViTConfig(28, 4, 1, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2),
    "vit_nano_patch4_32": ViTConfig(32, 4, 3, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2),
    "vit_micro_patch4_32": ViTConfig(32, 4, 3, 10, embed_dim=96, depth=6, num_heads=6, pos_std=0.2),
    "vit_tiny_patch4_32": ViTConfig(32, 4, 3, 10, pos_std=0.2, **_SIZES["tiny"]),
    "vit_nano_r_28": HybridConfig(28, 2, 1, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2, **_NANO_R),
    "vit_nano_r_32": HybridConfig(32, 2, 3, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2, **_NANO_R),
    "deit_nano_distilled_patch7_28": DistilledConfig(28, 7, 1, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2),
    "deit_nano_distilled_patch4_32": DistilledConfig(32, 4, 3, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2),
    "deit_micro_distilled_patch4_32": DistilledConfig(32, 4, 3, 10, embed_dim=96, depth=6, num_heads=6, pos_std=0.2),
} | CNN_PRESETS | RESNET_PRESETS


def preset(name, **changes):
    """The configuration of a preset, with fields changed. Raises ValueError for an unknown name or field."""
    if name not in PRESETS:
        raise ValueError(unknown("model", name, PRESETS))
    known = [f.name for f in fields(PRESETS[name])]
    for key in changes:
        if key not in known:
            raise ValueError(unknown(f"setting of {name}", key, known))
    return replace(PRESETS[name], **changes)


def create(name, seed=0, **changes):
    """A model by its preset's name: `create("vit_tiny_patch16_224", num_classes=10)`."""
    return build_from(preset(name, **changes), seed)


def build_from(config, seed=0):
    """The model that `config` describes, its first values drawn from `seed`."""
    for kind, model in ARCHITECTURES.values():
        if type(config) is kind:
            return model(config, seed)
    raise TypeError(f"{type(config).__name__} is not the configuration of a model")


def describe(model):
    """(architecture, settings) from which `build` makes a model like this one; settings are JSON's types."""
    for architecture, (kind, _) in ARCHITECTURES.items():
        if type(getattr(model, "config", None)) is kind:
            return architecture, {key: list(value) if isinstance(value, tuple) else value
                                  for key, value in asdict(model.config).items()}
    raise TypeError(f"{type(model).__name__} is not a registered model")


def build(architecture, settings, seed=0):
    """The inverse of `describe`. Raises ValueError for an unknown architecture or setting."""
    if architecture not in ARCHITECTURES:
        raise ValueError(unknown("architecture", architecture, ARCHITECTURES))
    kind, model = ARCHITECTURES[architecture]
    known = [f.name for f in fields(kind)]
    for key in settings:
        if key not in known:
            raise ValueError(unknown(f"setting of a {architecture}", key, known))
    return model(kind(**settings), seed)
