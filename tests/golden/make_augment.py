"""Write augment.npz: what timm, torchvision and Pillow make of images when they augment them.

Recreate it (some seconds) in the scratch environment that make_golden.py describes:

    /tmp/golden/bin/python tests/golden/make_augment.py

`image/*` are uint8 (Sy, Sx, C), drawn from a seed. The other arrays hold one result for each entry of a JSON list of
cases, whose name has `_cases` added. Where timm draws random numbers, it is handed ours: `windows` and `boxes` are
(top, left, height, width) for rows of `uniform`, and `mixed/*` comes from a NumPy generator of a given seed. Two runs
with the same versions write the same bytes.
"""
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import timm
import torch
import torchvision
from PIL import Image, ImageFilter, ImageOps, __version__ as pillow_version
from timm.data import auto_augment, mixup, random_erasing, transforms
from timm.data.distributed_sampler import RepeatAugSampler
from torchvision.transforms import functional as F

SEED = 23
SHAPES = {"colour": (22, 21, 3), "grey": (12, 9, 1), "wide": (7, 15, 3), "few": (4, 5, 3), "flat": (6, 6, 1),
          "many": (33, 32, 3)}
FILL = (124, 116, 104)
LEVELS = (0, 4.7, 9, 10, 15)
CONFIGS = ("rand-m9-mstd0.5-inc1", "rand-m9-mstd0.5", "rand-m7-n3-p0.7", "rand-mstd101-inc1", "rand-m15-mmax20",
           "rand-n1")
FACTORS = (0.0, 0.1, 0.37, 1.0, 1.63, 2.5)
TURNS = (-0.5, -0.21, 0.0, 0.1, 0.5)
SIZES = ((32, 32), (28, 28), (20, 48), (100, 9), (3, 2))


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    images = {name: picture(rng, *shape) for name, shape in SHAPES.items()}
    images["flat"][:] = 77
    arrays = {f"image/{name}": pixels for name, pixels in images.items()}
    for name, pixels in images.items():
        arrays.update(operations(name, pixels))
        if name != "many":
            arrays.update(tones(name, pixels))
    arrays.update(crops(rng, images))
    arrays.update(erasing(rng))
    arrays.update(mixing(rng))
    arrays["repeated"] = list(RepeatAugSampler(range(10), 1, 0, shuffle=False, num_repeats=3, selected_round=0))
    arrays["configs"] = json.dumps({config: settings(config) for config in CONFIGS})
    modules = (np, timm, torch, torchvision)
    versions = {"pillow": pillow_version, **{module.__name__: str(module.__version__) for module in modules}}
    provenance = {"call": "python tests/golden/make_augment.py", "seed": SEED, "versions": versions}
    path = Path(__file__).parent / "augment.npz"
    np.savez_compressed(path, provenance=json.dumps(provenance), **arrays)
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(arrays)} arrays")


def picture(rng, Sy, Sx, C):
    """Smooth colours with some noise, so that histograms have gaps and neighbours are alike: uint8 (Sy, Sx, C)."""
    y, x = np.meshgrid(np.linspace(0, 3, Sy), np.linspace(0, 2, Sx), indexing="ij")
    waves = [np.sin(a * y + b * x + c) for a, b, c in rng.uniform(-2, 2, (C, 3))]
    return np.clip(110 + 80 * np.stack(waves, -1) + rng.normal(0, 12, (Sy, Sx, C)), 0, 255).astype(np.uint8)


def image(pixels):
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])


def stacked(results):
    pixels = np.stack([np.asarray(result) for result in results])
    return pixels.reshape(*pixels.shape[:3], -1)


def operations(name, pixels):
    """Every operation at several levels, both signs, both meanings of a level, both filters."""
    cases, results = [], []
    for increasing, names in ((False, auto_augment._RAND_TRANSFORMS), (True, auto_augment._RAND_INCREASING_TRANSFORMS)):
        for operation in names:
            plain = operation.replace("Increasing", "").replace("Rel", "")
            for level in LEVELS:
                for sign in (1, -1):
                    for resample in ("bilinear", "bicubic"):
                        case = [plain, level, sign, increasing, resample]
                        if not wanted(name, operation, level, sign, increasing, resample):
                            continue
                        auto_augment._randomly_negate = lambda value, sign=sign: sign * value
                        hparams = {"img_mean": FILL if pixels.shape[2] == 3 else FILL[0],
                                   "magnitude_max": 20, "interpolation": Image.Resampling[resample.upper()]}
                        cases.append(case)
                        results.append(auto_augment.AugmentOp(operation, 1.0, level, hparams)(image(pixels)))
    return {f"operations/{name}": stacked(results), f"operations/{name}_cases": json.dumps(cases)}


def wanted(name, operation, level, sign, increasing, resample):
    """Only cases that can differ from others; of large images only some."""
    if name == "many":                  # pixels, enough for Equalize to count more than one for each value
        return (operation in ("AutoContrast", "Equalize")
                and (level, sign, increasing, resample) == (9, 1, False, "bilinear"))
    moves = operation.startswith(("Rotate", "Shear", "Translate"))
    blends = operation in ("ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing", "SharpnessIncreasing")
    levels = operation not in ("AutoContrast", "Equalize", "Invert")
    no_bits = operation == "Posterize" and level < 2.5 or operation == "PosterizeIncreasing" and level >= 10
    return (not no_bits                                         # Pillow 13 refuses what it did before: a black image
            and (moves or resample == "bilinear") and (moves or blends or sign == 1) and (levels or level == 9)
            and not (increasing and (moves or not levels)) and (name != "colour" or level in (4.7, 9))
            and (level <= 10 or name in ("grey", "few")))


