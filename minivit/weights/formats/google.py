"""Google's .npz files of ViT and its hybrids: the names of vit_jax, and those of big_vision.

    embedding/kernel (P, P, C, D)                                   patch_embed.proj.weight (D, C, P, P)
    Transformer/encoderblock_0/LayerNorm_0/scale (D,)               blocks.0.norm1.weight (D,)
    .../MultiHeadDotProductAttention_1/query/kernel (D, H, K)       the first third of blocks.0.attn.qkv.weight (3 D, D)
    .../MlpBlock_3/Dense_0/kernel (D, F)                            blocks.0.mlp.fc1.weight (F, D)

A kernel has inputs before outputs, since JAX computes x W, and keeps the heads apart. GELU is the tanh approximation.
Nothing in the file says how the patches lie (in a square), or how images are prepared.

big_vision counts its layers in another way, adds positions before it puts the class token in front, and can keep the
blocks one on top of the other in arrays (depth, ...). In hybrids, group norm's epsilon is 1e-6 there, and 1e-5 here as
in timm.

Source: vit_jax/models_vit.py, vit_jax/models_resnet.py and big_vision/models/vit.py (google-research).
"""
import re

from minivit.models.registry import describe
from minivit.weights.formats.expressible import USUAL_BLOCK, demand, full_position_table, state_of
from minivit.weights.formats.qkv import join_qkv, split_qkv
from minivit.weights.formats.shapes import count, vit_config
from minivit.weights.formats.usual import NOTE, usual_preprocessing
from minivit.weights.store import WeightsError
from minivit.weights.translation import Export, Translation, numbered

_PREFIXES = ("params/img/", "params/", "opt/target/", "")           # of a part of what was trained
_POSITIONS = "Transformer/posembed_input/pos_embedding"
_MODULES = {"patch_embed.proj": "embedding", "norm": "Transformer/encoder_norm", "pre_logits.fc": "pre_logits",
            "head": "head"}
_ATTENTION = "MultiHeadDotProductAttention_1"
_BLOCK = {"norm1": "LayerNorm_0", "attn.q": f"{_ATTENTION}/query", "attn.k": f"{_ATTENTION}/key",
          "attn.v": f"{_ATTENTION}/value", "attn.proj": f"{_ATTENTION}/out", "norm2": "LayerNorm_2",
          "mlp.fc1": "MlpBlock_3/Dense_0", "mlp.fc2": "MlpBlock_3/Dense_1"}
_BIG_VISION = {"LayerNorm_1": "LayerNorm_2", "MultiHeadDotProductAttention_0": _ATTENTION, "MlpBlock_0": "MlpBlock_3"}
_UNIT = {"conv1": "conv1", "norm1": "gn1", "conv2": "conv2", "norm2": "gn2", "conv3": "conv3", "norm3": "gn3",
         "downsample.conv": "conv_proj", "downsample.norm": "gn_proj"}


def _names(depth, layers):
    """{minivit's name: vit_jax's}. layers: units of each block of a hybrid's ResNet, None for a ViT."""
    modules = dict(_MODULES)
    for i in range(depth):
        modules |= {f"blocks.{i}.{ours}": f"Transformer/encoderblock_{i}/{theirs}" for ours, theirs in _BLOCK.items()}
    if layers is not None:
        stem = "patch_embed.backbone." + ("stem." if layers else "")
        modules |= {f"{stem}conv": "conv_root", f"{stem}norm": "gn_root"}
        for i, units in enumerate(layers):
            for j in range(units):
                modules |= {f"patch_embed.backbone.stages.{i}.blocks.{j}.{ours}": f"block{i + 1}/unit{j + 1}/{theirs}"
                            for ours, theirs in _UNIT.items()}
    names = {"cls_token": "cls", "pos_embed": _POSITIONS}
    for ours, theirs in modules.items():
        weight = "scale" if _is_norm(f"{ours}.weight") else "kernel"
        names |= {f"{ours}.weight": f"{theirs}/{weight}", f"{ours}.bias": f"{theirs}/bias"}
    return names


def _is_norm(name):
    """Whether a parameter, by minivit's name, is that of a layer norm or group norm."""
    return name.split(".")[-2:][0].startswith("norm")


# From Google

