"""minivit summary: the parts of a model, without allocating it."""
from pathlib import Path

from minivit import nn
from minivit.models import PRESETS, create
from minivit.train import find_weights
from minivit.weights import load_model


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a preset, a run folder or a file of weights; "
                        "without it, all presets are listed with their sizes")


def run(arguments):
    if arguments.model is None:
        with nn.no_init():
            for name in PRESETS:
                print(f"{name:<24} {create(name).num_parameters():>13,} parameters")
        return 0
    if Path(arguments.model).exists():
        model = load_model(find_weights(arguments.model)).model
    else:
        with nn.no_init():
            model = create(arguments.model)
    print(f"{'parameter':<32} {'shape':<20} {'numbers':>13}")
    for name, parameter in model.named_parameters():
        print(f"{name:<32} {' x '.join(map(str, parameter.shape)):<20} {parameter.size:>13,}")
    Gy, Gx = model.patch_embed.grid
    N = model.pos_embed.shape[1]
    print(f"{'total':<53} {model.num_parameters():>13,}")
    print(f"tokens: {Gy} x {Gx} patches + {N - Gy * Gx} class token = {N}, each of width {model.config.embed_dim}")
    return 0
