"""A trained model in one file: its weights, how it is built, and what its inputs and outputs mean.

- `save_model(path, saved)` and `load_model(path)`, of a `SavedModel`
"""
from dataclasses import dataclass, field

from minivit.models.registry import build, describe
from minivit.nn.module import Module
from minivit.weights.store import WeightsError, load_arrays, save_arrays

FORMAT = "minivit model 1"


@dataclass(frozen=True)
class SavedModel:
    """A model with the mean and std (per channel, of pixels in [0, 1]) that its images are normalised with, the names
    of its classes, and `about`: anything else worth keeping, of JSON's types (the data it saw, its accuracy)."""

    model: Module
    classes: tuple
    mean: tuple
    std: tuple
    about: dict = field(default_factory=dict)


def save_model(path, saved):
    """Write a SavedModel to a safetensors file, atomically."""
    architecture, settings = describe(saved.model)
    save_arrays(path, saved.model.state_dict(), {
        "format": FORMAT, "architecture": architecture, "config": settings, "classes": list(saved.classes),
        "mean": list(saved.mean), "std": list(saved.std), "about": saved.about})


def load_model(path):
    """The SavedModel in a file, its model in evaluation mode.

    Raises FileNotFoundError, or WeightsError where the file is damaged or is not a model of minivit's.
    """
    arrays, metadata = load_arrays(path)
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} is not a model of minivit's: its format is {metadata.get('format')!r}, expected "
                           f"{FORMAT!r}")
    try:
        model = build(metadata["architecture"], metadata["config"])
        model.load_state_dict(arrays)
        saved = SavedModel(model.eval(), tuple(metadata["classes"]), tuple(metadata["mean"]), tuple(metadata["std"]),
                           metadata["about"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} holds another model than it describes: {error}") from error
    if len(saved.classes) != model.config.num_classes:
        raise WeightsError(f"{path} names {len(saved.classes)} class(es), and its model has "
                           f"{model.config.num_classes}")
    return saved
