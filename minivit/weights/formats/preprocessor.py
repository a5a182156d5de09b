"""preprocessor_config.json: what Hugging Face's models want pictures to look like.

    {"do_resize": true, "size": {"height": 256, "width": 256}, "resample": 3,       or {"shortest_edge": 256}, or 256
     "do_center_crop": true, "crop_size": {"height": 224, "width": 224},
     "do_rescale": true, "rescale_factor": 0.00392, "do_normalize": true, "image_mean": [...], "image_std": [...]}

Source: transformers 5.23.0, image_processing_backends.py; version 4 writes the same names.
"""
import math

from minivit.data.preprocess import Preprocessing
from minivit.weights.store import WeightsError

_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}        # Pillow's numbers


def read_preprocessor(settings, image_size, channels):
    """The Preprocessing that the file describes, for a model of these images. Raises WeightsError."""
    resample = settings.get("resample", 2)
    if resample not in _FILTERS:
        raise WeightsError(f"scales images with Pillow's filter number {resample!r}, expected one of {_FILTERS}")
    scaled, squash = _sides(settings.get("size", image_size))
    cut = _sides(settings["crop_size"])[0] if settings.get("do_center_crop") and "crop_size" in settings else scaled
    # Pixels are multiplied by 1 / 255 first: here they are in [0, 1] already.
    unit = 255 * settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 255
    mean, std = (0.0,) * channels, (1.0,) * channels
    if settings.get("do_normalize", True):
        mean, std = settings.get("image_mean", (0.5,) * channels), settings.get("image_std", (0.5,) * channels)
    part = min(_part(*sides) for sides in zip(cut, scaled))
    if any(math.floor(c / part) != s for c, s in zip(cut, scaled)):
        raise WeightsError(f"scales images to {scaled} pixels and cuts {cut} from them: minivit takes the same part of "
                           f"both sides")
    return Preprocessing(tuple(cut), part, _FILTERS[resample], tuple(m / unit for m in mean),
                         tuple(s / unit for s in std), "squash" if squash else "center")


def _sides(size):
    """((height, width), whether they are reached whatever the picture's proportions) of a size as the file has it."""
    if isinstance(size, dict) and "shortest_edge" in size:
        return (size["shortest_edge"],) * 2, False
    if isinstance(size, dict):
        return (size["height"], size["width"]), True
    return ((size, size) if isinstance(size, int) else tuple(size)), True


def _part(cut, scaled):
    """The largest crop_pct with which Preprocessing scales to `scaled` and cuts to `cut`."""
    part = cut / scaled
    return part if math.floor(cut / part) == scaled else math.nextafter(part, 0)


def write_preprocessor(preprocessing):
    """The content of the file, or None: pictures keep their proportions there only if they become square."""
    Sy, Sx = preprocessing.size
    height, width = (math.floor(side / preprocessing.crop_pct) for side in (Sy, Sx))
    center = preprocessing.crop_mode == "center"
    if center and height != width:
        return None
    crop = center or (height, width) != (Sy, Sx)
    written = {
        # Three of their classes; in version 4, too, each can do what is asked of it here.
        "image_processor_type": f"{'Bit' if center else 'DeiT' if crop else 'ViT'}ImageProcessor",
        "do_resize": True, "do_rescale": True, "do_normalize": True, "do_center_crop": crop,
        "size": {"shortest_edge": height} if center else {"height": height, "width": width},
        "resample": {name: number for number, name in _FILTERS.items()}[preprocessing.interpolation],
        "rescale_factor": 1 / 255, "image_mean": list(preprocessing.mean), "image_std": list(preprocessing.std)}
    return written | ({"crop_size": {"height": Sy, "width": Sx}} if crop else {})
