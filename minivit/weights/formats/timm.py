"""timm's weights, whose names are minivit's, and those of DeiT, which was built with timm.

    config.json     {"architecture": "vit_tiny_patch16_224", "num_classes": 1000,
                     "model_args": {what differs from the architecture},
                     "pretrained_cfg": {"input_size": [C, Sy, Sx], "mean": [...], "std": [...], "crop_pct": 0.9, ...}}

stands in a folder beside model.safetensors; `timm.create_model("local-dir:FOLDER", pretrained=True)` loads it. A bare
file has none: then the shapes of the arrays have to do. Where minivit writes a bare file, it puts the text of
config.json into the metadata, which timm does not look at.

Source: timm 1.0.31, models/vision_transformer.py, models/deit.py, models/_hub.py.
"""
import json
import re

from minivit.data.preprocess import Preprocessing
from minivit.models.registry import describe
from minivit.weights.formats.expressible import USUAL_BLOCK, demand, full_position_table, state_of
from minivit.weights.formats.shapes import resnet_config, vit_config
from minivit.weights.formats.usual import NOTE, usual_preprocessing
from minivit.weights.store import WeightsError
from minivit.weights.translation import Export, Translation, numbered

METADATA = "timm config"
NEW_HEAD = dict(weight_init="normal", zero_head=False)      # how timm and DeiT begin one
_GELU = {"none": "gelu", "tanh": "gelu_tanh"}
_POOL = {"token": "token", "mean": "avg"}
_PREPROCESSING = ("crop_pct", "interpolation", "mean", "std", "crop_mode")
_SHAPED = ("patch_size", "in_chans", "num_classes", "embed_dim", "depth", "mlp_ratio", "qkv_bias", "class_token",
           "no_embed_class", "reg_tokens", "fc_norm", "pos_embed", "dynamic_img_size")
_OF_TRAINING = ("drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate",
                "weight_init", "fix_init")

# timm knows a ResNet by its name only: layers, and of BiT the width of the stem.
_HYBRIDS = {(): "vit_tiny_r_s16_p8_224", (2, 2, 2, 2): "vit_small_r26_s32_224", (3, 4, 9): "vit_base_r50_s16_224",
            (3, 4, 6, 3): "vit_large_r50_s32_224"}
_RESNETS = {((3, 4, 6, 3), 64): "resnetv2_50x1_bit", ((3, 4, 6, 3), 192): "resnetv2_50x3_bit",
            ((3, 4, 23, 3), 64): "resnetv2_101x1_bit", ((3, 4, 23, 3), 192): "resnetv2_101x3_bit",
            ((3, 8, 36, 3), 128): "resnetv2_152x2_bit", ((3, 8, 36, 3), 256): "resnetv2_152x4_bit"}


# From timm

def read(checkpoint, given):
    """The Translation of a Checkpoint with timm's names. Raises WeightsError."""
    arrays, told = _own_names(checkpoint.arrays), _config_json(checkpoint)
    args, data = told.get("model_args", {}), told.get("pretrained_cfg", told)
    size = (args.get("img_size") or data["input_size"][1:]) if told else None
    if "stem.conv.weight" in arrays:
        config, notes = resnet_config(arrays, given, size)
    else:
        config, notes = vit_config(arrays, given, size, **NEW_HEAD, **_settings(args, told))
    by_deit = checkpoint.part == "model"
    if told:
        settings = {name: data[name] for name in _PREPROCESSING if name in data}
        preprocessing = Preprocessing(config.image_size, **settings)
    else:
        preprocessing = usual_preprocessing("deit" if by_deit or "dist_token" in arrays else "timm", config)
        notes = [*notes, NOTE]
    labels = told.get("label_names", data.get("label_names", ()))
    return Translation("DeiT" if by_deit else "timm", config, arrays, preprocessing,
                       tuple(labels.values() if isinstance(labels, dict) else labels),
                       "bicubic" if by_deit else "bicubic_antialias", tuple(notes))


def _own_names(arrays):
    """Without the prefix that training on several devices leaves; LayerScale's factors as timm calls them, not DeiT."""
    prefix = "module." if all(name.startswith("module.") for name in arrays) else ""
    return {re.sub(r"\.gamma_([12])$", r".ls\1.gamma", name.removeprefix(prefix)): array
            for name, array in arrays.items()}


