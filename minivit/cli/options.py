"""Flags and TOML files from configuration dataclasses: one definition of every setting.

Precedence: the dataclass's default, then the file, then the flags.
"""
import argparse
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

from minivit.backend import why_no_cuda
from minivit.errors import unknown


class ActionParser(argparse.ArgumentParser):
    """The parser of one action of a command: a wrong flag is answered with the nearest of its own."""

    def parse_known_args(self, args=None, namespace=None):
        namespace, rest = super().parse_known_args(args, namespace)
        if rest:
            known = [flag for action in self._actions for flag in action.option_strings]
            command = self.prog.rpartition(" ")[0]
            self.exit(2, f"{command}: error: {unknown('argument', rest[0].partition('=')[0], known)}\n")
        return namespace, rest


def add_fields(parser, config, title, skip=(), show_defaults=True, recipe=()):
    """A flag for every field of a dataclass; only those that are given appear in the parsed arguments. recipe: values
    that go before the dataclass's defaults, {name: value}."""
    group = parser.add_argument_group(title)
    for f in fields(config):
        if f.name in skip:
            continue
        flag, text = "--" + f.name.replace("_", "-"), f.metadata["help"]
        if f.type is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        else:
            kind, metavar = f.type, f.type.__name__.upper()
            if f.type is tuple:
                kind, metavar = (size, "SIZE") if f.name.endswith("_size") else (numbers, "N,N,...")
            default = recipe[f.name] if f.name in recipe else f.default
            text += f" (default: {default})" if show_defaults and default not in ("", ()) else ""
            group.add_argument(flag, type=kind, default=argparse.SUPPRESS, metavar=metavar, help=text)


def add_device(parser):
    """The flag --device of a command that only runs a model."""
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="what computes: cpu, cuda (cuda:1 is a "
                        "second GPU), or auto, which is cuda where it can be used (default: cpu)")


def on_device(model, wanted):
    """The model on the device that --device names; where that was auto, a line on stderr says which it is."""
    model.to(wanted)
    if wanted == "auto":
        print(device_line(model.device), file=sys.stderr)
    return model


def device_line(device):
    """Which device auto means, and where it is the CPU, why."""
    return f"device auto: {device}" + (f", since {why_no_cuda()}" if device == "cpu" else "")


def size(text):
    """A size in pixels from `28` or `28x20` (height x width)."""
    try:
        sides = tuple(int(side) for side in text.lower().split("x"))
    except ValueError:
        sides = ()
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise argparse.ArgumentTypeError(f"a size is 28 or 28x20 (height x width, in pixels), not {text!r}")
    return (sides * 2)[:2]


def numbers(text):
    """Positive integers from `3,4,6,3`; none from an empty text."""
    try:
        found = tuple(int(number) for number in text.split(",")) if text else ()
    except ValueError:
        found = (0,)
    if any(number < 1 for number in found):
        raise argparse.ArgumentTypeError(f"numbers are given as 3,4,6,3, not {text!r}")
    return found


def in_folder(flag, file):
    """The Path of a file to be written, as `flag` names it. Raises FileNotFoundError where its folder is not there."""
    path = Path(file)
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"{flag} {path}: there is no folder {path.parent}")
    return path


def given(arguments, config):
    """The fields of a dataclass that were given as flags."""
    names = {f.name for f in fields(config)}
    return {name: value for name, value in vars(arguments).items() if name in names}


def read_toml(path, tables):
    """The tables of a TOML file. tables: {table: names of its settings}; raises ValueError for anything else in it."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    for table, settings in content.items():
        if not isinstance(settings, dict):
            raise ValueError(f"{path}: {table} stands outside a table: write it under [{next(iter(tables))}]")
        if table not in tables:
            raise ValueError(f"{path}: {unknown('table', table, tables)}")
        for name in settings:
            if name not in tables[table]:
                raise ValueError(f"{path}: {unknown(f'setting in [{table}]', name, tables[table])}")
    return {table: content.get(table, {}) for table in tables}
