"""Write pictures.npz: what timm and Hugging Face make of pictures before a model sees them.

Recreate it (some seconds) in the scratch environment that make_golden.py describes, with transformers==5.23.0:

    /tmp/golden/bin/python tests/golden/make_pictures.py

`picture/*` are uint8 (Sy, Sx, C), drawn from a seed. `cases` is a JSON list of {name, picture, settings}: `settings` is
what `Preprocessing.from_dict` takes, and the array of that name what timm's evaluation transform, or Hugging Face's
processor where the name begins with hf, makes of the picture, uint8 (Sy, Sx, C). `normalised` is the first of them as
it leaves timm, float32 (C, Sy, Sx). Two runs with the same versions write the same bytes.
"""
import json
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
import transformers
from PIL import Image, __version__ as pillow_version
from timm.data import create_transform

SEED = 22
PICTURES = {
    "landscape": (17, 27, 3), "portrait": (25, 13, 3), "small": (5, 7, 3), "grey": (30, 21, 1), "tall": (70, 7, 1),
    "wide": (3, 64, 1), "fits": (10, 12, 1),
}
TIMM = [
    ("landscape", dict(size=[10, 10], crop_pct=0.9)),
    ("landscape", dict(size=[8, 13], crop_pct=0.9)),
    ("portrait", dict(size=[10, 10], crop_pct=0.875)),
    ("small", dict(size=[10, 10], crop_pct=0.95)),
    *((picture, dict(size=size, crop_pct=crop_pct)) for picture in ("grey", "tall", "wide")
      for size in ([11, 11], [8, 15]) for crop_pct in (1.0, 0.9)),
    *(("grey", dict(size=size, crop_pct=0.9, interpolation=interpolation)) for size in ([10, 10], [13, 8])
      for interpolation in ("nearest", "bilinear", "lanczos")),
    *((picture, dict(size=[8, 15], crop_pct=crop_pct, crop_mode="squash")) for picture in ("grey", "wide")
      for crop_pct in (1.0, 0.875)),
    ("fits", dict(size=[10, 12], crop_pct=1.0)),
    ("fits", dict(size=[9, 9], crop_pct=1.0)),
]
HUGGING_FACE = [
    (transformers.ViTImageProcessorPil, dict(size=[9, 12], interpolation="bilinear", crop_mode="squash"), {}),
    (transformers.DeiTImageProcessorPil, dict(size=[7, 7], crop_pct=0.875, crop_mode="squash"),
     dict(crop_size={"height": 7, "width": 7})),
]


def main():
    rng = np.random.default_rng(SEED)
    pictures = {name: rng.integers(0, 256, shape, dtype=np.uint8) for name, shape in PICTURES.items()}
    arrays = {f"picture/{name}": pixels for name, pixels in pictures.items()}
    cases = []
    for picture, settings in TIMM:
        cases.append({"name": f"timm-{len(cases)}", "picture": picture, "settings": settings})
        options = {"interpolation": "bicubic", "normalize": False, **settings}
        transform = create_transform(options.pop("size"), **options)
        arrays[cases[-1]["name"]] = transform(image(pictures[picture])).permute(1, 2, 0).numpy()
    for processor, settings, options in HUGGING_FACE:
        cases.append({"name": f"hf-{len(cases)}", "picture": "landscape", "settings": settings})
        height, width = (int(side / settings.get("crop_pct", 1)) for side in settings["size"])
        process = processor(size={"height": height, "width": width}, do_rescale=False, do_normalize=False, **options)
        arrays[cases[-1]["name"]] = process(image(pictures["landscape"]))["pixel_values"][0].transpose(1, 2, 0)
    arrays["normalised"] = create_transform(
        input_size=(10, 10), crop_pct=0.9, interpolation="bicubic")(image(pictures["landscape"])).numpy()
    modules = (np, timm, torch, torchvision, transformers)
    versions = {"pillow": pillow_version, **{module.__name__: str(module.__version__) for module in modules}}
    provenance = {"call": "python tests/golden/make_pictures.py", "seed": SEED, "versions": versions}
    path = Path(__file__).parent / "pictures.npz"
    np.savez_compressed(path, provenance=json.dumps(provenance), cases=json.dumps(cases), **arrays)
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(arrays)} arrays")


def image(pixels):
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])


if __name__ == "__main__":
    main()
