"""Google's .npz files of BiT, a ResNet: the names of its TensorFlow code.

    resnet/root_block/standardized_conv2d/kernel (7, 7, C, 64)      stem.conv.weight (64, C, 7, 7)
    resnet/block1/unit01/a/group_norm/gamma (64,)                   stages.0.blocks.0.norm1.weight (64,)

Weights are standardised with an epsilon of 1e-10, where timm has 1e-8. Nothing in the file says how images are
prepared.

Source: big_transfer (google-research), bit_tf2/models.py; timm 1.0.31, models/resnetv2.py.
"""
from minivit.backend import to_host
from minivit.weights.formats.expressible import demand
from minivit.weights.formats.shapes import count, resnet_config
from minivit.weights.formats.usual import NOTE, usual_preprocessing
from minivit.weights.translation import Export, Translation, numbered

_MODULES = {"stem.conv": "root_block/standardized_conv2d", "norm": "group_norm", "head.fc": "head/conv2d"}
_UNIT = {"downsample.conv": "a/proj/standardized_conv2d",
         "conv1": "a/standardized_conv2d", "norm1": "a/group_norm",
         "conv2": "b/standardized_conv2d", "norm2": "b/group_norm",
         "conv3": "c/standardized_conv2d", "norm3": "c/group_norm"}


def _names(layers):
    """{minivit's name: Google's}; layers: units of each block."""
    modules = dict(_MODULES)
    for i, units in enumerate(layers):
        for j in range(units):
            modules |= {f"stages.{i}.blocks.{j}.{ours}": f"block{i + 1}/unit{j + 1:02d}/{theirs}"
                        for ours, theirs in _UNIT.items()}
    names = {}
    for ours, theirs in modules.items():
        weight, bias = ("gamma", "beta") if theirs.endswith("group_norm") else ("kernel", "bias")
        names |= {f"{ours}.weight": f"resnet/{theirs}/{weight}", f"{ours}.bias": f"resnet/{theirs}/{bias}"}
    return names


def read(checkpoint, given):
    """The Translation of a Checkpoint with BiT's names. Raises WeightsError."""
    layers = []
    while units := count(checkpoint.arrays, rf"resnet/block{len(layers) + 1}/unit(\d+)/a/group_norm/gamma"):
        layers.append(units)
    table = {theirs: ours for ours, theirs in _names(layers).items()}
    arrays = {table.get(name, name): array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
              for name, array in checkpoint.arrays.items()}
    config, notes = resnet_config(arrays, given, conv_eps=1e-10)
    return Translation("Google, BiT", config, arrays, usual_preprocessing("google", config), notes=(*notes, NOTE))


def write(model, card):
    """The Export of a model and its Card. Raises ValueError for what BiT's code cannot express."""
    config = model.config
    demand("Google's BiT", config, small_stem=(False,), block=("bottleneck",), preact=(True,), same_padding=(False,),
           groups=(32,), norm_eps=(1e-5,), conv_eps=(1e-10,))
    names = _names(config.layers)
    left_out = ["the preprocessing"] + (["about"] if card.about else [])
    left_out += [] if numbered(card.classes) else ["the names of the classes"]
    state = {name: to_host(array) for name, array in model.state_dict().items()}
    return Export({names[name]: array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
                   for name, array in state.items()}, {}, tuple(left_out))
