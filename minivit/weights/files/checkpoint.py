"""Weights of other projects, read from whatever file or folder they are in.

- `read_checkpoint(path)`: a `Checkpoint`: named arrays, and what the file says about them

The content decides what a file is, not its name:

    safetensors             timm, Hugging Face      `safetensors_file.py`
    pth                     PyTorch, DeiT           `torch_file.py`
    npz                     Google                  `npz_file.py`
    huggingface folder      config.json and weights in one of the first two, perhaps in several files ("shards")
"""
import contextlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from minivit.errors import shown
from minivit.weights.files.archive import Archive
from minivit.weights.files.npz_file import read_npz
from minivit.weights.files.safetensors_file import read_safetensors
from minivit.weights.files.torch_file import read_torch
from minivit.weights.files.untrusted import damaged, parse_json
from minivit.weights.store import WeightsError

MAX_JSON = 2 ** 24                  # bytes: twenty times the config.json that names 21,843 classes
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"     # the pickle of a number that PyTorch chose as a mark
STRANGERS = {
    OLD_TORCH: "is in PyTorch's format from before 1.6, a pickle without a zip. Save it again with a PyTorch of today: "
               "torch.save(torch.load(path, weights_only=True), new_path)",
    b"\x80": "is a bare pickle, a program that may do anything",
    b"\x93NUMPY": "is one array without a name. Save arrays with their names: numpy.savez(path, **arrays)",
    b"\x89HDF": "is an HDF5 file, as Keras writes them. Save its arrays by numpy.savez",
    b"version https://git-lfs": "is a Git LFS pointer to the file: fetch the file itself by `git lfs pull`",
    b"<": "is a web page, perhaps a server's error: download the file again",
}


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds. The arrays are read-only, and some may share memory, as tied weights do.

    kind: "safetensors", "pth", "npz" or "huggingface folder". part: the key of a .pth that its state dict was under, ""
    where it was all there is. config: the metadata of a safetensors file, or a folder's config.json. preprocessor: a
    folder's preprocessor_config.json.
    """

    arrays: dict
    kind: str
    part: str = ""
    config: dict = field(default_factory=dict)
    preprocessor: dict = field(default_factory=dict)


def read_checkpoint(path):
    """The Checkpoint in a file or a folder, {name: array} of float32, float64, integers and bool.

    Floats of 16 bits are widened to float32. Needs the memory of the arrays, and of the largest once more. Raises
    FileNotFoundError, or WeightsError for everything else that is damaged, malicious or no weights.
    """
    path = Path(path)
    with _naming(path):
        folder = stat.S_ISDIR(path.stat().st_mode)
    checkpoint = _read_folder(path) if folder else _read_file(path)
    if not checkpoint.arrays:
        raise WeightsError(f"{path} holds no arrays")
    for array in checkpoint.arrays.values():
        array.flags.writeable = False
    return checkpoint


@contextlib.contextmanager
def _naming(path):
    """Errors begin with the path of the file that they are about."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    except WeightsError as error:
        raise WeightsError(f"{path} {error}") from error


def _read_file(path):
    with _naming(path):
        if not stat.S_ISREG(path.stat().st_mode):       # opening a pipe would wait for ever
            raise WeightsError("is not a file with weights, but a device or a pipe")
        with open(path, "rb") as file:
            start, length = file.read(32), file.seek(0, os.SEEK_END)
            file.seek(0)
            if start[8:9] == b"{":
                arrays, metadata = read_safetensors(file, length)
                return Checkpoint(arrays, "safetensors", config=metadata)
            if start.startswith(b"PK\3\4"):
                return _read_zip(Archive(file, length))
    for beginning, reason in STRANGERS.items():
        if start.startswith(beginning):
            raise WeightsError(f"{path} {reason}")
    raise WeightsError(f"{path} holds no weights: it has {length} bytes and begins with {start!r}, expected a "
                       f"safetensors, .pth or .npz file, or a folder of Hugging Face's")


def _read_zip(archive):
    pickles = [name for name in archive.names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) == 1:
        arrays, part = read_torch(archive, pickles[0])
        return Checkpoint(arrays, "pth", part)
    if all(name.endswith(".npy") for name in archive.names):
        return Checkpoint(read_npz(archive), "npz")
    raise WeightsError(f"is a zip of {shown(list(archive.names))}, expected PyTorch's NAME/data.pkl or .npy files only")


def _read_folder(folder):
    with _naming(folder):
        present = set(os.listdir(folder))
        weights = next((folder / name for name in WEIGHTS if name in present), None)
        if weights is None or "config.json" not in present:
            raise WeightsError(f"is no folder with weights: expected config.json and one of {', '.join(WEIGHTS)}")
    config, preprocessor = _read_json(folder / "config.json"), {}
    if "preprocessor_config.json" in present:
        preprocessor = _read_json(folder / "preprocessor_config.json")
    arrays = _read_shards(weights) if weights.suffix == ".json" else _read_file(weights).arrays
    return Checkpoint(arrays, "huggingface folder", config=config, preprocessor=preprocessor)


def _read_json(path):
    with _naming(path):
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_JSON:
            raise WeightsError(f"is not a file of JSON, or has more than {MAX_JSON} bytes")
        return parse_json(path.read_bytes(), "it")


def _read_shards(index):
    """{name: array} from the files beside an index, whose weight_map is {name of an array: name of a file}."""
    places, shards, arrays = _read_json(index).get("weight_map"), {}, {}
    with _naming(index):
        if not isinstance(places, dict) or not all(isinstance(shard, str) for shard in places.values()):
            raise damaged("its weight_map must give the name of a file for each array")
        for name, shard in places.items():
            shards.setdefault(shard, set()).add(name)
        for shard in shards:
            if Path(shard).name != shard or not (index.parent / shard).is_file():
                raise WeightsError(f"names {shown(shard)}, which is no file beside it. Download the whole folder")
    for shard, names in shards.items():
        found = _read_file(index.parent / shard).arrays
        if found.keys() != names:
            raise WeightsError(f"{index} says that {shard} holds other arrays than it does. Download both again")
        arrays |= found
    return arrays
