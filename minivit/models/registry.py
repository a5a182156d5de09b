"""Models by name: presets with timm's names, and how a model is built from its configuration.

- `create(name, **changes)`: a model by its preset's name, with fields of its configuration changed
- `PRESETS`: name -> configuration
- `build(architecture, settings)`: a model from what a weights file says of it
"""
from dataclasses import asdict, fields, replace

from minivit.errors import unknown
from minivit.models.vit import ViTConfig, VisionTransformer

ARCHITECTURES = {"vit": (ViTConfig, VisionTransformer)}

# Dosovitskiy et al. 2020, table 1; Ti and S from Touvron et al. 2021, arXiv 2012.12877, table 1.
_SIZES = {"tiny": dict(embed_dim=192, depth=12, num_heads=3), "small": dict(embed_dim=384, depth=12, num_heads=6),
          "base": dict(embed_dim=768, depth=12, num_heads=12), "large": dict(embed_dim=1024, depth=24, num_heads=16),
          "huge": dict(embed_dim=1280, depth=32, num_heads=16)}
_PATCHES = {"tiny": (16,), "small": (16, 32), "base": (8, 16, 32), "large": (16, 32), "huge": (14,)}

PRESETS = {f"vit_{size}_patch{patch}_224": ViTConfig(patch_size=patch, **_SIZES[size])
           for size, patches in _PATCHES.items() for patch in patches}

# Small ones, for images of 28x28 (grey) and 32x32 (colour), trained from scratch on few images. Their positions begin
# at 0.2: at 0.02, a fiftieth of the tokens they are added to, they take epochs to be told apart.
PRESETS |= {
    "vit_nano_patch7_28": ViTConfig(28, 7, 1, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2),
    "vit_nano_patch4_28": ViTConfig(28, 4, 1, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2),
    "vit_nano_patch4_32": ViTConfig(32, 4, 3, 10, embed_dim=64, depth=4, num_heads=4, pos_std=0.2),
    "vit_micro_patch4_32": ViTConfig(32, 4, 3, 10, embed_dim=96, depth=6, num_heads=6, pos_std=0.2),
    "vit_tiny_patch4_32": ViTConfig(32, 4, 3, 10, pos_std=0.2, **_SIZES["tiny"]),
}


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
