"""Hugging Face's folders: config.json, model.safetensors and preprocessor_config.json, of ViT and DeiT.

Four of their classes are four of our models:

    ViTForImageClassification                   a ViT
    ViTModel, DeiTModel                         one without a head; their pooler is a head's hidden layer
    DeiTForImageClassificationWithTeacher       a distilled DeiT
    DeiTForImageClassification                  a ViT with 1 register: its distillation token is there, but no head
                                                reads it

transformers 5 has other names for its layers than 4 had, but still writes those of 4; both are read.

Source: transformers 5.23.0, models/vit and models/deit.
"""
import re

from minivit.errors import unknown
from minivit.models.deit import DistilledConfig
from minivit.models.registry import describe
from minivit.models.vit import ViTConfig
from minivit.weights.formats.expressible import USUAL_BLOCK, demand, full_position_table, state_of
from minivit.weights.formats.preprocessor import read_preprocessor, write_preprocessor
from minivit.weights.formats.qkv import join_qkv, split_qkv
from minivit.weights.formats.shapes import count, mlp_ratio
from minivit.weights.formats.usual import NOTE, usual_preprocessing
from minivit.weights.store import WeightsError
from minivit.weights.translation import Export, Translation, numbered

_GELU = {"gelu": "none", "gelu_pytorch_tanh": "tanh", "gelu_new": "tanh", "gelu_fast": "tanh", "gelu_accurate": "tanh"}
_CLS = "embeddings.cls_token"
_SECOND = "embeddings.distillation_token"
_MODULES = {"patch_embed.proj": "embeddings.patch_embeddings.projection", "norm": "layernorm",
            "pre_logits.fc": "pooler.dense"}
