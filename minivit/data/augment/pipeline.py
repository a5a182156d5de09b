"""A whole augmentation: the steps, in order, and the one line of text that it is written as.

    augmentation = Augmentation.parse("crop:4, flip, randaugment:m9-mstd0.5-inc1, erase:0.25, mixup:0.8, cutmix:1")

Three things happen to a batch, one after the other, wherever they stand in the text:

    steps       uint8 images (B, Sy, Sx, C), in the order written         crop flip resized_crop shift_rotate
                                                                          jitter randaugment three_augment
    erase       float32 images (B, C, Sy, Sx), normalised                 erase
    mix         the same, and their labels                                mixup cutmix mix_prob switch_prob

A `Loader` does all three. Each step's docstring says what its values are.
"""
from dataclasses import dataclass, fields, replace

from minivit.data.augment.erasing import Erase
from minivit.data.augment.framing import Crop, Flip, ResizedCrop
from minivit.data.augment.jitter import Jitter, ThreeAugment
from minivit.data.augment.mixing import Mix
from minivit.data.augment.randaugment import RandAugment
from minivit.data.augment.step import step_from
from minivit.data.augment.warp import ShiftRotate
from minivit.data.dataset import check_images
from minivit.errors import unknown

STEPS = {step.name: step for step in (Crop, Flip, ResizedCrop, ShiftRotate, Jitter, RandAugment, ThreeAugment, Erase)}
_MIXING = [f.name for f in fields(Mix)]


@dataclass(frozen=True)
class Augmentation:
    """steps: a tuple of Steps. erase: an Erase, or None. mix: a Mix, or None.

    Called, it does its steps alone: images uint8 (B, Sy, Sx, C) and a Draw give such images, of the size that a
    `resized_crop` may have changed; those that it is given stay as they are. str(augmentation) is the line of text.
    """

    steps: tuple = ()
    erase: Erase | None = None
    mix: Mix | None = None

    @classmethod
    def parse(cls, text, mean=(0.5,)):
        """The augmentation that `text` describes; "" is none.

        mean: that of the data, in units of pixel values scaled to [0, 1]: with this colour RandAugment fills what its
        motions leave empty. Raises ValueError for what cannot be read, with the nearest name or all that there are.
        """
        steps, mixing = [], []
        for word in filter(None, map(str.strip, text.split(","))):
            name = word.partition(":")[0].strip()
            if name in _MIXING:
                mixing.append(word)
            elif name in STEPS:
                steps.append(_filled(step_from(word, STEPS[name]), mean))
            else:
                raise ValueError(f"{unknown('augmentation', name, (*STEPS, *_MIXING))} (in {text!r})")
        return cls.of(*steps, mix=_mix(mixing))

    @classmethod
    def of(cls, *steps, mix=None):
        """The augmentation of these steps; an Erase may be among them."""
        erasing = [step for step in steps if isinstance(step, Erase)]
        if len(erasing) > 1:
            raise ValueError("an augmentation erases once; raise the probability or the area of its erase instead")
        return cls(tuple(step for step in steps if not isinstance(step, Erase)), *erasing or (None,), mix)

    def __str__(self):
        return ", ".join(map(str, filter(None, (*self.steps, self.erase, self.mix))))

    def __call__(self, images, draw):
        check_images(images)
        for k, step in enumerate(self.steps):
            images = step(images, replace(draw, place=f"{draw.place} {k}"))
        return images


def _filled(step, mean):
    """A RandAugment with the mean colour, unless the text gave it one; any other step as it is."""
    if not isinstance(step, RandAugment) or step.fill:
        return step
    return replace(step, fill=tuple(min(255, round(255 * value)) for value in mean))


def _mix(words):
    """The Mix of "mixup:0.8" and the like, None where there are none."""
    settings = {}
    for word in words:
        name, colon, value = word.partition(":")
        try:
            settings[name] = float(value)
        except ValueError as error:
            raise ValueError(f"{name} needs one number, as in {name}:0.8, not {word!r}") from error
    return Mix(**settings) if settings else None
