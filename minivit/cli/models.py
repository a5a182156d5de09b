"""minivit models: the registry."""
import json

from minivit import nn
from minivit.models import PRESETS, create
from minivit.weights import write_atomic


def add_arguments(parser):
    parser.add_argument("--json", metavar="FILE", help="write {name: parameters} to a file instead of printing it")


def run(arguments):
    with nn.no_init():
        counts = {name: create(name).num_parameters() for name in PRESETS}
    if arguments.json:
        write_atomic(arguments.json, (json.dumps(counts, indent=1) + "\n").encode())
    else:
        for name, count in counts.items():
            print(f"{name:<34} {count:>13,} parameters")
    return 0
