"""How a model is built, from the shapes of its arrays: most files of weights say nothing else of it.

- `vit_config(arrays, ...)`, `resnet_config(arrays, ...)`: the configuration of the model whose arrays these are, under
  minivit's (and timm's) names, and notes about what had to be guessed

Shapes do not show everything. Heads share one matrix, so that their number is known of the usual widths only; positions
stand in one row, and their grid is taken for square; the groups of group norm leave no trace, and are taken for 32.
"""
import math
import re

from minivit.models.deit import DistilledConfig
from minivit.models.hybrid import HybridConfig
from minivit.models.resnet import ResNetConfig
from minivit.models.vit import ViTConfig
from minivit.ops.patches import pair
from minivit.weights.store import WeightsError

HEADS = {192: 3, 384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16}       # by width: those of the published models
LAYER_SCALE = 1e-5                          # a first value, of which trained factors tell nothing


def vit_config(arrays, given, image_size=None, **settings):
    """(configuration, notes) of a Vision Transformer, be it distilled or a hybrid.

    given: what the user says, of which num_heads, image_size and groups help where shapes and file leave them open.
    image_size, settings: what the file says. Raises WeightsError where this is no Vision Transformer, or where the user
    has to say more.
    """
    D, C, *patch = _shape(arrays, "patch_embed.proj.weight", 4)
    notes, hybrid, stride = [], {}, 1
    if "num_heads" not in settings:
        settings["num_heads"], how = _heads(D, given)
        notes.append(f"num_heads {settings['num_heads']}, {how}")
    if any(name.startswith("patch_embed.backbone.") for name in arrays):
        C, hybrid, stride = _backbone(arrays, given, "patch_embed.backbone.")
    tokens = {name: _shape(arrays, name, 3)[1] for name in ("cls_token", "dist_token", "reg_token") if name in arrays}
    image_size, positions = _grid(arrays, given, image_size, sum(tokens.values()), [side * stride for side in patch])
    fc_norm, hidden = "fc_norm.weight" in arrays, "pre_logits.fc.weight"
    found = dict(
        image_size=image_size, patch_size=tuple(patch), in_chans=C, embed_dim=D,
        num_classes=_shape(arrays, "head.weight", 2)[0] if "head.weight" in arrays else 1,
        depth=count(arrays, r"blocks\.(\d+)\.norm1\.weight"),
        mlp_ratio=mlp_ratio(_shape(arrays, "blocks.0.mlp.fc1.weight", 2)[0], D),
        class_token="cls_token" in tokens, registers=tokens.get("reg_token", 0),
        pool="token" if "cls_token" in tokens and not fc_norm else "mean", fc_norm=fc_norm,
        qkv_bias="blocks.0.attn.qkv.bias" in arrays,
        layer_scale=LAYER_SCALE if "blocks.0.ls1.gamma" in arrays else 0.0,
        representation_size=_shape(arrays, hidden, 2)[0] if hidden in arrays else 0)
    kind = DistilledConfig if "dist_token" in tokens else HybridConfig if hybrid else ViTConfig
    return kind(**found | positions | hybrid | settings), notes


def resnet_config(arrays, given, image_size=None, **settings):
    """(configuration, notes) of a ResNet. Its images can be of any size: the file's, else the given, else 224."""
    C, found, _ = _backbone(arrays, given, "")
    classes = _shape(arrays, "head.fc.weight", 4)[0] if "head.fc.weight" in arrays else 1
    basic = "stages.0.blocks.0.conv1.weight" in arrays and "stages.0.blocks.0.conv3.weight" not in arrays
    config = ResNetConfig(image_size or given.get("image_size", 224), C, classes, preact="norm.weight" in arrays,
                          block="basic" if basic else "bottleneck", **found | settings)
    return config, [] if image_size else ["images can be of any size: the file does not say one"]


def count(names, pattern):
    """How many different things the group of `pattern` stands for in the names that it matches."""
    return len({found[1] for name in names if (found := re.fullmatch(pattern, name))})


def mlp_ratio(F, D):
    """The number whose product with D, cut to an integer, is F."""
    return F / D if int(D * (F / D)) == F else math.nextafter(F / D, math.inf)


def _shape(arrays, name, axes):
    if name not in arrays or arrays[name].ndim != axes:
        found = f"is {arrays[name].shape}" if name in arrays else "is not there"
        raise WeightsError(f"holds no model that minivit has: {name} {found}, expected {axes} axes. The file has "
                           f"{len(arrays)} arrays: {', '.join(list(arrays)[:3])}, ...")
    return arrays[name].shape


def _heads(D, given):
    if "num_heads" in given:
        return given["num_heads"], "as given"
    if D not in HEADS:
        raise WeightsError(f"does not say how many attention heads its model of width {D} has: give num_heads "
                           f"(minivit convert --num-heads)")
    return HEADS[D], f"from the width {D}"


def _grid(arrays, given, image_size, prefix, step):
    """(image size, settings of positions): `prefix` tokens are no patches, and a patch is step = (y, x) pixels."""
    known = image_size or given.get("image_size")
    if "pos_embed" not in arrays:
        if known is None:
            raise WeightsError("has no positions, which would tell the size of its images: give image_size")
        return known, dict(pos_embed="none")
    n = _shape(arrays, "pos_embed", 3)[1]
    squares = [(side * step[0], side * step[1]) for side in (math.isqrt(max(n - prefix, 0)), math.isqrt(n)) if side]
    # What the file says is right. What the user gives may be the size that they want: a square goes before it.
    for size in [image_size] if image_size else squares + [known] * bool(known):
        Sy, Sx = pair(size, "image_size")
        patches = -(-Sy // step[0]) * -(-Sx // step[1])
        if n in (patches, patches + prefix):
            return (Sy, Sx), dict(prefix_positions=n != patches or not prefix)
    raise WeightsError(f"has {n} positions for {prefix} token(s) and patches of {step[0]} x {step[1]} pixels, which "
                       + (f"do not fit images of {known} pixels" if known else
                          "are not in a square: give the image_size (height, width) of its images"))


def _backbone(arrays, given, prefix):
    """(channels of the images, settings of the ResNet under `prefix`, pixels that a feature is high and wide)."""
    stem = prefix if f"{prefix}conv.weight" in arrays else f"{prefix}stem."
    width, C, side, _ = _shape(arrays, f"{stem}conv.weight", 4)
    layers, channels = [], []
    while units := count(arrays, re.escape(prefix) + rf"stages\.{len(layers)}\.blocks\.(\d+)\.conv1\.weight"):
        block = f"{prefix}stages.{len(layers)}.blocks.0."
        last = "conv3" if f"{block}conv3.weight" in arrays else "conv2"
        layers.append(units)
        channels.append(_shape(arrays, f"{block}{last}.weight", 4)[0])
    found = dict(layers=tuple(layers), stem_width=width, small_stem=side == 3, groups=given.get("groups", 32))
    stride = (1 if side == 3 else 4) * 2 ** max(len(layers) - 1, 0)
    return C, found | (dict(channels=tuple(channels)) if channels else {}), stride
