"""A trained model in one file of minivit's own: its weights, how it is built, and what its inputs and outputs mean.

- `SavedModel`: all of that in memory
- `write_model(path, saved)`, `read_model(path)`: to the file, and from it
"""
from dataclasses import dataclass, field

from minivit.data.preprocess import Preprocessing
from minivit.models.registry import build, describe
from minivit.nn import no_init
from minivit.nn.module import Module
from minivit.weights.report import Report
from minivit.weights.store import CHECKSUM, WeightsError, load_arrays, save_arrays
from minivit.weights.translation import Translation

FORMAT = "minivit model 2"


@dataclass(frozen=True)
class SavedModel:
    """A model with the names of its classes, the Preprocessing of its images, and `about`: anything else worth keeping,
    of JSON's types (the data it saw, its accuracy). One that was loaded has a Report of that, which is not saved."""

    model: Module
    classes: tuple
    preprocessing: Preprocessing
    about: dict = field(default_factory=dict)
    report: Report | None = None

    @property
    def mean(self):
        """What is subtracted from each channel of an image in [0, 1]."""
        return self.preprocessing.mean

    @property
    def std(self):
        """What each channel is divided by after that."""
        return self.preprocessing.std


def write_model(path, saved):
    """Write a SavedModel to a safetensors file, atomically."""
    architecture, settings = describe(saved.model)
    save_arrays(path, saved.model.state_dict(), {
        "format": FORMAT, "architecture": architecture, "config": settings, "classes": list(saved.classes),
        "preprocessing": saved.preprocessing.to_dict(), "about": saved.about})


def written_by_minivit(checkpoint):
    """Whether a Checkpoint is a file of minivit's own."""
    return checkpoint.kind == "safetensors" and CHECKSUM in checkpoint.config


def read_model(path):
    """The Translation of a file that `write_model` wrote, its checksum verified.

    Raises FileNotFoundError, or WeightsError where the file is damaged or is not a model of minivit's.
    """
    arrays, metadata = load_arrays(path)
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} is not a model of minivit's: its format is {metadata.get('format')!r}, expected "
                           f"{FORMAT!r}")
    try:
        with no_init():
            config = build(metadata["architecture"], metadata["config"]).config
        classes = tuple(metadata["classes"])
        if len(classes) != config.num_classes:
            raise ValueError(f"it names {len(classes)} class(es), and its model has {config.num_classes}")
        return Translation("minivit", config, arrays, Preprocessing.from_dict(metadata["preprocessing"]), classes,
                           about=metadata["about"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} holds another model than it describes: {error}") from error
