"""What a model wants pictures to look like: how they are scaled, cut and normalised.

- `Preprocessing(size, crop_pct, interpolation, mean, std, crop_mode)`: it belongs to a trained model like its weights
- its `fit(image)`: a Pillow image scaled and cut as timm's evaluation transform does it, pixel for pixel

A picture is scaled to a little more than the model takes, and S = (Sy, Sx) pixels are cut from its centre:

    center    the proportions stay; the picture just covers floor(S / crop_pct)
    squash    each side becomes floor(S / crop_pct), whatever it was

Where images shrink, Pillow's filters take every pixel into account, not the nearest few. Some published settings, all
of a size of 224 x 224:

    vit_jax, Hugging Face's ViT     squash, 1.0, bilinear        mean and std 0.5
    timm's ViT                      center, 0.9, bicubic         mean and std 0.5
    DeiT                            center, 0.875, bicubic       mean 0.485, 0.456, 0.406; std 0.229, 0.224, 0.225
    Hugging Face's DeiT             squash, 0.875, bicubic       the same

(Of these, vit_jax takes the nearest few pixels and does not round to 256 steps; and Hugging Face's processors without
"Pil" in their names let torchvision scale, whose steps differ by 1 here and there.)
"""
import math
from dataclasses import asdict, dataclass, fields

import numpy as np

from minivit.errors import unknown

# Of a picture that is read or scaled: a phone's largest usual photograph has 50 million, while a PNG of 100 kB may
# unpack to hundreds, each of 4 bytes in several copies.
MAX_PIXELS = 64_000_000
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
CROP_MODES = ("center", "squash")


@dataclass(frozen=True)
class Preprocessing:
    """From any picture to a model's input: scaled and cut to size = (Sy, Sx) pixels, then normalised.

    crop_pct: in (0, 1], the part of the scaled picture's side that is left after the cut. interpolation: "nearest",
    "bilinear", "bicubic" or "lanczos". mean, std: a number per channel, of pixels in [0, 1]; `normalise` takes them.
    crop_mode: "center" or "squash". Raises ValueError for anything else.
    """

    size: tuple
    crop_pct: float = 1.0
    interpolation: str = "bicubic"
    mean: tuple = (0.5, 0.5, 0.5)
    std: tuple = (0.5, 0.5, 0.5)
    crop_mode: str = "center"

    def __post_init__(self):
        sides = np.asarray(self.size)
        if sides.shape != (2,) or sides.dtype.kind not in "iu" or sides.min() < 1:
            raise ValueError(f"size must be two integers >= 1, (Sy, Sx) in pixels, not {self.size!r}")
        if not 0 < self.crop_pct <= 1:
            raise ValueError(f"crop_pct must be above 0 and at most 1, the part of a side that is kept, not "
                             f"{self.crop_pct!r}")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(unknown("interpolation", self.interpolation, INTERPOLATIONS))
        if self.crop_mode not in CROP_MODES:
            raise ValueError(unknown("crop_mode", self.crop_mode, CROP_MODES))
        if len(self.mean) != len(self.std) or not all(0 < step < math.inf for step in self.std):
            raise ValueError(f"mean and std must be a number per channel, std above 0, not mean={self.mean!r} and "
                             f"std={self.std!r}")
        object.__setattr__(self, "size", tuple(sides.tolist()))             # the dataclass is frozen
        for name in ("mean", "std"):
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))

    def to_dict(self):
        """The settings by name, of JSON's types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, settings):
        """The inverse of `to_dict`. Raises ValueError for a setting that there is not, or without a size."""
        known = [f.name for f in fields(cls)]
        for name in settings:
            if name not in known:
                raise ValueError(unknown("setting of preprocessing", name, known))
        if "size" not in settings:
            raise ValueError(f"settings of preprocessing need a size, and have only: {', '.join(settings) or 'none'}")
        return cls(**settings)

    def fit(self, image):
        """The Pillow image scaled and cut: one of the same mode and of Sx by Sy pixels.

        Raises ValueError for a picture so long and thin that it would have more than 64 million pixels when scaled.
        """
        from PIL import Image
        (Sy, Sx), (height, width) = self.size, self.scaled(image.height, image.width)
        if height * width > MAX_PIXELS:
            raise ValueError(f"a picture of {image.height} x {image.width} pixels is too long and thin: scaled to "
                             f"{height} x {width} it has more than {MAX_PIXELS // 10**6} million; cut it first")
        image = image.resize((width, height), Image.Resampling[self.interpolation.upper()])
        top, left = round((height - Sy) / 2), round((width - Sx) / 2)       # halves to the even number
        return image.crop((left, top, left + Sx, top + Sy))

    def scaled(self, height, width):
        """(height, width) in pixels of a picture after it is scaled and before it is cut."""
        least_y, least_x = (math.floor(side / self.crop_pct) for side in self.size)
        if self.crop_mode == "squash":
            return least_y, least_x
        if least_y == least_x:                              # a square: timm leaves it to torchvision, which rounds down
            short = min(height, width)
            return least_y * height // short, least_x * width // short
        scale = min(height / least_y, width / least_x)      # anything else timm scales itself, and rounds to nearest
        return round(height / scale), round(width / scale)
