"""What every format of weights is translated into before a model is built from it, and from before it is written."""
from dataclasses import dataclass, field

from minivit.data.preprocess import Preprocessing


@dataclass(frozen=True)
class Translation:
    """A checkpoint in minivit's words.

    format: what it is, for people. config: the configuration of its model; where the file has no head, for one class.
    arrays: {name: array}; one that minivit has no name for keeps the name that it has in the file. classes: their
    names, () where the file has none. pos_mode: how the authors of the format resize positions. notes: sentences about
    what the file does not say. about: anything else that came with it, of JSON's types.
    """

    format: str
    config: object
    arrays: dict
    preprocessing: Preprocessing
    classes: tuple = ()
    pos_mode: str = "bicubic"
    notes: tuple = ()
    about: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Export:
    """A model in the words of another project: {name: array}, {name of a file: its content, of JSON's types}, and what
    could not be said with it, as words."""

    arrays: dict
    documents: dict
    left_out: tuple


def numbered(classes):
    """Whether names of classes are only their numbers, as minivit gives where there are none."""
    return tuple(classes) == tuple(map(str, range(len(classes))))
