"""Configuration dataclasses: fields that carry their own explanation, and the check of what they are given."""
import math
from dataclasses import field, fields


def setting(default, text, least=None, below=None, choices=None):
    """A field with a help text and, for numbers, a range least <= value < below; for words, the choices."""
    return field(default=default, metadata={"help": text, "least": least, "below": below, "choices": choices})


def check(config):
    """Raise ValueError, naming the field, unless every value is of its field's type and in its range.

    Integers given for a float become floats. Fields of type tuple are left to their own check.
    """
    for f in fields(config):
        value = getattr(config, f.name)
        if f.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
            object.__setattr__(config, f.name, value)       # the dataclasses are frozen
        if f.type is tuple:
            continue
        if not isinstance(value, f.type) or isinstance(value, bool) and f.type is not bool:
            raise ValueError(f"{f.name} must be of type {f.type.__name__}, not {value!r}")
        least, below, choices = f.metadata["least"], f.metadata["below"], f.metadata["choices"]
        if choices is not None and value not in choices:
            raise ValueError(f"{f.name} must be one of {', '.join(choices)}, not {value!r}")
        if f.type is float and not math.isfinite(value) or least is not None and value < least \
                or below is not None and value >= below:
            wanted = "a finite number" + (f" >= {least}" if least is not None else "") + \
                (f" and < {below}" if below is not None else "")
            raise ValueError(f"{f.name} must be {wanted}, not {value!r}")


def counts(value, name):
    """`value`, a sequence, as a tuple of positive integers."""
    if not isinstance(value, (tuple, list)) or any(type(v) is not int or v < 1 for v in value):
        raise ValueError(f"{name} must be a sequence of positive integers, not {value!r}")
    return tuple(value)
