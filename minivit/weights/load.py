"""A model from anybody's file of weights.

- `load(path, head, ...)`: the model with its card, and a `Report` of what became of every array

    checkpoint -> translation -> a new head, if asked for -> another image size, if asked for -> model

So a trained model becomes one for other classes and larger images (Dosovitskiy et al. 2020, arXiv 2010.11929, 3.2):

    model, report = load("ViT-B_16.npz", head="zero", num_classes=10, image_size=384)
"""
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from minivit.data.imagenet import imagenet_classes
from minivit.errors import unknown
from minivit.models.positions import interpolation_matrix, resize_pos_embed
from minivit.models.registry import build_from, describe
from minivit.nn import no_init
from minivit.weights.card import Card
from minivit.weights.files import read_checkpoint
from minivit.weights.formats import translate
from minivit.weights.model_file import read_model, written_by_minivit
from minivit.weights.report import Report
from minivit.weights.store import WeightsError

HEADS = ("keep", "zero", "drop")
_IN_FOLDERS = ("model.safetensors", "pytorch_model.bin")


def load(path, head="keep", pos_mode=None, strict=True, seed=0, **changes):
    """(model, Report) of a file or folder of minivit, timm, DeiT, Hugging Face or Google. The model is in evaluation
    mode; `model.card` has its classes and preprocessing.

    head: "keep" the file's; or put a linear one in its place, with weights of 0 ("zero") or with the first values that
    such a model usually has ("drop"), drawn from `seed`. changes: to settings of the model. num_classes needs a new
    head. For another image_size the positions are stretched, in one of positions.MODES: pos_mode, or the one that the
    authors of the format use. num_heads says what some files leave open. Others, such as drop_path_rate, are taken.
    strict: raise where a part of the model is not in the file, or a part of the file not in the model; otherwise that
    part of the model has first values, and the report says so.

    Raises FileNotFoundError; WeightsError for a file that is damaged, holds no model that minivit has, does not fit, or
    leaves open what the user has to say; ValueError for impossible arguments.
    """
    if head not in HEADS:
        raise ValueError(unknown("head", head, HEADS))
    found = _translation(Path(path), changes)
    _check_changes(path, found, head, changes)
    arrays, left_out = dict(found.arrays), ()
    config = replace(found.config, **changes)
    if head != "keep":
        left_out = tuple(name for name in arrays if _of_head(name))
        arrays = {name: array for name, array in arrays.items() if not _of_head(name)}
        config = replace(config, **_new_head(config, head))
    arrays, resized = _resized(arrays, found.config, config, pos_mode or found.pos_mode)

    with no_init():
        model = build_from(config)
    wanted = {name: parameter.shape for name, parameter in model.named_parameters()}
    new = tuple(name for name in wanted if head != "keep" and _of_head(name))
    wrong = {name: f"{name} is {arrays[name].shape}, expected {shape}" for name, shape in wanted.items()
             if name in arrays and arrays[name].shape != shape}
    loaded = tuple(name for name in wanted if name in arrays and name not in wrong)
    classes, note = _classes(found, config, kept=head == "keep")
    report = Report(str(path), found.format, describe(model)[0], loaded, new, left_out,
                    missing=tuple(name for name in wanted if name not in arrays and name not in new),
                    unexpected=tuple(name for name in arrays if name not in wanted),
                    wrong_shape=tuple(wrong.values()), resized=resized, notes=found.notes + note)
    if strict and report.misfits:
        raise WeightsError(f"{path} and the {report.architecture} that it describes do not fit: "
                           f"{'; '.join(report.misfits)}. strict=False loads what fits")
    if len(loaded) < len(wanted):
        model = build_from(config, seed)            # drawing first values takes ten times as long as reading the file
    for name, parameter in model.named_parameters():
        if name in loaded:
            parameter.data = np.array(arrays[name], np.float32, order="C")
    model.card = Card(classes, replace(found.preprocessing, size=config.image_size), found.about)
    return model.eval(), report


def _of_head(name):
    """Whether a parameter belongs to what makes classes of features; pre_logits is the hidden layer of an MLP head."""
    return name.partition(".")[0] in ("pre_logits", "head", "head_dist")


def _translation(path, given):
    """The Translation of what is at `path`."""
    if path.name in _IN_FOLDERS and (path.parent / "config.json").exists():
        path = path.parent
    checkpoint = read_checkpoint(path)
    if written_by_minivit(checkpoint):
        return read_model(path)
    try:
        found = translate(checkpoint, given)
        with no_init():
            build_from(found.config)
        return found
    except WeightsError as error:
        raise WeightsError(f"{path} {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} describes its model in a way that minivit does not follow: {error!r}") from error


def _check_changes(path, found, head, changes):
    """Raise for changes that the configuration does not have, or that contradict the file."""
    known = [f.name for f in fields(found.config)]
    for name in changes:
        if name not in known:
            raise ValueError(unknown(f"setting of the model in {path}", name, known))
    heads = getattr(found.config, "num_heads", None)
    if changes.get("num_heads", heads) != heads:
        raise ValueError(f"num_heads={changes['num_heads']} contradicts {path}: its model has {heads} heads")
    has_head = any(name.startswith("head") for name in found.arrays)
    if not has_head and (head == "keep" or "num_classes" not in changes):
        raise WeightsError(f"{path} has no head, which would make classes of features: ask for a new one by "
                           f"head='zero' and num_classes (minivit convert --head zero --num-classes)")
    if head == "keep" and changes.get("num_classes", found.config.num_classes) != found.config.num_classes:
        raise ValueError(f"num_classes={changes['num_classes']} contradicts {path}, whose head is for "
                         f"{found.config.num_classes}: ask for a new one by head='zero', or keep its num_classes")


def _new_head(config, head):
    """Settings of a linear head: section 3.2 of the paper takes off the hidden layer too."""
    settings = {"zero_head": True} if head == "zero" else {}
    return settings | ({"representation_size": 0} if hasattr(config, "representation_size") else {})


def _resized(arrays, old, new, mode):
    """(arrays, (what was done,)): the positions stretched from the grid of one configuration over that of another."""
    if old.image_size == new.image_size or getattr(old, "pos_embed", "none") == "none":
        return arrays, ()
    with no_init():
        model, grid = build_from(old), build_from(new).patch_embed.grid
    before, resized = model.patch_embed.grid, dict(arrays)
    sizes = f"from {before[0]} x {before[1]} to {grid[0]} x {grid[1]} patches"
    if old.pos_embed == "sincos-2d":
        return arrays, (f"positions computed again, {sizes}",)
    if old.pos_embed == "learned":
        prefix = model.num_prefix if old.prefix_positions else 0
        resized["pos_embed"] = resize_pos_embed(arrays["pos_embed"], before, grid, prefix, mode)
    else:
        for name, axis in (("pos_embed.y", 0), ("pos_embed.x", 1)):
            matrix = interpolation_matrix(before[axis], grid[axis], mode)
            resized[name] = np.moveaxis(np.tensordot(matrix, arrays[name], (1, axis)), 0, axis)
    return resized, (f"positions stretched {sizes}, {mode}",)


def _classes(found, config, kept):
    """(names of the classes, (a note,)), numbers where there are no names."""
    if kept and len(found.classes) == config.num_classes:
        return found.classes, ()
    if kept and config.num_classes == 1000:
        return imagenet_classes(), ("the file names no classes: 1,000 are taken for those of ImageNet",)
    return tuple(map(str, range(config.num_classes))), ("classes have no names, but numbers",)
