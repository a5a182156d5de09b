"""A model into anybody's format.

- `save(model, path, format)`: to minivit's own file, or to timm's, Hugging Face's or Google's
"""
import json
from pathlib import Path

from minivit.errors import unknown
from minivit.weights.card import Card, card_of
from minivit.weights.files import write_npz
from minivit.weights.formats import FORMATS, export
from minivit.weights.formats.timm import METADATA
from minivit.weights.model_file import write_model
from minivit.weights.store import write_atomic, write_safetensors


def save(model, path, format="minivit"):
    """Write a model and its card (see `card_of`), atomically; return what could not be written, as a tuple of words.

    format: "minivit", one safetensors file with everything in it; "timm" and "huggingface", a folder (timm: or a bare
    .safetensors file); "google", an .npz file. Raises ValueError, naming it, where a format cannot express what the
    model computes; what a format merely has no place for, such as names of classes in an .npz, is returned.
    """
    if not hasattr(model, "config"):
        raise TypeError(f"save takes one of minivit's models and then a path, not a {type(model).__name__}")
    card = card_of(model)
    if not isinstance(card, Card):
        raise TypeError(f"model.card must be a Card, not a {type(card).__name__}")
    if len(card.classes) != model.config.num_classes:
        raise ValueError(f"model.card names {len(card.classes)} classes, and the model has {model.config.num_classes}")
    if format not in ("minivit", *FORMATS):
        raise ValueError(unknown("format", format, ("minivit", *FORMATS)))
    if format == "minivit":
        write_model(path, model, card)
        return ()
    written = export(model, card, format)
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
