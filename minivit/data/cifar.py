"""CIFAR-10 and CIFAR-100: 50,000 + 10,000 photographs of 32x32 pixels, in 10 or 100 classes.

- `cifar(source)`: the data set in a folder or an archive as published, by batches of Python or of bytes
- `holds_cifar(source)`: whether there is one

A batch of bytes is a row of records: the label (in CIFAR-100 the coarse one of 20, then the fine one of 100), then
1,024 bytes of red, as many of green and of blue, each from left to right and top to bottom. A batch of Python is a
pickle by Python 2: a dictionary with the same rows of 3,072 bytes under "data", and a list of labels.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
https://www.cs.toronto.edu/~kriz/cifar.html.
"""
import math
from dataclasses import dataclass
from itertools import islice

import numpy as np

from minivit.data.dataset import DataSet, Split, mean_std
from minivit.data.source import MAX_FILE
from minivit.errors import shown
from minivit.pickles import Damaged, Machine, Name, PickleError, Refused

_ROW = 3 * 32 * 32
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Form:
    """One of the four forms in which CIFAR is published. names: the file with the names of the classes. labels: the key
    of the labels in a pickle, or in a record of bytes the number of labels, of which the last counts."""

    title: str
    train: tuple
    test: tuple
    names: str
    labels: str | int
    classes: int


_FORMS = (
    Form("CIFAR-10", tuple(f"data_batch_{k}" for k in range(1, 6)), ("test_batch",), "batches.meta", "labels", 10),
    Form("CIFAR-10", tuple(f"data_batch_{k}.bin" for k in range(1, 6)), ("test_batch.bin",), "batches.meta.txt", 1, 10),
    Form("CIFAR-100", ("train",), ("test",), "meta", "fine_labels", 100),
    Form("CIFAR-100", ("train.bin",), ("test.bin",), "fine_label_names.txt", 2, 100),
)


def holds_cifar(source):
    """Whether a Folder or Tar holds batches of CIFAR."""
    return _found(source) is not None


def cifar(source):
    """The DataSet in a Folder or Tar as published: images uint8 (n, 32, 32, 3), CIFAR-100 by its 100 fine classes.

    The files may lie in a folder of their own, as they do in the archives. Raises FileNotFoundError where a file
    of a split is missing (without all of a split's files the split is None), ValueError for files that are damaged.
    """
    form, folder = _found(source)
    arrays, names = {}, None
    for path in source.names():
        name = path.removeprefix(folder)
        if name in form.train + form.test:
            arrays[name] = _batch(source, path, form)
        elif name == form.names:
            names = _names(source, path, form)
    if names is None and form.classes > len(_CIFAR10):
        raise FileNotFoundError(f"{source.path} has no {folder}{form.names}, which names the classes of {form.title}")
    train, test = (_split(source, arrays, files) for files in (form.train, form.test))
    mean, std = mean_std((train or test).images)
    return DataSet(str(source.path.resolve()), names or _CIFAR10, train, test, mean, std, form.title)


def _found(source):
    """(form, the folder that it lies in, "" or ending in "/"), or None."""
    names = []
    for path in islice(source.names(), 50):             # the largest of the archives holds nine
        folder, name = _parted(path)
        for form in _FORMS[:2]:
            if name in form.train + form.test:
                return form, folder
        names.append(path)
    for folder, name in map(_parted, names):
        for form in _FORMS[2:]:                         # "train" may be anything, where nothing names 100 classes
            if name in form.train + form.test and folder + form.names in names:
                return form, folder
    return None


def _parted(path):
    """(folder, "" or ending in "/", and name) of a file."""
    cut = path.rfind("/") + 1
    return path[:cut], path[cut:]


def _split(source, arrays, files):
    """The Split in all batches of `files`, or None where there is none of them."""
    missing = [name for name in files if name not in arrays]
    if len(missing) == len(files):
        return None
    if missing:
        raise FileNotFoundError(f"{source.path} has only some of its batches: {', '.join(missing)} is not there. "
                                f"Unpack the archive again")
    images, labels = zip(*(arrays[name] for name in files))
    return Split(np.concatenate(images), np.concatenate(labels))


