"""Augmentation: new training images from old ones, by changes that leave the label true.

    augmentation = Augmentation.parse("crop:4, flip, randaugment:m9-mstd0.5-inc1, erase:0.25, mixup:0.8, cutmix:1")
    loader = Loader(data.train, 128, data.mean, data.std, augment=augmentation, classes=len(data.classes))

`step.py` says what a step is; `framing.py`, `warp.py`, `jitter.py`, `randaugment.py` and `erasing.py` hold the steps,
`mixing.py` mixup and cutmix, and `pipeline.py` puts them together. Operations that Pillow or timm have too give what
they give, bit for bit.
"""
from minivit.data.augment.erasing import Erase
from minivit.data.augment.framing import Crop, Flip, ResizedCrop
from minivit.data.augment.jitter import Jitter, ThreeAugment
from minivit.data.augment.mixing import Mix
from minivit.data.augment.pipeline import STEPS, Augmentation
from minivit.data.augment.randaugment import RandAugment
from minivit.data.augment.step import Step
from minivit.data.augment.warp import ShiftRotate, shift_rotate

__all__ = ["STEPS", "Augmentation", "Crop", "Erase", "Flip", "Jitter", "Mix", "RandAugment", "ResizedCrop",
           "ShiftRotate", "Step", "ThreeAugment", "shift_rotate"]