def tones(name, pixels):
    """torchvision's changes of colour, and the three of DeiT III."""
    changes = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "colour": F.adjust_saturation}
    cases = [(change, factor, partial(function, image(pixels), factor)) for change, function in changes.items()
             for factor in FACTORS]
    cases += [("hue", turn, partial(F.adjust_hue, image(pixels), turn)) for turn in TURNS]
    cases += [("blur", radius, partial(image(pixels).filter, ImageFilter.GaussianBlur(radius)))
              for radius in (0.1, 0.8, 2.0)]
    cases += [("solarize", 128, partial(ImageOps.solarize, image(pixels)))]
    results = [call() for change, argument, call in cases]
    return {f"tones/{name}": stacked(results),
            f"tones/{name}_cases": json.dumps([[change, argument] for change, argument, call in cases])}


class Replayed:
    """Python's `random`, with the numbers of a row: of `tries` pairs for areas and proportions, then two for places."""

    def __init__(self, row):
        self.tries, self.places = iter(row[:-2]), iter(row[-2:])

    def uniform(self, low, high):
        return low + (high - low) * next(self.tries)

    def randint(self, low, high):
        return low + int(next(self.places) * (high - low + 1))

    def random(self):
        return 0.0


def crops(rng, images):
    """Windows of RandomResizedCrop, and images cut and scaled by them."""
    uniform = rng.random((24, 22), dtype=np.float32)
    cases = [[size, scale, ratio] for size in SIZES for scale, ratio in
             (((0.08, 1), (3 / 4, 4 / 3)), ((0.35, 1), (0.9, 1.2)), ((0.9, 1), (2, 3)))]
    windows = np.empty((len(cases), len(uniform), 4), int)
    for k, ((Sy, Sx), scale, ratio) in enumerate(cases):
        for row in range(len(uniform)):
            transforms.random = Replayed(uniform[row].astype(float))
            windows[k, row] = transforms.RandomResizedCropAndInterpolation.get_params(
                Image.new("L", (Sx, Sy)), scale, ratio)
    arrays = {"uniform": uniform, "windows": windows, "windows_cases": json.dumps(cases)}
    for name in ("colour", "grey"):
        for interpolation in ("bilinear", "bicubic"):
            crop = transforms.RandomResizedCropAndInterpolation((16, 16), interpolation=interpolation)
            results = []
            for row in range(3):
                transforms.random = Replayed(uniform[row].astype(float))
                results.append(crop(image(images[name])))
            arrays[f"cropped/{name}/{interpolation}"] = stacked(results)
    return arrays


class Recorded:
    """An image that only notes where it is written."""

    box = (0, 0, 0, 0)

    def __setitem__(self, where, value):
        _, rows, columns = where
        self.box = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start


def erasing(rng):
    """Boxes of RandomErasing."""
    uniform = rng.random((24, 22), dtype=np.float32)
    cases = [[size, area, aspect] for size in SIZES for area, aspect in (((0.02, 1 / 3), 0.3), ((0.3, 1), 0.1))]
    boxes = np.empty((len(cases), len(uniform), 4), int)
    for k, ((Sy, Sx), (low, high), aspect) in enumerate(cases):
        eraser = random_erasing.RandomErasing(1.0, low, high, aspect, device="cpu")
        for row in range(len(uniform)):
            random_erasing.random, target = Replayed(uniform[row].astype(float)), Recorded()
            eraser._erase(target, 1, Sy, Sx, torch.float32)
            boxes[k, row] = target.box
    return {"boxes_uniform": uniform, "boxes": boxes, "boxes_cases": json.dumps(cases)}


def mixing(rng):
    """Batches and targets mixed by timm's Mixup, with the numbers of a generator of our own."""
    images = rng.standard_normal((6, 2, 9, 7), dtype=np.float32)
    labels = rng.integers(0, 4, 6)
    cases = [{"mixup_alpha": 0.8}, {"cutmix_alpha": 1.0}, {"mixup_alpha": 0.8, "cutmix_alpha": 1.0},
             {"mixup_alpha": 0.2, "cutmix_alpha": 0.5, "prob": 0.5, "switch_prob": 0.3}]
    arrays = {"mixed/images": images, "mixed/labels": labels, "mixed_cases": json.dumps(cases)}
    plain = mixup.np
    for k, case in enumerate(cases):
        mixer = mixup.Mixup(**({"mixup_alpha": 0.0} | case), label_smoothing=0.1, num_classes=4)
        results = []
        for seed in range(8):
            drawn = np.random.default_rng(seed)
            mixup.np = SimpleNamespace(sqrt=plain.sqrt, clip=plain.clip, random=SimpleNamespace(
                rand=drawn.random, beta=drawn.beta, randint=lambda low, high, size: drawn.integers(low, high)))
            results.append(mixer(torch.from_numpy(images.copy()), torch.from_numpy(labels)))
        arrays[f"mixed/{k}/images"] = np.stack([mixed.numpy() for mixed, targets in results])
        arrays[f"mixed/{k}/targets"] = np.stack([targets.numpy() for mixed, targets in results])
    mixup.np = plain
    return arrays


def settings(config):
    """What timm reads in a config; it takes a deviation of 101 for infinity."""
    augment = auto_augment.rand_augment_transform(config, {})
    one = augment.ops[0]
    return {"m": one.magnitude, "mstd": min(one.magnitude_std, 101), "mmax": one.magnitude_max or 10,
            "p": one.prob, "n": augment.num_layers, "inc": any(op.name == "ColorIncreasing" for op in augment.ops),
            "names": [op.name for op in augment.ops]}


if __name__ == "__main__":
    main()