def _config_json(checkpoint):
    """What config.json says, {} where there is none."""
    folder = checkpoint.kind == "huggingface folder"
    told = checkpoint.config if folder else json.loads(checkpoint.config.get(METADATA, "{}"))
    if told and "architecture" not in told:
        raise WeightsError("has a config.json that is not timm's, which would say an architecture, and arrays that are")
    for part in ("model_args", "pretrained_cfg"):
        if not isinstance(told.get(part, {}), dict):
            raise WeightsError(f"has a config.json with {part} {told[part]!r}, expected {{name: value}}")
    return told


def _settings(args, told):
    """The settings of a ViT that shapes do not show."""
    found = {"num_heads": args["num_heads"]} if "num_heads" in args else {}
    found |= {"layer_scale": args["init_values"]} if args.get("init_values") else {}
    words = {"gelu": (args.get("act_layer"), _GELU), "pool": (args.get("global_pool", told.get("global_pool")), _POOL)}
    for name, (word, theirs) in words.items():
        ours = [value for value, known in theirs.items() if known == word]
        if word is not None and not ours:
            raise WeightsError(f"is of a model that minivit does not have: its {name} is {word!r}, expected "
                               f"{' or '.join(theirs.values())}")
        found |= {name: value for value in ours}
    for name in args:
        if name not in (*_SHAPED, *_OF_TRAINING, "num_heads", "init_values", "act_layer", "global_pool", "img_size"):
            raise WeightsError(f"is of a model that minivit does not have: it was made with {name}={args[name]!r}")
    return found


# To timm

def write(model, card):
    """The Export of a model and its Card: config.json is its document.

    Raises ValueError for what timm cannot express.
    """
    config, kind = model.config, describe(model)[0]
    if kind == "cnn":
        raise ValueError("timm has no model like minivit's CNN; minivit's own format keeps everything")
    heads, first, arrays, args = "head", "patch_embed.proj", model.state_dict(), {}
    if kind == "resnet":
        architecture, heads, first = _resnet(config), "head.fc", "stem.conv"
    else:
        architecture, arrays, args = "vit_base_patch16_224", state_of(model), _model_args(config)
        args["no_embed_class"] = arrays["pos_embed"].shape[1] < full_position_table(model).shape[1]
    if kind == "deit":
        architecture, heads = "deit_base_distilled_patch16_224", ["head", "head_dist"]
        args["no_embed_class"], arrays["pos_embed"] = False, full_position_table(model)
    elif kind == "hybrid":
        architecture = _hybrid(config)
        first = "patch_embed.backbone." + ("stem.conv" if config.layers else "conv")
    settings = card.preprocessing.to_dict()
    settings |= {"input_size": [config.in_chans, *settings.pop("size")], "fixed_input_size": kind != "resnet",
                 "num_classes": config.num_classes, "first_conv": first, "classifier": heads, "custom_load": False}
    told = {"architecture": architecture, "num_classes": config.num_classes, "model_args": args,
            "pretrained_cfg": settings}
    told |= {} if numbered(card.classes) else {"label_names": list(card.classes)}
    return Export(arrays, {"config.json": told}, ("about",) if card.about else ())


def _model_args(config):
    demand("timm", config, **USUAL_BLOCK, norm_eps=(1e-6,), representation_size=(0,))
    args = dict(img_size=list(config.image_size), patch_size=list(config.patch_size), in_chans=config.in_chans,
                embed_dim=config.embed_dim, depth=config.depth, num_heads=config.num_heads, mlp_ratio=config.mlp_ratio,
                qkv_bias=config.qkv_bias, class_token=config.class_token, reg_tokens=config.registers,
                global_pool=_POOL[config.pool], fc_norm=config.fc_norm, act_layer=_GELU[config.gelu])
    return args | ({"init_values": config.layer_scale} if config.layer_scale else {})


def _hybrid(config):
    demand("timm", config, layers=tuple(_HYBRIDS), channels=(_widths(config, 64),), stem_width=(64,),
           small_stem=(False,), groups=(32,))
    return _HYBRIDS[config.layers]


def _resnet(config):
    widths = [width for layers, width in _RESNETS if layers == config.layers]
    demand("timm", config, layers=tuple({layers: 0 for layers, _ in _RESNETS}), small_stem=(False,),
           block=("bottleneck",), preact=(True,), same_padding=(False,), groups=(32,), norm_eps=(1e-5,),
           conv_eps=(1e-8,))
    demand("timm", config, stem_width=widths, channels=(_widths(config, config.stem_width),))
    return _RESNETS[config.layers, config.stem_width]


def _widths(config, stem_width):
    """What the channels of the stages have to be; those of stages that are not there do not matter."""
    stages = len(config.layers)
    return tuple(4 * stem_width * 2 ** i for i in range(stages)) + config.channels[stages:]
