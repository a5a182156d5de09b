"""minivit convert: weights from one project's format to another's."""
from dataclasses import fields
from pathlib import Path

from minivit.cli.options import add_fields, given
from minivit.models import ResNetConfig, ViTConfig
from minivit.train import find_weights
from minivit.weights import load, save

BY_SUFFIX = {".safetensors": "minivit", ".npz": "google", "": "huggingface"}
CHANGES = {ViTConfig: ("image_size", "num_classes", "num_heads", "gelu", "norm_eps"),
           ResNetConfig: ("groups", "conv_eps")}


def add_arguments(parser):
    parser.add_argument("source", metavar="SRC", help="weights of minivit, timm, DeiT, Hugging Face or Google: a file "
                        "or a folder; or the folder of a run")
    parser.add_argument("target", metavar="DST", help="what to write")
    parser.add_argument("--format", metavar="FORMAT", help="of DST: minivit, timm, huggingface or google (default: "
                        "minivit for a .safetensors file, google for .npz, else a folder of huggingface)")
    parser.add_argument("--head", default="keep", metavar="HEAD", help="keep (default); or a new one, of zero, or that "
                        "drops the old one and has first values")
    parser.add_argument("--pos-mode", metavar="MODE", help="with --image-size: how positions are stretched (default: "
                        "as the authors of SRC's format do it)")
    parser.add_argument("--no-strict", dest="strict", action="store_false", help="load what fits, where not all does")
    parser.add_argument("--force", action="store_true", help="replace DST if it is there")
    for config, names in CHANGES.items():
        add_fields(parser, config, f"changes to the model ({config.__name__.removesuffix('Config')})",
                   skip={f.name for f in fields(config)} - set(names), show_defaults=False)


def run(arguments):
    target = Path(arguments.target)
    format = arguments.format or BY_SUFFIX.get(target.suffix)
    if format is None:
        raise ValueError(f"{target}: what to write is not clear from its name: give --format, or a name that ends with "
                         f".safetensors or .npz")
    empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not empty and not arguments.force:
        raise FileExistsError(f"{target} is there already: --force replaces it")
    changes = {name: value for config in CHANGES for name, value in given(arguments, config).items()}
    source = find_weights(arguments.source)
    model, report = load(source, arguments.head, arguments.pos_mode, arguments.strict, **changes)
    print(report)
    left_out = save(model, target, format)
    without = f", without {' and '.join(left_out)}, which it has no place for" if left_out else ""
    print(f"{target}: {format}{without}")
    return 0
