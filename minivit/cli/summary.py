"""minivit summary: the parts of a model, what each costs, and what it keeps in memory."""
import math
import re
from pathlib import Path

from minivit import nn
from minivit.inspect import summarise
from minivit.models import create
from minivit.train import find_weights
from minivit.weights import load

FLOAT = 4               # bytes of a float32 number


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="a preset (minivit models lists them), a run folder or a file "
                        "of weights")
    parser.add_argument("--depth", type=int, default=2, metavar="N", help="levels of modules to show (default: 2)")
    parser.add_argument("--all", action="store_true", help="show every block, also where several are alike")
    parser.add_argument("--parameters", action="store_true", help="list the names and shapes of all parameters instead")


def run(arguments):
    if arguments.depth < 0:
        raise ValueError(f"--depth must be at least 0, not {arguments.depth}")
    if Path(arguments.model).exists():
        model, _ = load(find_weights(arguments.model))
    else:
        with nn.no_init():
            model = create(arguments.model)
    if arguments.parameters:
        for name, parameter in model.named_parameters():
            print(f"{name:<44} {' x '.join(map(str, parameter.shape)):<20} {parameter.size:>13,}")
        print(f"{'total':<65} {model.num_parameters():>13,}")
        return 0
    parts = summarise(model)
    rows = gather(parts, arguments.depth)
    width = _print(rows if arguments.all else list(fold(rows)))
    parameters, kept = model.num_parameters(), sum(part.kept for part in parts)
    flop = sum(part.flop for part in parts)
    print(f"{'total':<{width}} {parameters:>13,} {_mega(flop):>10} {'':>10} {_mega(kept):>11}"
          f"\nMFLOP of matrix products, a multiplication and an addition being 2, and memory, for one image. A step of "
          f"training\ncosts about {_mega(3 * flop)} MFLOP an image. Memory: {_mega(FLOAT * parameters)} MB of "
          f"parameters; in training 4 times that, for gradients and\nAdamW's two moments, and {_mega(kept)} MB an "
          f"image that are kept for the backward pass.")
    return 0


def gather(parts, depth):
    """One row (path, shape, parameters, flop, bytes of the result, bytes kept) for each module `depth` levels down.

    What lies deeper is added to it; a number in a path is no level of its own: blocks.0.attn lies two levels down.
    Modules without parameters that neither compute nor keep anything, such as a dropout of rate 0, are left out.
    """
    rows = {}
    for part in parts:
        steps = re.findall(r"[^.]+(?:\.\d+)*", part.path)
        path = ".".join(steps[:depth])
        row = rows.setdefault(path, [path, part.shape, 0, 0, 0, 0])
        for column, value in enumerate((part.parameters, part.flop, 0, part.kept), start=2):
            row[column] += value
        if len(steps) <= depth:
            row[1], row[4] = part.shape, FLOAT * math.prod(part.shape)
    return [tuple(row) for row in rows.values() if row[2] or row[3] or row[5]]


def fold(rows):
    """The rows, with those of neighbouring blocks that are alike in all parts folded into one: blocks.0-10.attn."""
    blocks = []                                         # [name, first number, last number, [(rest of the path, ...)]]
    for path, *numbers in rows:
        name, number, rest = re.fullmatch(r"(.*?)\.(\d+)(.*)|.*", path).groups()
        if number is None or not blocks or blocks[-1][:2] != [name, number]:
            blocks.append([name, number, number, []])
        blocks[-1][3].append((path if number is None else rest, *numbers))
    folded = blocks[:1]
    for name, number, _, parts in blocks[1:]:
        if number is not None and name == folded[-1][0] and parts == folded[-1][3]:
            folded[-1][2] = number
        else:
            folded.append([name, number, number, parts])
    for name, first, last, parts in folded:
        block = "" if first is None else f"{name}.{first}" if first == last else f"{name}.{first}-{last}"
        yield from ((block + rest, *numbers) for rest, *numbers in parts)


def _print(rows):
    """Print a table; returns how wide its first two columns are together."""
    named = [(path or "the model itself", " x ".join(map(str, shape)), *numbers) for path, shape, *numbers in rows]
    wide, shapes = (max(len(row[column]) for row in named) for column in (0, 1))
    print(f"{'module':<{wide}} {'result':<{shapes}} {'parameters':>13} {'MFLOP':>10} {'result MB':>10} "
          f"{'keeps MB':>11}")
    for path, shape, parameters, flop, size, kept in named:
        print(f"{path:<{wide}} {shape:<{shapes}} {parameters:>13,} {_mega(flop):>10} {_mega(size):>10} "
              f"{_mega(kept):>11}")
    return wide + 1 + shapes


def _mega(number):
    return f"{number / 1e6:,.2f}"
