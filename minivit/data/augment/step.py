"""One step of an augmentation: a change of images by settings that can be written down and read again.

- `Step`: what all steps have in common: `step(images, draw)`, and `str(step)`
- `step_from(text, kind)`: the step that is written as "name", "name:value:value" or "name:setting=value"

images: uint8 (B, Sy, Sx, C), which stay as they are; the step returns new ones. draw: a `Draw` (see streams.py), whose
`uniform(shape)` gives float32 numbers in [0, 1) for a shape (B, ...): the same numbers for the same image whatever
batch it is in, so the same draw gives the same images again.
"""
from dataclasses import dataclass, fields
from typing import ClassVar

from minivit.errors import unknown


@dataclass(frozen=True)
class Step:
    """A step; its settings are the fields of the dataclass."""

    name: ClassVar[str]

    def __call__(self, images, draw):
        """The images, changed by random amounts that `draw` gives."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does with images")

    def __str__(self):
        """Its name and the settings that are not the usual ones: `step_from` reads them."""
        words, skipped = [self.name], False
        for f in fields(self):
            value = getattr(self, f.name)
            if value == f.default:
                skipped = True
            else:
                words.append((f"{f.name}=" if skipped else "") + _written(value))
        return ":".join(words)


def step_from(text, kind):
    """The Step that `text` describes, of the class `kind`.

    Values without a name are the settings in their order: "resized_crop:0.35/1" and "resized_crop:scale=0.35/1" are
    one thing, a pair with a slash. Raises ValueError for a setting or value that there is not.
    """
    known, settings = [f.name for f in fields(kind)], {}
    unnamed = iter(known)
    for word in text.split(":")[1:]:
        setting, equals, value = map(str.strip, word.rpartition("="))
        if not equals:
            setting = next(unnamed, None)
            if setting is None:
                raise ValueError(f"{text!r} has more values than {kind.name} has settings: "
                                 f"{', '.join(known) or 'none'}")
        if setting not in known:
            raise ValueError(unknown(f"setting of {kind.name}", setting, known))
        if setting in settings:
            raise ValueError(f"{text!r} gives {setting} twice")
        settings[setting] = _read(value)
    return kind(**settings)


def check_number(name, value, least, most, whole=False):
    """Raise ValueError unless `value` is a number, perhaps a whole one, from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not least <= value <= most:
        raise ValueError(f"{name} must be a {'whole ' * whole}number from {least} to {most}, not {value!r}")


def check_range(name, value, least, most):
    """Raise ValueError unless `value` is a pair (low, high) with least <= low <= high <= most."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise ValueError(f"{name} must be a pair of numbers, low and high, written as in {name}=0.1/0.5, not {value!r}")
    for number in value:
        check_number(name, number, least, most)
    if value[0] > value[1]:
        raise ValueError(f"{name} must be (low, high), not {value!r}")


def _written(value):
    return "/".join(map(_written, value)) if isinstance(value, tuple) else str(value)


def _read(word):
    """A number, a tuple of numbers ("0.3/3"), or a word."""
    if "/" in word:
        return tuple(map(_read, word.split("/")))
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    return word
