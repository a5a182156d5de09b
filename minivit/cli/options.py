"""Flags and TOML files from configuration dataclasses: one definition of every setting.

Precedence: the dataclass's default, then the file, then the flags.
"""
import argparse
import tomllib
from dataclasses import fields
from pathlib import Path

from minivit.errors import unknown


def add_fields(parser, config, title, skip=(), show_defaults=True):
    """A flag for every field of a dataclass; only those that are given appear in the parsed arguments."""
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
            text += f" (default: {f.default})" if show_defaults else ""
            group.add_argument(flag, type=kind, default=argparse.SUPPRESS, metavar=metavar, help=text)


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
