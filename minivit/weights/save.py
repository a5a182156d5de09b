"""A model into anybody's format.

- `save(path, saved, format)`: to minivit's own file, or to timm's, Hugging Face's or Google's
"""
import json
from pathlib import Path

from minivit.errors import unknown
from minivit.weights.files import write_npz
from minivit.weights.formats import FORMATS, export
from minivit.weights.formats.timm import METADATA
from minivit.weights.model_file import SavedModel, write_model
from minivit.weights.store import write_atomic, write_safetensors


def save(path, saved, format="minivit"):
    """Write a SavedModel, atomically; return what could not be written, as a tuple of words.

    format: "minivit", one safetensors file with everything in it; "timm" and "huggingface", a folder (timm: or a bare
    .safetensors file); "google", an .npz file. Raises ValueError, naming it, where a format cannot express what the
    model computes; what a format merely has no place for, such as names of classes in an .npz, is returned.
    """
    if not isinstance(saved, SavedModel):
        raise TypeError(f"save takes a SavedModel, which is a model with names of its classes and the preprocessing of "
                        f"its images, not a {type(saved).__name__}")
    if len(saved.classes) != saved.model.config.num_classes:
        raise ValueError(f"{len(saved.classes)} names of classes for a model with {saved.model.config.num_classes}")
    if format not in ("minivit", *FORMATS):
        raise ValueError(unknown("format", format, ("minivit", *FORMATS)))
    if format == "minivit":
        write_model(path, saved)
        return ()
    written = export(saved, format)
    if format == "google":
        write_npz(path, written.arrays)
    elif format == "timm" and Path(path).suffix == ".safetensors":
        config = json.dumps(written.documents["config.json"])
        write_safetensors(path, written.arrays, {"format": "pt", METADATA: config})
    else:
        _write_folder(Path(path), written)
    return written.left_out


def _write_folder(folder, written):
    """config.json is taken away first and written last: a folder without one is no model to anybody."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").unlink(missing_ok=True)
    write_safetensors(folder / "model.safetensors", written.arrays, {"format": "pt"})
    documents = dict(written.documents)
    documents["config.json"] = documents.pop("config.json")
    for name, content in documents.items():
        write_atomic(folder / name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
