"""Named arrays in one file that is either whole or not there.

- `save_arrays(path, arrays, about)`: a safetensors file with a checksum, written atomically
- `write_safetensors(path, arrays, metadata)`: one without, as other projects write and read them
- `load_arrays(path)`: what was saved, or `WeightsError` where a single bit of it has changed

Safetensors has no checksum of its own: a flipped bit would load as a wrong number. Ours is a sha256 over the names,
types, shapes and bytes of all arrays and over the rest of the metadata.
"""
import hashlib
import json
from pathlib import Path

import numpy as np

from minivit.atomic import write_atomic
from minivit.backend import to_host

CHECKSUM = "sha256"


class WeightsError(ValueError):
    """A file that cannot be used as weights; the message says which file and why."""


def save_arrays(path, arrays, about):
    """Write {name: array} and {key: value of JSON's types} to a safetensors file, atomically."""
    arrays = _plain(arrays)
    metadata = {key: json.dumps(value) for key, value in about.items()}
    metadata[CHECKSUM] = _checksum(arrays, metadata)
    write_safetensors(path, arrays, metadata)


def write_safetensors(path, arrays, metadata):
    """Write {name: array} and {key: text} to a safetensors file as timm and Hugging Face read them, atomically.

    Raises WeightsError for an array that the format cannot hold.
    """
    from safetensors.numpy import save
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise WeightsError(f"{path} cannot hold {name} of type {array.dtype}: expected floats, integers or bool")
    if "__metadata__" in arrays:
        raise WeightsError(f"{path} cannot hold an array named __metadata__: the format keeps its metadata there")
    write_atomic(path, _sorted_header(save(_plain(arrays), metadata=metadata)))


def _plain(arrays):
    return {name: np.asarray(to_host(array), np.dtype(array.dtype).newbyteorder("="), order="C")
            for name, array in arrays.items()}


def _sorted_header(data):
    """The same file with its JSON header in order, so that equal content makes equal bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)                             # the format aligns the data to 8 bytes
    return len(header).to_bytes(8, "little") + header + data[end:]


def load_arrays(path):
    """({name: array}, {key: value}) of a file that `save_arrays` wrote.

    Raises FileNotFoundError, or WeightsError for a file that is damaged, truncated or not minivit's.
    """
    from safetensors.numpy import load
    data = Path(path).read_bytes()
    try:
        arrays = load(data)
        header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
        metadata = header.get("__metadata__", {})
        if CHECKSUM not in metadata:
            raise WeightsError(f"{path} holds arrays, but no {CHECKSUM}: minivit did not write it")
        if metadata.pop(CHECKSUM) != _checksum(arrays, metadata):
            raise WeightsError(f"{path} is damaged: its {CHECKSUM} does not match its content. Copy it again")
        return arrays, {key: json.loads(value) for key, value in metadata.items()}
    except WeightsError:
        raise
    except Exception as error:          # damage shows in many ways: a cut file, a bad header, a wrong offset
        raise WeightsError(f"{path} is not a whole safetensors file ({len(data)} bytes): {error}") from error


def _checksum(arrays, metadata):
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
