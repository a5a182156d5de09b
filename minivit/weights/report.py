"""What loading a file of weights did, to be read by people and by programs."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What `load` found in a file, and what it made of it. All tuples are of names of arrays, but for the sentences.

    format: whose file it is. loaded: what is in the model as it is in the file. new: what has first values, because a
    new head was asked for. left_out: the file's old head. resized: (sentence,) about positions on another grid. notes:
    sentences about what the file does not say. With strict=False there may also be missing (parameters that the file
    does not have), unexpected (arrays that the model has no place for) and wrong_shape (sentences).
    """

    path: str
    format: str
    architecture: str
    loaded: tuple
    new: tuple = ()
    left_out: tuple = ()
    missing: tuple = ()
    unexpected: tuple = ()
    wrong_shape: tuple = ()
    resized: tuple = ()
    notes: tuple = ()

    @property
    def misfits(self):
        """Lines about what does not fit, none where everything does."""
        parts = {"missing": self.missing, "unexpected": self.unexpected, "wrong shape": self.wrong_shape}
        return [f"{what}: {_some(names)}" for what, names in parts.items() if names]

    def __str__(self):
        lines = [f"{self.path}: {self.format}, a {self.architecture}", f"{len(self.loaded)} arrays loaded"]
        lines += [f"new: {_some(self.new)}"] if self.new else []
        lines += [f"left out: {_some(self.left_out)}"] if self.left_out else []
        return "\n  ".join([*lines, *self.misfits, *self.resized, *self.notes])


def _some(names):
    """The first six of `names`."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
