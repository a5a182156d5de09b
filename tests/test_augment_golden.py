"""Augmentation gives what timm, torchvision and Pillow give, bit for bit (golden/make_augment.py has the cases)."""
import json
from pathlib import Path

import numpy as np
import pytest
from draws import Numbers

from minivit.data import Loader, Split
from minivit.data.augment import tones
from minivit.data.augment.erasing import box
from minivit.data.augment.framing import ResizedCrop, window
from minivit.data.augment.mixing import Mix
from minivit.data.augment.operations import OPERATIONS, operate
from minivit.data.augment.pillow import filters
from minivit.data.augment.randaugment import settings

GOLDEN = np.load(Path(__file__).parent / "golden" / "augment.npz")
FILL = (124, 116, 104)
IMAGES = ["colour", "grey", "wide", "few", "flat"]


def cases(name):
    """The results and the cases that they belong to."""
    return zip(json.loads(str(GOLDEN[f"{name}_cases"])), GOLDEN[name], strict=True)


@pytest.mark.parametrize("name", [*IMAGES, "many"])
def test_operations_are_those_of_timm(name):
    x, seen = GOLDEN[f"image/{name}"], set()
    before = x.copy()
    for case, expected in cases(f"operations/{name}"):
        operation, level, sign, increasing, resample = case
        fill = FILL if x.shape[2] == 3 else FILL[:1]
        out = operate(operation, x[None], np.array([level]), np.array([sign]), increasing, fill, filters(resample))
        assert out.dtype == np.uint8
        np.testing.assert_array_equal(out[0], expected, str(case))
        seen.add(operation)
    assert seen == (set(OPERATIONS) if name in IMAGES else {"AutoContrast", "Equalize"}) and len(OPERATIONS) == 15
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", IMAGES)
def test_changes_of_colour_are_those_of_torchvision_and_pillow(name):
    for (change, argument), expected in cases(f"tones/{name}"):
        out = getattr(tones, change)(GOLDEN[f"image/{name}"][None], np.array([argument]))
        assert out.dtype == np.uint8
        np.testing.assert_array_equal(out[0], expected, f"{change} {argument}")


def test_no_bits_are_black():
    """Pillow 13 refuses 0 bits; before, it gave what the definition gives, and timm still asks for them."""
    x, one = GOLDEN["image/colour"][None], np.ones(1)
    assert not operate("Posterize", x, 10 * one, one, True, FILL, None).any()
    assert not operate("Posterize", x, 2.4 * one, one, False, FILL, None).any()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_treat_each_image_by_its_own_numbers(operation):
    names = ["colour", "wide"]
    for name in names:
        x = np.stack([GOLDEN[f"image/{name}"], 255 - GOLDEN[f"image/{name}"], GOLDEN[f"image/{name}"] // 3])
        levels, signs, kinds = np.array([3.0, 9, 7]), np.array([1, -1, -1]), filters("random") + filters("bicubic")
        together = operate(operation, x, levels, signs, True, FILL, kinds)
        alone = [operate(operation, x[k:k + 1], levels[k:k + 1], signs[k:k + 1], True, FILL, kinds[k:k + 1])
                 for k in range(3)]
        np.testing.assert_array_equal(together, np.concatenate(alone))


def test_windows_are_those_of_timm():
    for ((Sy, Sx), scale, ratio), expected in cases("windows"):
        np.testing.assert_array_equal(window(GOLDEN["uniform"], scale, ratio, Sy, Sx), expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("name", ["colour", "grey"])
def test_resized_crops_are_those_of_timm(name, interpolation):
    numbers = np.zeros((3, 23), np.float32)
    numbers[:, :-1] = GOLDEN["uniform"][:3]
    step = ResizedCrop(interpolation=interpolation, size=16)
    images, expected = np.stack([GOLDEN[f"image/{name}"]] * 3), GOLDEN[f"cropped/{name}/{interpolation}"]
    np.testing.assert_array_equal(step(images, Numbers(numbers)), expected)
    numbers[:, -1] = {"bilinear": 0.49, "bicubic": 0.5}[interpolation]
    np.testing.assert_array_equal(ResizedCrop(size=16)(images, Numbers(numbers)), expected)


def test_erased_boxes_are_those_of_timm():
    nothing = 0
    for ((Sy, Sx), area, aspect), expected in cases("boxes"):
        np.testing.assert_array_equal(box(GOLDEN["boxes_uniform"], area, aspect, Sy, Sx), expected)
        nothing += (expected[:, 2:].prod(axis=1) == 0).sum()
    assert nothing > 0                                  # ten tries without success are among the cases


def test_mixing_is_that_of_timm():
    images, labels = GOLDEN["mixed/images"], GOLDEN["mixed/labels"]
    before = images.copy()
    for k, case in enumerate(json.loads(str(GOLDEN["mixed_cases"]))):
        mix = Mix(case.get("mixup_alpha", 0.0), case.get("cutmix_alpha", 0.0), case.get("prob", 1.0),
                  case.get("switch_prob", 0.5))
        for seed, expected in enumerate(GOLDEN[f"mixed/{k}/images"]):
            mixed, targets = mix(images, labels, 4, np.random.default_rng(seed))
            assert mixed.dtype == targets.dtype == np.float32
            np.testing.assert_array_equal(mixed, expected)
            smoothed = targets * 0.9 + 0.1 / 4          # as cross_entropy does it, with label_smoothing 0.1
            np.testing.assert_allclose(smoothed, GOLDEN[f"mixed/{k}/targets"][seed], atol=1e-7)
    np.testing.assert_array_equal(images, before)


def test_configs_of_randaugment_are_read_as_timm_reads_them():
    for config, expected in json.loads(str(GOLDEN["configs"])).items():
        names = {name.replace("Increasing", "").replace("Rel", "") for name in expected.pop("names")}
        assert settings(config.removeprefix("rand-")) == expected, config
        assert names == set(OPERATIONS)


def test_repeated_augmentation_is_that_of_deit():
    split = Split(np.zeros((10, 2, 2, 1), np.uint8), np.arange(10))
    load = Loader(split, 3, (0.5,), (0.5,), shuffle=False, repeats=3)
    index = np.concatenate([batch.index for batch in load.epoch(0)])
    np.testing.assert_array_equal(index, GOLDEN["repeated"])