_LAYERS_4 = "encoder.layer", {
    "norm1": "layernorm_before", "attn.q": "attention.attention.query", "attn.k": "attention.attention.key",
    "attn.v": "attention.attention.value", "attn.proj": "attention.output.dense", "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
_LAYERS_5 = "layers", {
    "norm1": "layernorm_before", "attn.q": "attention.q_proj", "attn.k": "attention.k_proj",
    "attn.v": "attention.v_proj", "attn.proj": "attention.o_proj", "norm2": "layernorm_after",
    "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
# What config.json leaves out has these values.
_DEFAULTS = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
                 hidden_act="gelu", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, layer_norm_eps=1e-12,
                 image_size=224, patch_size=16, num_channels=3, qkv_bias=True, pooler_act="tanh")


def _names(depth, body, distilled, layers):
    """{minivit's name: theirs}. body: how all names but those of heads begin. layers: _LAYERS_4 or _LAYERS_5."""
    path, of_block = layers
    modules = dict(_MODULES)
    for i in range(depth):
        modules |= {f"blocks.{i}.{ours}": f"{path}.{i}.{theirs}" for ours, theirs in of_block.items()}
    modules = {ours: body + theirs for ours, theirs in modules.items()}
    modules |= {"head": "cls_classifier", "head_dist": "distillation_classifier"} if distilled else {
        "head": "classifier"}
    tokens = {"cls_token": body + _CLS, "pos_embed": f"{body}embeddings.position_embeddings",
              "dist_token" if distilled else "reg_token": body + _SECOND}
    return tokens | {f"{ours}.{leaf}": f"{theirs}.{leaf}" for ours, theirs in modules.items()
                     for leaf in ("weight", "bias")}


# From Hugging Face

def read(checkpoint, given):
    """The Translation of a Checkpoint with Hugging Face's names. Raises WeightsError."""
    told, arrays = _DEFAULTS | checkpoint.config, checkpoint.arrays
    kind = told.get("model_type")
    if kind not in ("vit", "deit"):
        raise WeightsError(f"has Hugging Face's names and needs config.json with model_type vit or deit, not {kind!r}: "
                           f"give the folder, not the file in it")
    body = next(name for name in arrays if name.endswith(_CLS)).removesuffix(_CLS)
    depth = count(arrays, rf"{re.escape(body)}(?:encoder\.layer|layers)\.(\d+)\.layernorm_before\.weight")
    if depth != told["num_hidden_layers"]:
        raise WeightsError(f"has {depth} layers, and {told['num_hidden_layers']!r} according to its config.json")
    distilled = body + _SECOND in arrays and "classifier.weight" not in arrays
    table = {theirs: ours for layers in (_LAYERS_4, _LAYERS_5)
             for ours, theirs in _names(depth, body, distilled, layers).items()}
    arrays = join_qkv({table.get(name, name): array for name, array in arrays.items()})
    config, notes = _config(told, arrays), []
    if config.registers:
        notes.append("no head reads the distillation token: it is a register here")
    if checkpoint.preprocessor:
        preprocessing = read_preprocessor(checkpoint.preprocessor, config.image_size, config.in_chans)
    else:
        preprocessing = usual_preprocessing("google" if kind == "vit" else "deit by huggingface", config)
        notes.append(NOTE)
    labels = told.get("id2label") or {}
    classes = tuple(labels[key] for key in sorted(labels, key=int))
    if classes == tuple(f"LABEL_{i}" for i in range(len(classes))):         # what is written where nobody gave names
        classes = ()
    return Translation("Hugging Face", config, arrays, preprocessing, classes, "bicubic", tuple(notes))


def _config(told, arrays):
    if told["hidden_act"] not in _GELU:
        raise WeightsError(f"has an MLP that minivit does not: {unknown('hidden_act', told['hidden_act'], _GELU)}")
    D, hidden, head = told["hidden_size"], arrays.get("pre_logits.fc.weight"), arrays.get("head.weight")
    settings = dict(
        image_size=told["image_size"], patch_size=told["patch_size"], in_chans=told["num_channels"],
        num_classes=1 if head is None else len(head), embed_dim=D, depth=told["num_hidden_layers"],
        num_heads=told["num_attention_heads"], mlp_ratio=mlp_ratio(told["intermediate_size"], D),
        gelu=_GELU[told["hidden_act"]], qkv_bias=told["qkv_bias"], norm_eps=told["layer_norm_eps"],
        representation_size=0 if hidden is None else len(hidden), representation_act=told["pooler_act"],
        drop_rate=told["hidden_dropout_prob"], attn_drop_rate=told["attention_probs_dropout_prob"],
        weight_init="normal", zero_head=False)
    if "dist_token" in arrays:
        return DistilledConfig(**settings)
    return ViTConfig(**settings, registers=int("reg_token" in arrays))


# To Hugging Face

def write(model, card):
    """The Export of a model and its Card: config.json and preprocessor_config.json are its documents.

    Raises ValueError for what Hugging Face's ViT and DeiT cannot express.
    """
    config, kind = model.config, describe(model)[0]
    if kind not in ("vit", "deit"):
        raise ValueError(f"Hugging Face has no model like minivit's {kind}; minivit's own format keeps everything")
    demand("Hugging Face", config, **USUAL_BLOCK, class_token=(True,), pool=("token",), registers=(0, 1),
           layer_scale=(0.0,), representation_size=(0,))
    distilled = kind == "deit"
    whose = "deit" if distilled or config.registers else "vit"
    names = _names(config.depth, f"{whose}.", distilled, _LAYERS_4)
    arrays = split_qkv(state_of(model) | {"pos_embed": full_position_table(model)})
    documents = {"config.json": _config_json(config, card.classes, whose, distilled)}
    preprocessor = write_preprocessor(card.preprocessing)
    documents |= {} if preprocessor is None else {"preprocessor_config.json": preprocessor}
    left_out = (["the preprocessing"] if preprocessor is None else []) + (["about"] if card.about else [])
    return Export({names[name]: array for name, array in arrays.items()}, documents, tuple(left_out))


def _config_json(config, classes, whose, distilled):
    labels = [f"LABEL_{name}" for name in classes] if numbered(classes) else classes
    return dict(
        architectures=[{"vit": "ViT", "deit": "DeiT"}[whose] + "ForImageClassification" + "WithTeacher" * distilled],
        model_type=whose, dtype="float32", hidden_size=config.embed_dim, num_hidden_layers=config.depth,
        num_attention_heads=config.num_heads, intermediate_size=int(config.embed_dim * config.mlp_ratio),
        hidden_act="gelu" if config.gelu == "none" else "gelu_pytorch_tanh", hidden_dropout_prob=config.drop_rate,
        attention_probs_dropout_prob=config.attn_drop_rate, layer_norm_eps=config.norm_eps, qkv_bias=config.qkv_bias,
        image_size=_size(config.image_size), patch_size=_size(config.patch_size), num_channels=config.in_chans,
        id2label={str(i): name for i, name in enumerate(labels)}, label2id={name: i for i, name in enumerate(labels)})


def _size(size):
    """One number where both are the same: older versions know no other sizes."""
    return size[0] if size[0] == size[1] else list(size)
