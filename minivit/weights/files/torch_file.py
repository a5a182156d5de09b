"""PyTorch's .pth and .bin files: a zip with a pickle, and beside it the numbers of its tensors.

    NAME/data.pkl       what was saved; a tensor says which storage it lies in, and where
    NAME/data/KEY       a storage: numbers in a row, for one tensor or several (views, tied weights)
    NAME/byteorder      "little" or "big"; older files have none and are little-endian

A state dict is {name: tensor}. Training scripts save it under "model" or "state_dict" of a dictionary that also holds
the optimizer and the epoch. Only the storages of the state dict are read.

Source: PyTorch's torch/serialization.py and torch/_utils.py, since version 1.6.
"""
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minivit.errors import shown
from minivit.pickles import Damaged, Machine, Name, Refused
from minivit.weights.files.kinds import numbers, size
from minivit.weights.files.untrusted import damaged, elements
from minivit.weights.store import WeightsError

KINDS = {"torch DoubleStorage": "F64", "torch FloatStorage": "F32", "torch HalfStorage": "F16",
         "torch BFloat16Storage": "BF16", "torch LongStorage": "I64", "torch IntStorage": "I32",
         "torch ShortStorage": "I16", "torch CharStorage": "I8", "torch ByteStorage": "U8", "torch BoolStorage": "BOOL"}
NAMES = {*KINDS, "collections OrderedDict", "argparse Namespace", "torch Size", "torch._utils _rebuild_tensor_v2",
         "torch._utils _rebuild_parameter"}
PARTS = ("model", "state_dict", "model_ema")


class Namespace:
    """An argparse.Namespace, in which training scripts keep their options; what these are is not read."""


@dataclass(frozen=True)
class Storage:
    """`count` numbers of one kind in the member data/`key`."""

    key: str
    kind: str
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """Element [i, j, ...] is number `offset + i * strides[0] + j * strides[1] + ...` of the storage."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


def read_torch(archive, pickle):
    """({name: array}, part) of an Archive with the member `pickle`: NAME/data.pkl.

    part: the one of PARTS that the state dict was found under, "" where it is all there is. The arrays of tensors that
    share a storage share memory. Raises WeightsError.
    """
    folder, storages = pickle.removesuffix("data.pkl"), {}
    if f"{folder}byteorder" in archive.names and archive.read(f"{folder}byteorder") != b"little":
        raise WeightsError("cannot be read: its numbers are big-endian. Save it again on a little-endian machine")

    def load(identity):
        storage = _storage(identity)
        member = f"{folder}data/{storage.key}"
        if member not in archive.names:
            raise Damaged(f"there is no {shown(member)} in its zip")
        found, expected = archive.size(member), storage.count * size(storage.kind)
        if found != expected or storages.setdefault(storage.key, storage) != storage:
            raise Damaged(f"its storage {shown(storage.key)} has {found} bytes, and the pickle expects {storage.count} "
                          f"numbers of {storage.kind} there, which take {expected}")
        return storage

    program = archive.read(pickle)
    try:
        value = Machine(NAMES, _call, _build, load).run(program)
    except Refused as error:
        raise WeightsError(f"is refused: {error}. If you trust its source, load it in PyTorch and save only "
                           f"model.state_dict()") from error
    except Damaged as error:
        raise damaged(error) from error
    part, tensors = _state_dict(value)
    flat = {storage: numbers(archive.read(f"{folder}data/{storage.key}"), storage.kind)
            for storage in {tensor.storage for tensor in tensors.values()}}
    return {name: _view(flat[tensor.storage], tensor, name) for name, tensor in tensors.items()}, part


def _storage(identity):
    match identity:
        case ("storage", Name(text), str(key), str(), int(count)) if text in KINDS:
            return Storage(key, KINDS[text], count)
    raise Refused(f"its pickle refers to {shown(identity)} outside itself, expected a storage")


def _call(text, arguments):
    match text, arguments:
        case "collections OrderedDict", ():
            return OrderedDict()
        case "argparse Namespace", ():
            return Namespace()
        case "torch Size", (tuple(shape),):
            return shape
        case "torch._utils _rebuild_tensor_v2", (Storage() as storage, offset, shape, strides, _, _, *_):
            return StoredTensor(storage, offset, shape, strides)
        case "torch._utils _rebuild_parameter", (StoredTensor() as tensor, _, _):
            return tensor
    raise Refused(f"its pickle calls {text} with {shown(arguments)}")


def _build(target, attributes):
    # An OrderedDict brings the versions of PyTorch's modules, a Namespace its options: neither are weights.
    if type(target) not in (OrderedDict, Namespace) or type(attributes) is not dict:
        raise Refused(f"its pickle sets attributes of {shown(target)}")


def _state_dict(value):
    """(part, {name: StoredTensor}) of what was saved."""
    parts = [(part, value[part]) for part in PARTS if part in value] if isinstance(value, dict) else []
    for part, tensors in [*parts, ("", value)]:
        if isinstance(tensors, dict) and tensors and all(
                isinstance(name, str) and isinstance(tensor, StoredTensor) for name, tensor in tensors.items()):
            return part, tensors
    raise WeightsError(f"holds {shown(value)}, which is no state dict {{name: tensor}} and has none under "
                       f"{', '.join(PARTS)}. In PyTorch, save model.state_dict()")


def _view(flat, tensor, name):
    """The array of a tensor in the numbers of its storage, which it must not leave."""
    shape, strides, offset = tensor.shape, tensor.strides, tensor.offset
    count = elements(shape, name)
    if not _inside(tensor, count, len(flat)):
        raise damaged(f"{shown(name)} with shape {shown(shape)}, strides {shown(strides)} and offset {shown(offset)} "
                      f"leaves its storage of {len(flat)} numbers")
    if count > len(flat):                   # strides of 0 make a tensor of any size out of one number
        raise WeightsError(f"is refused: {shown(name)} repeats the {len(flat)} numbers of its storage in {count} "
                           f"elements. In PyTorch, save its .contiguous()")
    steps = [stride * flat.itemsize if length > 1 else 0 for length, stride in zip(shape, strides)]
    return as_strided(flat[offset:], shape, steps) if count else np.empty(shape, flat.dtype)


def _inside(tensor, count, available):
    if not isinstance(tensor.strides, tuple) or len(tensor.strides) != len(tensor.shape):
        return False
    if any(type(number) is not int or number < 0 for number in (tensor.offset, *tensor.strides)):
        return False
    last = tensor.offset + sum((axis - 1) * stride for axis, stride in zip(tensor.shape, tensor.strides))
    return count == 0 or last < available