def read(checkpoint, given):
    """The Translation of a Checkpoint with Google's names. Raises WeightsError."""
    whose, theirs = _as_vit_jax(checkpoint.arrays)
    query = theirs.get(f"Transformer/encoderblock_0/{_ATTENTION}/query/kernel")
    if query is None or query.ndim != 3:
        raise WeightsError("has no queries (D, H, K) in a block 0")
    if _POSITIONS not in theirs:
        raise WeightsError("has no learned positions; minivit does not have the fixed ones of big_vision")
    layers, notes = None, [NOTE]
    if "conv_root/kernel" in theirs:
        layers = []
        while units := count(theirs, rf"block{len(layers) + 1}/unit(\d+)/conv1/kernel"):
            layers.append(units)
        notes.append("group norm's epsilon is 1e-5 here, and 1e-6 in vit_jax")
    depth = count(theirs, r"Transformer/encoderblock_(\d+)/LayerNorm_0/scale")
    table, arrays = {google: ours for ours, google in _names(depth, layers).items()}, {}
    for name, array in theirs.items():
        ours = table.get(name)
        arrays[ours or name] = _to_torch(ours, array) if ours else array
    arrays = join_qkv(arrays)
    config, guessed = vit_config(arrays, given, num_heads=query.shape[1], gelu="tanh")
    return Translation(whose, config, arrays, usual_preprocessing("google", config), pos_mode="bilinear_corners",
                       notes=(*notes, *guessed))


def _as_vit_jax(arrays):
    """(who wrote them, the arrays under the names that vit_jax would have for them)."""
    prefix = next((prefix for prefix in _PREFIXES if f"{prefix}embedding/kernel" in arrays), "")
    found = {}
    for name, array in arrays.items():
        name = name.removeprefix(prefix)
        if name.startswith("Transformer/encoderblock/") and array.size:
            found |= {name.replace("encoderblock", f"encoderblock_{i}", 1): one for i, one in enumerate(array)}
        else:
            found[name] = array
    if "pos_embedding" not in found and "Transformer/encoderblock_0/MlpBlock_0/Dense_0/kernel" not in found:
        return "Google, vit_jax", found
    layer = re.compile(rf"(Transformer/encoderblock_\d+/)({'|'.join(_BIG_VISION)})")
    names = {name: layer.sub(lambda match: match[1] + _BIG_VISION[match[2]], name) for name in found}
    names["pos_embedding"] = _POSITIONS
    return "Google, big_vision", {names[name]: array for name, array in found.items()}


def _to_torch(name, array):
    """An array as PyTorch and minivit store it; name: minivit's."""
    if name.endswith(".bias") or _is_norm(name):
        return array.reshape(-1)                        # biases of heads are (H, K), scales may be (1, 1, 1, C)
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if array.ndim == 3 and name.endswith(".weight"):
        array = array.reshape(-1, array.shape[2]) if ".proj." in name else array.reshape(len(array), -1)
    return array.T if array.ndim == 2 else array


# To Google

def write(model, card):
    """The Export of a model and its Card, in vit_jax's names. Raises ValueError for what vit_jax cannot express."""
    config, kind, whose = model.config, describe(model)[0], "Google's vit_jax"
    if kind not in ("vit", "hybrid"):
        raise ValueError(f"{whose} has no model like minivit's {kind}; minivit's own format keeps everything")
    demand(whose, config, **USUAL_BLOCK, gelu=("tanh",), norm_eps=(1e-6,), qkv_bias=(True,), registers=(0,),
           layer_scale=(0.0,), pool=("token",) if config.class_token else ("mean",), fc_norm=(False,))
    if config.representation_size:
        demand(whose, config, representation_act=("tanh",))
    if kind == "hybrid":
        demand(whose, config, small_stem=(False,), groups=(32,))
    Gy, Gx = model.patch_embed.grid
    if Gy != Gx:
        raise ValueError(f"{whose} cannot express a grid of {Gy} x {Gx} patches: its files do not say how patches lie, "
                         f"and everybody takes them for a square; minivit's own format keeps everything")
    names = _names(config.depth, config.layers if kind == "hybrid" else None)
    arrays = split_qkv(state_of(model) | {"pos_embed": full_position_table(model)})
    left_out = ["the preprocessing"] + (["about"] if card.about else [])
    left_out += [] if numbered(card.classes) else ["the names of the classes"]
    left_out += ["group norm's epsilon of 1e-5 (vit_jax has 1e-6)"] if kind == "hybrid" else []
    return Export({names[name]: _to_jax(name, array, config.num_heads) for name, array in arrays.items()}, {},
                  tuple(left_out))


def _to_jax(name, array, H):
    """The inverse of `_to_torch`."""
    of_heads = name.rpartition(".")[0].endswith((".attn.q", ".attn.k", ".attn.v"))
    if array.ndim == 1:
        return array.reshape(H, -1) if of_heads else array
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 2:
        array = array.T
        if of_heads:
            return array.reshape(len(array), H, -1)
        return array.reshape(H, -1, array.shape[1]) if ".attn.proj." in name else array
    return array
