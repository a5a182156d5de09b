"""Values out of somebody else's file, before anything relies on them.

- `parse_json(data, what)`: a JSON object in which no key stands twice
- `elements(shape, name)`: how many elements an array has, once its shape is known to be one
- `damaged(reason)`: the error itself
"""
import json
import math

from minivit.errors import shown
from minivit.weights.store import WeightsError

MAX_AXES = 32
MAX_ELEMENTS = 2 ** 48              # more than any memory holds, and in bytes it still fits into 64 bits


def damaged(reason):
    """A WeightsError for a file that contradicts itself or its format; whoever opened the file adds its name."""
    return WeightsError(f"is damaged: {reason}. Download it again")


def parse_json(data, what):
    """The dictionary in the bytes `data`; `what` names them in an error. Raises WeightsError."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once_each)
    except WeightsError as error:
        raise damaged(f"{what} has {error}") from error
    except (ValueError, RecursionError) as error:
        raise damaged(f"{what} is not JSON ({shown(error)})") from error
    if not isinstance(value, dict):
        raise damaged(f"{what} is not a JSON object {{...}}, but {shown(value)}")
    return value


def _once_each(pairs):
    # Of two equal keys one reader takes the first and another the last: a file must not mean two things.
    value = {}
    for key, item in pairs:
        if key in value:
            raise WeightsError(f"the key {shown(key)} twice")
        value[key] = item
    return value


def elements(shape, name):
    """The product of the lengths in `shape`, a list or tuple. Raises WeightsError where no array has such a shape."""
    if not isinstance(shape, (list, tuple)) or any(type(length) is not int or length < 0 for length in shape):
        wrong = "expected integers >= 0"
    elif len(shape) > MAX_AXES:
        wrong = f"expected at most {MAX_AXES} axes"
    elif math.prod(length for length in shape if length) > MAX_ELEMENTS:    # (0, 2**62) holds nothing, and overflows
        wrong = "more than any memory holds"
    else:
        return math.prod(shape)
    raise damaged(f"the shape of {shown(name)} is {shown(shape)}, {wrong}")