def _batch(source, path, form):
    """(images uint8 (n, 32, 32, 3), labels int64 (n,)) of a file."""
    data = source.read(path)
    try:
        read = _from_bytes if isinstance(form.labels, int) else _from_pickle
        rows, labels = read(data, form.labels)
        if len(rows) != len(labels) or not len(rows):
            raise ValueError(f"is damaged: it has {len(rows)} images and {len(labels)} labels")
        if not 0 <= labels.min() <= labels.max() < form.classes:
            raise ValueError(f"is wrongly labelled: {form.title} has {form.classes} classes, and the labels go from "
                             f"{labels.min()} to {labels.max()}")
    except ValueError as error:
        raise ValueError(f"{source.path / path} {error}") from error
    images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels.astype(np.int64)


def _from_bytes(data, before):
    record = before + _ROW
    if len(data) % record:
        raise ValueError(f"is damaged: {len(data)} bytes are no whole number of records of {record}")
    records = np.frombuffer(data, np.uint8).reshape(-1, record)
    return records[:, before:], records[:, before - 1]


def _names(source, path, form):
    """The names of the classes in their file."""
    data, key = source.read(path), {10: "label_names", 100: "fine_label_names"}[form.classes]
    try:
        names = data.decode().split("\n") if isinstance(form.labels, int) else _unpickled(data)[key]
        names = [name for name in names if name]
        if len(names) != form.classes or not all(isinstance(name, str) for name in names):
            raise ValueError(f"is damaged: it names {shown(names)}, expected {form.classes} classes")
    except KeyError as error:
        raise ValueError(f"{source.path / path} is damaged: it has no {key}") from error
    except ValueError as error:
        raise ValueError(f"{source.path / path} {error}") from error
    return tuple(names)


# Pickles: what they describe, read by minivit's own machine, which runs nothing

_NAMES = {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


class _Array:
    """An array that a pickle makes; its state comes later, as (version, shape, type, by columns, bytes)."""

    state = ()


class _Type:
    """The type of its numbers."""

    def __init__(self, name):
        self.name = name


def _call(text, arguments):
    match text, arguments:
        case "numpy.core.multiarray _reconstruct", (Name("numpy ndarray"), _, _):
            return _Array()
        case "numpy dtype", (str(name), *_):
            return _Type(name)
    raise Refused(f"its pickle calls {text} with {shown(arguments)}")


def _build(target, state):
    if isinstance(target, _Array) and isinstance(state, tuple):
        target.state = state
    elif not isinstance(target, _Type):
        raise Refused(f"its pickle sets attributes of {shown(target)}")


def _unpickled(data):
    """The dictionary that a pickle describes."""
    try:
        value = Machine(_NAMES, _call, _build, max_length=MAX_FILE).run(data)
    except Damaged as error:
        raise ValueError(f"is damaged: {error}. Download it again") from error
    except PickleError as error:
        raise ValueError(f"is refused: {error}. CIFAR as published needs nothing of the kind") from error
    if not isinstance(value, dict):
        raise ValueError(f"is no batch of CIFAR: it holds {shown(value)}, expected a dictionary")
    return value


def _from_pickle(data, key):
    batch = _unpickled(data)
    labels = batch.get(key)
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2 ** 31 for label in labels):
        raise ValueError(f"is damaged: its {key} are {shown(labels)}, expected a list of integers")
    return _rows(batch.get("data")), np.array(labels, np.int64)


def _rows(array):
    """uint8 (n, 3072), from the state of an array: (version, shape, type, by columns, bytes)."""
    match array.state if isinstance(array, _Array) else None:
        case (_, (int(count), int(width)), _Type(name="u1"), by_columns, str(text)) if width == _ROW:
            data = text.encode("latin-1")
            if count >= 0 and len(data) == math.prod((count, width)):
                return np.frombuffer(data, np.uint8).reshape((count, width), order="F" if by_columns else "C")
    raise ValueError(f"is damaged: its data is no array of bytes of shape (n, {_ROW})")
