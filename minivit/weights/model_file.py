"""A trained model in one file of minivit's own: its weights, how it is built, and its card.

- `write_model(path, model, card)`, `read_model(path)`: to the file, and from it
"""
from minivit.data.preprocess import Preprocessing
from minivit.models.registry import build, describe
from minivit.nn import no_init
from minivit.weights.store import CHECKSUM, WeightsError, load_arrays, save_arrays
from minivit.weights.translation import Translation

FORMAT = "minivit model 2"


def write_model(path, model, card):
    """Write a model and its Card to a safetensors file, atomically."""
    architecture, settings = describe(model)
    save_arrays(path, model.state_dict(), {
        "format": FORMAT, "architecture": architecture, "config": settings, "classes": list(card.classes),
        "preprocessing": card.preprocessing.to_dict(), "about": card.about})


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
