"""Safetensors files, which hold numbers and no code: a header that says where each array lies, then the arrays.

    8 bytes             the length of the header, little-endian
    the header          JSON: {name: {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, ...}
                        and, if wanted, "__metadata__": {text: text, ...}
    the arrays          in C order, little-endian; the offsets count from here

The arrays lie side by side without holes, so every byte of the file means one thing. All of that is checked before the
first array is read, so a lie about sizes costs no memory.

Source: the format's description, https://github.com/huggingface/safetensors#format.
"""
from minivit.errors import shown
from minivit.errors import unknown
from minivit.weights.files.kinds import STORED, numbers, size
from minivit.weights.files.untrusted import damaged, elements, parse_json
from minivit.weights.store import WeightsError

MAX_HEADER = 100_000_000            # bytes, as in the format's own library


def read_safetensors(file, length):
    """({name: array}, metadata) of an open file of `length` bytes. Raises WeightsError."""
    header_length = int.from_bytes(file.read(8), "little")
    if header_length > MAX_HEADER or 8 + header_length > length:
        raise damaged(f"it has {length} bytes and announces a header of {header_length}")
    header = parse_json(file.read(header_length), "its header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise damaged(f"its metadata must be text by name, not {shown(metadata)}")
    places = sorted((_place(name, entry) for name, entry in header.items()), key=lambda place: place[:2])
    end = 0
    for begin, stop, name, *_ in places:
        if begin != end:
            raise damaged(f"{shown(name)} begins at byte {shown(begin)}, expected {end}: arrays must lie side by side, "
                          f"without overlaps and holes")
        end = stop
    if 8 + header_length + end != length:
        raise damaged(f"it has {length} bytes, and its header describes {8 + header_length + end}")
    arrays = {name: numbers(file.read(stop - begin), kind).reshape(shape)
              for begin, stop, name, kind, shape in places}
    return {name: arrays[name] for name in header}, metadata


def _place(name, entry):
    """(begin, end, name, kind, shape) of one array, checked as far as one alone can be."""
    if (not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}
            or not isinstance(entry["dtype"], str)):
        raise damaged(f"its header says {shown(entry)} of {shown(name)}, expected dtype, shape and data_offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if kind not in STORED:
        raise WeightsError(f"cannot be read: {shown(name)} is of an {unknown('type', kind[:20], STORED)}")
    if not isinstance(offsets, list) or len(offsets) != 2 or any(type(offset) is not int for offset in offsets):
        raise damaged(f"{shown(name)} lies at {shown(offsets)}, expected two integers")
    begin, stop = offsets
    expected = elements(shape, name) * size(kind)
    if begin < 0 or stop - begin != expected:
        raise damaged(f"{shown(name)} lies at bytes {shown(begin)} to {shown(stop)}, and {kind} of shape "
                      f"{shown(shape)} takes {expected}")
    return begin, stop, name, kind, shape
