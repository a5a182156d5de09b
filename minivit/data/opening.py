"""Data sets by name or path, recognised by what they hold.

- `open_dataset(text)`: any data set that minivit reads

The text may end in options, so that one line, in a configuration or on a command line, says everything:

    photos:size=64,skip_bad=true            shapes-texture:train=500,noise=0.3            ../cifar-10-batches-py
"""
import re
import tarfile
from dataclasses import fields, replace
from pathlib import Path

from minivit.data.cifar import cifar, holds_cifar
from minivit.data.folder import FolderOptions, image_folder
from minivit.data.mnist import holds_mnist, mnist5k, mnist_folder
from minivit.data.named import NAMED, find, how_to_get
from minivit.data.npz import npz
from minivit.data.shapes import TASKS, ShapesOptions, shapes
from minivit.data.source import open_source
from minivit.errors import unknown

SHAPES = {"shapes" if task == "shape" else f"shapes-{task}": task for task in TASKS}
# A folder of images does not say what it is called: where its own name is one of these, that does
_TITLES = {place: known.title for known in NAMED.values() for place in known.places if not known.files}
_OPTIONS = re.compile(r"(?P<name>.+?):(?P<options>\w+=[^,=]*(,\w+=[^,=]*)*)")
_FORMS = ("a folder of MNIST's idx files (train-images-idx3-ubyte, .gz or not, ...); CIFAR's batches (data_batch_1 or "
          "data_batch_1.bin, ...); a folder of images, CLASS/image.jpg or train/CLASS/image.jpg; a tar archive of one "
          "of the last two; an .npz file of x_train, y_train, x_test, y_test")


def open_dataset(text, root=None, **options):
    """The DataSet of that name, or in that file or folder.

    text: "mnist5k"; "shapes", "shapes-texture" and the other tasks; "mnist", "fashion-mnist", "cifar10", "cifar100",
    "cifar10-jpeg", which are looked for as `places.py` says, in `root` alone where it is given; or a path. A name goes
    before a file of the same name, which is reached as "./mnist5k". options: fields of FolderOptions or ShapesOptions,
    as in `text`. The data set's name opens it again.

    Raises ValueError for an unknown name or option and for what cannot be read; FileNotFoundError where a named data
    set is not there, which says how to get it.
    """
    text = str(text)
    match = None if Path(text).exists() else _OPTIONS.fullmatch(text)
    if match:
        text = match["name"]
        options = dict(item.split("=") for item in match["options"].split(",")) | options
    if text == "mnist5k":
        _refuse(options, text)
        return mnist5k()
    if text in SHAPES:
        chosen = _chosen(ShapesOptions, options, text)
        return _named(shapes(SHAPES[text], chosen), chosen)
    if text in NAMED:
        path = find(text, root)
        if path is None:
            raise FileNotFoundError(how_to_get(text, root))
        return replace(_at(path, options), title=NAMED[text].title)
    if not Path(text).exists():
        raise ValueError(f"{unknown('data set', text, ['mnist5k', *SHAPES, *NAMED])}; and there is no such file or "
                         f"folder: {Path(text).absolute()}")
    return _at(Path(text), options)


def _at(path, options):
    """The DataSet in a file or folder."""
    if path.is_dir() and holds_mnist(path):
        _refuse(options, path)
        return mnist_folder(path)
    if path.is_file() and _starts_with(path, b"PK"):        # a zip
        _refuse(options, path)
        return npz(path)
    if path.is_file() and not _is_tar(path):
        folder = f". It looks like one of MNIST's files: name the folder, {path.parent}" if "idx" in path.name else ""
        raise ValueError(f"{path} is no data set that minivit recognises: tried {_FORMS}{folder}")
    with open_source(path) as source:
        if holds_cifar(source):
            _refuse(options, path)
            return cifar(source)
        if path.is_dir() and not source.folders:
            raise ValueError(f"{path} holds no data set that minivit recognises: tried {_FORMS}; found "
                             f"{', '.join(source.files[:3]) or 'nothing'}")
        chosen = _chosen(FolderOptions, options, path)
        data = _named(image_folder(source, chosen), chosen)
        return replace(data, title=_TITLES.get(path.name, data.title))


def _starts_with(path, start):
    with open(path, "rb") as file:
        return file.read(len(start)) == start


def _is_tar(path):
    try:
        return tarfile.is_tarfile(path)
    except (EOFError, OSError):             # it is packed, and cut off: reading it will say so
        return True


def _refuse(options, name):
    if options:
        raise ValueError(f"{name} has no options, and was given {', '.join(options)}")


def _chosen(config, options, name):
    """The options as an instance of their dataclass; texts are turned into what its fields are."""
    kinds = {field.name: field.type for field in fields(config)}
    values = {}
    for option, value in options.items():
        if option not in kinds:
            raise ValueError(f"{name}: {unknown('option', option, kinds)}")
        read, example = _READ[kinds[option]]
        try:
            values[option] = read(value) if isinstance(value, str) else value
        except (KeyError, ValueError) as error:
            raise ValueError(f"{name}: the option {option} is written like {option}={example}, not "
                             f"{option}={value}") from error
    try:
        return config(**values)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _size(text):
    """(Sy, Sx) from "64" or "64x48"."""
    sides = tuple(int(side) for side in text.split("x"))
    return (sides * 2)[:2]


# What turns a text into a value of this type, and an example of one
_READ = {int: (int, "3"), float: (float, "0.2"), str: (str, "val"), tuple: (_size, "64 or 64x48"),
         bool: ({"true": True, "false": False}.__getitem__, "true")}


def _named(data, chosen):
    """The data set with the options that are not the usual ones in its name."""
    usual = type(chosen)()
    changed = {field.name: getattr(chosen, field.name) for field in fields(chosen)}
    texts = [f"{name}={_text(value)}" for name, value in changed.items() if value != getattr(usual, name)]
    return replace(data, name=data.name + (":" if texts else "") + ",".join(texts))


def _text(value):
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
