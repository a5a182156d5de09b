"""Augmentation at random: frequencies, ranges and places, and what a step does with numbers that are given."""
import math
from itertools import permutations

import numpy as np
from draws import Numbers, random_images

from minivit.data.augment import Crop, Erase, Flip, Jitter, Mix, RandAugment, ThreeAugment, tones
from minivit.data.augment.erasing import box
from minivit.data.augment.framing import window
from minivit.data.augment.mixing import cut
from minivit.data.augment.operations import OPERATIONS, operate
from minivit.data.augment.pillow import filters
from minivit.streams import Draw

MANY = 4000             # images; bounds are some five standard deviations wide


def shares(values, count):
    """How often each of 0 ... count - 1 comes, of all."""
    return np.bincount(np.asarray(values).ravel(), minlength=count) / np.size(values)


def test_flips_are_as_frequent_as_they_should_be():
    images = np.zeros((MANY, 1, 2, 1), np.uint8)
    images[:, :, 1] = 1
    for prob in (0, 0.5, 0.9, 1):
        flipped = Flip(prob)(images, Draw(0, 0, "flip"))[:, 0, 0, 0]
        assert abs(flipped.mean() - prob) < 5 * math.sqrt(prob * (1 - prob) / MANY) + 1e-9


def test_crops_are_at_all_places_alike_and_no_others():
    image = np.arange(1, 26, dtype=np.uint8).reshape(5, 5, 1)
    out = Crop(1)(np.stack([image] * MANY), Draw(0, 0, "crop"))
    bordered = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    expected = [bordered[top:top + 5, left:left + 5] for top in range(3) for left in range(3)]
    which = [next(k for k, window in enumerate(expected) if (window == one).all()) for one in out]
    assert np.abs(shares(which, 9) - 1 / 9).max() < 5 * math.sqrt(1 / 9 / MANY)
    mirrored = Crop(2, "reflect")(np.stack([image] * 60), Draw(0, 0, "crop"))
    assert (mirrored > 0).all() and len({one.tobytes() for one in mirrored}) > 15


def test_windows_have_the_areas_and_proportions_asked_for():
    uniform = np.random.default_rng(0).random((MANY, 22))
    top, left, height, width = window(uniform, (0.2, 0.6), (0.5, 2), 200, 200).T
    assert (top >= 0).all() and (left >= 0).all() and (top + height <= 200).all() and (left + width <= 200).all()
    area, ratio = height * width / 200 ** 2, np.log2(width / height)
    assert 0.19 < area.min() < 0.21 and 0.59 < area.max() < 0.61 and abs(area.mean() - 0.4) < 0.02
    assert -1.05 < ratio.min() < -0.95 and abs(ratio.mean()) < 0.05
    middle = np.abs(top + height / 2 - 100) < 10        # windows lie anywhere, not only around the centre
    assert 0.05 < middle.mean() < 0.4


def test_boxes_have_the_areas_asked_for():
    uniform = np.random.default_rng(0).random((MANY, 22))
    top, left, height, width = box(uniform, (0.02, 1 / 3), 0.3, 100, 100).T
    assert (top + height <= 100).all() and (left + width <= 100).all()
    area = height * width / 100 ** 2
    assert 0.015 < area.min() < 0.025 and 0.32 < area.max() < 0.34 and abs(area.mean() - 0.1767) < 0.01


def test_erased_pixels_are_noise_one_colour_or_the_mean():
    images, draw = np.full((400, 3, 16, 16), 9, np.float32), Draw(0, 0, "augment")
    noise = Erase(1)(images, draw)
    noise = noise[noise != 9]
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02 and len(np.unique(noise)) > 0.9 * len(noise)
    one = Erase(1, "rand")(images, draw)
    assert all(len(np.unique(channel[channel != 9])) <= 1 for channel in one.reshape(-1, 256))
    assert abs(one[one != 9].std() - 1) < 0.15
    assert set(np.unique(Erase(1, "const")(images, draw))) == {0, 9}
    some = (Erase(0.3, "const")(images, draw) == 0).any(axis=(1, 2, 3)).mean()
    assert abs(some - 0.3) < 0.12


def test_jitter_multiplies_brightness_evenly():
    images = np.full((MANY, 1, 1, 1), 100, np.uint8)
    out = Jitter((0.5, 0.0, 0.0))(images, Draw(0, 0, "jitter")).ravel()
    assert out.min() >= 50 and out.max() <= 150 and abs(out.mean() - 99.5) < 2.5
    assert abs(out.std() - 100 / math.sqrt(12)) < 1.5


def test_jitter_takes_the_four_in_any_order():
    image, orders = random_images(1, 4, 5, 3), list(permutations(range(4)))
    numbers = np.array([[0.9, 0.8, 0.1, 0.7, (k + 0.5) / 24] for k in range(24)], np.float32)
    out = Jitter(0.5, 0.25)(image.repeat(24, axis=0), Numbers(numbers))
    factors = [0.5 + numbers[0, 0], 0.5 + numbers[0, 1], 0.5 + numbers[0, 2], numbers[0, 3] * 0.5 - 0.25]
    for order, one in zip(orders, out):
        expected = image
        for k in order:
            change = (tones.brightness, tones.contrast, tones.colour, tones.hue)[k]
            expected = change(expected, np.float64([factors[k]]))
        np.testing.assert_array_equal(one, expected[0])
    assert len({one.tobytes() for one in out}) > 12


