"""Data sets in NumPy's .npz files: a zip of arrays, each with its name.

- `npz(path)`: the data set in such a file
- `write_npz(path, data)`: a data set as such a file

Three ways of naming the arrays are known; labels are integers, one an image. `classes`, if it is there, names them.

    x, y                                                        one split, for training
    x_train, y_train, x_test, y_test                            as Keras distributes MNIST
    train_images, train_labels, test_images, test_labels        as MedMNIST does; "val" where there is no "test"; and
                                                                images, labels for one split

An array is NumPy's magic number and version, the length of a header, the header, and the numbers; the header is Python,
such as {'descr': '|u1', 'fortran_order': False, 'shape': (4000, 28, 28), }. Here a pattern takes it apart.

Source: numpy.lib.format.
"""
import io
import math
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from minivit.atomic import write_atomic
from minivit.data.dataset import DataSet, Split, mean_std
from minivit.errors import shown

MAX_GROWTH, SMALL = 200, 2 ** 28        # images deflate by ten at most, unless they are small or nothing but zeros
_NAMES = {"train": (("x_train", "y_train"), ("train_images", "train_labels"), ("x", "y"), ("images", "labels")),
          "test": (("x_test", "y_test"), ("test_images", "test_labels"), ("val_images", "val_labels"))}
_HEADER = re.compile(rb"\{'descr': '([<>|](?:[iu][1248]|f[248]|b1)|[<>]U\d{1,6})', 'fortran_order': (True|False), "
                     rb"'shape': \(([\d, ]{0,400})\), \}\s*")
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError)


def npz(path):
    """The DataSet in an .npz file: images uint8 (n, Sy, Sx) or (n, Sy, Sx, C), labels integers (n,) or (n, 1).

    Without `classes` the classes are called by their numbers. Raises FileNotFoundError, or ValueError for a file that
    is damaged or holds other arrays.
    """
    path = Path(path)
    arrays = _read(path)
    splits, notes = {}, []
    for part, pairs in _NAMES.items():
        pair = next((pair for pair in pairs if arrays.keys() & set(pair)), None)
        splits[part] = None if pair is None else _split(path, arrays, *pair)
        left = [name for other in pairs for name in other if other != pair and name in arrays]
        if left:
            notes.append(f"left out: {', '.join(left)}; the {part} split is {', '.join(pair)}")
    found = [split for split in splits.values() if split is not None]
    if not found:
        raise ValueError(f"{path} holds {shown(sorted(arrays))}, and no images under names that minivit knows, such as "
                         f"x_train and y_train, or x and y")
    classes = arrays.get("classes") or tuple(str(y) for y in range(1 + max(int(s.labels.max()) for s in found)))
    mean, std = mean_std(found[0].images)
    return DataSet(str(path.resolve()), classes, splits["train"], splits["test"], mean, std, path.name, tuple(notes))


def write_npz(path, data):
    """Write a DataSet to `path`, atomically, so that `npz` reads it: x_train, y_train, x_test, y_test, classes."""
    arrays = {"classes": np.array(data.classes)}
    for part in ("train", "test"):
        split = getattr(data, part)
        if split is not None:
            arrays |= {f"x_{part}": split.images, f"y_{part}": split.labels}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_atomic(path, file.getvalue())


def _split(path, arrays, images_name, labels_name):
    there, missing = images_name, labels_name
    if images_name not in arrays:
        there, missing = missing, there
    if missing not in arrays:
        raise ValueError(f"{path} has {there} and no {missing}, which belongs to it")
    images, labels = arrays[images_name], arrays[labels_name]
    if labels.dtype.kind not in "iu" or labels.ndim == 0 or labels.size != len(labels):
        raise ValueError(f"{path}: {labels_name} must be integers, one an image, not {labels.dtype} of shape "
                         f"{labels.shape}")
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"{path}: {images_name} must be uint8 of shape (n, Sy, Sx), (n, Sy, Sx, 1) or (n, Sy, Sx, 3), "
                         f"not {images.dtype} of shape {images.shape}; for pixels in [0, 1] save "
                         f"(255 * x).round().astype(np.uint8), for channels first x.transpose(0, 2, 3, 1)")
    try:
        return Split(np.ascontiguousarray(images), labels.reshape(-1).astype(np.int64))
    except ValueError as error:
        raise ValueError(f"{path}: {images_name}, {labels_name}: {error}") from error


def _read(path):
    """{name: array} of the arrays that mean something here, with the classes as a tuple of texts; None for others."""
    wanted = {name for pairs in _NAMES.values() for pair in pairs for name in pair} | {"classes"}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            arrays = {name: _array(archive, member) if name in wanted else None for name, member in members.items()}
        if "classes" in arrays:
            arrays["classes"] = tuple(str(name) for name in arrays["classes"].tolist())
        return arrays
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        raise ValueError(f"{path} is no whole .npz file of numbers ({shown(error)})") from error


def _array(archive, member):
    """An array, after what it claims to be was held against what there is."""
    name, size = member.filename, member.file_size
    if size > max(SMALL, MAX_GROWTH * member.compress_size):
        raise ValueError(f"{name} has {member.compress_size} bytes and claims to unpack to {size}")
    with archive.open(member) as file:
        data = file.read(size)
    begin = 10 if data[6:7] == b"\1" else 12            # version 1 has a short length of the header
    stop = begin + int.from_bytes(data[8:begin], "little")
    header = _HEADER.fullmatch(data[begin:stop])
    if data[:6] != b"\x93NUMPY" or header is None:
        raise ValueError(f"{name} begins with {shown(data[:stop])}: it is no array of numbers or texts")
    dtype, shape = np.dtype(header[1].decode()), tuple(int(n) for n in header[3].replace(b",", b" ").split())
    if len(shape) > 8 or math.prod(shape) * dtype.itemsize != len(data) - stop:
        raise ValueError(f"{name} has {len(data) - stop} bytes for {dtype} of shape {shape}")
    return np.frombuffer(data, dtype, offset=stop).reshape(shape, order="F" if header[2] == b"True" else "C")
