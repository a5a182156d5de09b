"""Configuration dataclasses: fields that carry their own explanation, and the check of what they are given."""
import math
from dataclasses import field, fields


def setting(default, text, least=None, below=None):
    """A field with a help text and, for numbers, a range: least <= value < below."""
    return field(default=default, metadata={"help": text, "least": least, "below": below})


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
        least, below = f.metadata["least"], f.metadata["below"]
        if f.type is float and not math.isfinite(value) or least is not None and value < least \
                or below is not None and value >= below:
            wanted = "a finite number" + (f" >= {least}" if least is not None else "") + \
                (f" and < {below}" if below is not None else "")
            raise ValueError(f"{f.name} must be {wanted}, not {value!r}")