def test_three_augment_does_the_three_alike():
    image = random_images(1, 6, 6, 3)
    grey = image.copy()
    out = ThreeAugment()(np.repeat(grey, 900, axis=0), Draw(0, 0, "three"))
    solarized = np.where(image[0] < 128, image[0], 255 - image[0])
    is_grey = (out == out[..., :1]).all(axis=(1, 2, 3))
    is_solar = (out == solarized).all(axis=(1, 2, 3))
    assert abs(is_grey.mean() - 1 / 3) < 0.08 and abs(is_solar.mean() - 1 / 3) < 0.08
    assert not (is_grey & is_solar).any()
    np.testing.assert_array_equal(ThreeAugment()(image, Numbers([[0.9, 0.5]])), tones.blur(image, [1.05]))


def test_randaugment_does_its_operations_one_after_the_other():
    images, numbers = random_images(40, 7, 6, 3), np.random.default_rng(0).random((40, 2, 6), np.float32)
    out, kinds = RandAugment("m6-n2-p0.8-inc1", fill=(1, 2, 3))(images, Numbers(numbers)), filters("random")
    for image, turns, changed in zip(images, numbers, out):
        expected = image[None]
        for done, which, _, _, sign, how in turns:
            if done < 0.8:
                expected = operate(OPERATIONS[int(15 * which)], expected, np.array([6.0]),
                                   np.array([1 if sign < 0.5 else -1]), True, (1, 2, 3), [kinds[int(2 * how)]])
        np.testing.assert_array_equal(changed, expected[0])


def test_randaugment_does_each_operation_with_its_probability(monkeypatch):
    done = []

    def operate(name, x, level, sign, increasing, fill, resample):
        done.extend((name, *each, increasing, fill, how.name) for *each, how in zip(level, sign, resample))
        return x

    monkeypatch.setattr("minivit.data.augment.randaugment.operate", operate)
    images = np.zeros((MANY, 1, 1, 1), np.uint8)
    RandAugment("m7-mstd1-n3-p0.4-inc1", fill=33)(images, Draw(0, 0, "augment"))
    names, levels, signs, increasing, fills, kinds = zip(*done)
    assert abs(len(done) / (3 * MANY) - 0.4) < 0.03
    frequency = np.array([names.count(name) for name in set(names)]) / len(done)
    assert len(frequency) == 15 and np.abs(frequency - 1 / 15).max() < 0.02
    assert abs(np.mean(levels) - 7) < 0.1 and 0.9 < np.std(levels) < 1.05 and max(levels) <= 10 and min(levels) >= 0
    assert abs(np.mean(signs)) < 0.08 and set(increasing) == {True} and set(fills) == {(33,)}
    both = np.mean([sign == 1 and name == "BICUBIC" for sign, name in zip(signs, kinds)])
    assert abs(kinds.count("BICUBIC") / len(done) - 0.5) < 0.05 and abs(both - 0.25) < 0.05
    done.clear()
    RandAugment("m8-mstd101-n1-p1", "bilinear")(images, Draw(0, 0, "augment"))
    names, levels, signs, increasing, fills, kinds = zip(*done)
    assert len(done) == MANY and set(kinds) == {"BILINEAR"} and set(increasing) == {False}
    assert min(levels) < 0.1 and 7.9 < max(levels) <= 8 and abs(np.mean(levels) - 4) < 0.2
    done.clear()
    RandAugment("m12-mmax20-n1-p1")(images[:50], Draw(0, 0, "augment"))
    assert {level for _, level, *_ in done} == {12.0}


def test_mixing_is_as_frequent_and_as_strong_as_it_should_be():
    images = np.zeros((4, 1, 16, 16), np.float32)
    images[2:] = 1
    labels = np.array([0, 0, 1, 1])
    kinds, lams = [], []
    for seed in range(2000):
        mixed, targets = Mix(0.8, 1.0, 0.8, 0.25)(images, labels, 2, np.random.default_rng(seed))
        lam = targets[0, 0]
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(mixed.mean(axis=(1, 2, 3)), targets[:, 1], atol=1e-6)    # of ones: the class 1
        values = np.unique(mixed[0])
        kinds.append("none" if lam == 1 else "cutmix" if set(values) <= {0, 1} else "mixup")
        lams.append(lam)
    share = {kind: kinds.count(kind) / len(kinds) for kind in ("none", "mixup", "cutmix")}
    assert abs(share["mixup"] - 0.6) < 0.06 and 0.15 < share["cutmix"] < 0.25 and share["none"] < 0.27
    mixup = [lam for kind, lam in zip(kinds, lams) if kind == "mixup"]
    assert abs(np.mean(mixup) - 0.5) < 0.05 and abs(np.var(mixup) - 1 / (4 * 2.6)) < 0.01      # of Beta(0.8, 0.8)


def test_cut_rectangles_have_their_size_unless_the_edge_cuts_them():
    whole, rng = 0, np.random.default_rng(0)
    for _ in range(500):
        rows, columns = cut(0.25, 20, 30, rng)
        assert 0 <= rows.start < rows.stop <= 20 and 0 <= columns.start < columns.stop <= 30
        assert rows.stop - rows.start <= 10 and columns.stop - columns.start <= 15
        whole += (rows.stop - rows.start, columns.stop - columns.start) == (10, 15)
    assert 80 < whole < 200                             # 0.55 * 0.53 of them
    rows, columns = cut(0.0, 20, 30, rng)
    assert (rows.stop - rows.start) * (columns.stop - columns.start) == 0


def test_a_batch_of_odd_size_mixes_its_middle_with_itself():
    images = np.random.default_rng(0).standard_normal((3, 1, 4, 4), dtype=np.float32)
    mixed, targets = Mix(1.0)(images, np.array([0, 1, 2]), 3, np.random.default_rng(1))
    np.testing.assert_allclose(mixed[1], images[1], atol=1e-6)
    np.testing.assert_allclose(targets[1], [0, 1, 0], atol=1e-6)
    assert 0 < targets[0, 2] < 1
