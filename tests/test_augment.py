"""Augmentation: shifts and rotations against a slow loop, what every step keeps to, and the text."""
import math

import numpy as np
import pytest
from draws import Numbers, random_images
from hypothesis import given
from hypothesis import strategies as st

from minivit.cli import main
from minivit.data import Augmentation, DataSet, ShiftRotate, Split, shift_rotate
from minivit.data.augment import STEPS, Crop, Erase, Flip, Mix, RandAugment, ResizedCrop
from minivit.data.sheet import contact_sheet
from minivit.data.versions import augmented_examples
from minivit.streams import Draw


def shift_rotate_slowly(image, down, right, degrees):
    """One image, pixel by pixel, in plain Python: float (Sy, Sx, C), not rounded."""
    Sy, Sx, C = image.shape
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    out = np.zeros((Sy, Sx, C))
    for i in range(Sy):
        for j in range(Sx):
            y, x = i - (Sy - 1) / 2 - down, j - (Sx - 1) / 2 - right
            y, x = cos * y + sin * x + (Sy - 1) / 2, cos * x - sin * y + (Sx - 1) / 2
            top, left = math.floor(y), math.floor(x)
            for row, a in ((top, top + 1 - y), (top + 1, y - top)):
                for column, b in ((left, left + 1 - x), (left + 1, x - left)):
                    if 0 <= row < Sy and 0 <= column < Sx:
                        out[i, j] += a * b * image[row, column]
    return out


@given(Sy=st.integers(1, 6), Sx=st.integers(1, 6), C=st.integers(1, 3), seed=st.integers(0, 99),
       parameters=st.lists(st.tuples(*(st.floats(-9, 9, width=32),) * 2,
                                     st.floats(-400, 400, width=32)), min_size=1, max_size=3))
def test_shift_rotate_is_the_slow_loop(Sy, Sx, C, seed, parameters):
    images = random_images(len(parameters), Sy, Sx, C, seed=seed)
    out = shift_rotate(images, *np.array(parameters).T)
    assert out.dtype == np.uint8 and out.shape == images.shape
    for image, numbers, result in zip(images, parameters, out, strict=True):
        expected = shift_rotate_slowly(image, *numbers)
        np.testing.assert_allclose(result, expected, atol=0.51)     # rounding, and float32


@given(B=st.integers(0, 3), Sy=st.integers(1, 40), Sx=st.integers(1, 40), C=st.integers(1, 4))
def test_no_motion_returns_the_image_bit_for_bit(B, Sy, Sx, C):
    images = random_images(B, Sy, Sx, C)
    still = shift_rotate(images, np.zeros(B), np.zeros(B), np.zeros(B))
    np.testing.assert_array_equal(still, images)
    np.testing.assert_array_equal(ShiftRotate(0, 0)(images, Draw(0, 0, "any")), images)


@pytest.mark.parametrize("turns", [-1, 1, 2, 3])
@pytest.mark.parametrize("side", [5, 6])
def test_quarter_turns_are_exact_and_counter_clockwise(turns, side):
    images = random_images(2, side, side, 3)
    out = shift_rotate(images, np.zeros(2), np.zeros(2), np.full(2, 90.0 * turns))
    np.testing.assert_array_equal(out, np.rot90(images, turns, axes=(1, 2)))


def test_whole_shifts_move_down_and_right_and_fill_with_zero():
    images = random_images(1, 5, 7, 1)
    out = shift_rotate(images, np.array([2]), np.array([-3]), np.array([0]))
    expected = np.zeros_like(images)
    expected[:, 2:, :-3] = images[:, :-2, 3:]
    np.testing.assert_array_equal(out, expected)
    assert not shift_rotate(images, np.array([1e30]), np.array([0]), np.array([7])).any()


def test_random_motions_go_as_far_as_they_should():
    images = random_images(3, 9, 8, 1)
    expected = shift_rotate(images, np.array([-2, 0, 1]), np.array([1, 0, -2]), np.array([0, -30, 15]))
    draw = Numbers([[0, 0.75, 0.5], [0.5, 0.5, 0], [0.75, 0, 0.75]])
    np.testing.assert_array_equal(ShiftRotate(2, 30)(images, draw), expected)


def test_augmentation_names_what_is_wrong():
    images, ok = random_images(2, 3, 3, 1), np.zeros(2)
    with pytest.raises(ValueError, match="uint8"):
        shift_rotate(images / 255, ok, ok, ok)
    with pytest.raises(ValueError, match=r"down must be 2 finite number\(s\)"):
        shift_rotate(images, np.zeros(3), ok, ok)
    with pytest.raises(ValueError, match="degrees must be 2 finite .*nan"):
        shift_rotate(images, ok, ok, np.array([0, math.nan]))
    with pytest.raises(ValueError, match="max_shift must be a number from 0 to .* not -1"):
        ShiftRotate(-1)
    with pytest.raises(ValueError, match="max_degrees must be a number from 0 to 180, not inf"):
        ShiftRotate(1, math.inf)


# What every step keeps to

EVERY = ("crop:4", "crop:2:reflect", "flip", "resized_crop:0.2/1", "shift_rotate:3:20", "jitter:0.5:0.2",
         "randaugment:m9-mstd2-p1", "randaugment:m9-n3-mstd101-inc1-p1", "three_augment",
         "crop:1, flip, jitter:0.4/0.1/0, resized_crop:0.5/0.9")
every = pytest.mark.parametrize("text", EVERY)
ERASING = ("erase:0.7", "erase:1:rand:0.3/0.6", "erase:0.5:const")


@every
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (9, 17, 3), (5, 3, 1), (3, 3, 3)])
def test_steps_give_other_images_of_the_same_kind(text, shape):
    images = random_images(6, *shape)
    images.flags.writeable = False                      # so a change in place would raise
    augment = Augmentation.parse(text)
    out = augment(images, Draw(1, 2, "augment"))
    assert out.dtype == np.uint8 and out.shape == images.shape
    assert (out != images).any()
    np.testing.assert_array_equal(augment(images, Draw(1, 2, "augment")), out)
    assert any((augment(images, Draw(*place)) != out).any() for place in ((2, 2, "augment"), (1, 3, "augment")))


@every
def test_an_image_changes_alike_in_any_batch(text):
    images, augment = random_images(7, 8, 9, 3), Augmentation.parse(text)
    whole = augment(images, Draw(5, 6, "augment"))
    parts = [augment(images[cut], Draw(5, 6, "augment", first_image=cut.start))
             for cut in (slice(0, 1), slice(1, 5), slice(5, 7))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("text", ERASING)
def test_erasing_hides_the_same_in_any_batch(text):
    images, erase = np.ones((40, 2, 12, 9), np.float32), Augmentation.parse(text).erase
    images.flags.writeable = False
    whole = erase(images, Draw(5, 6, "augment"))
    assert whole.dtype == np.float32 and whole.shape == images.shape
    parts = [erase(images[cut], Draw(5, 6, "augment", first_image=cut.start)) for cut in (slice(0, 3), slice(3, 40))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert 0.3 < (whole != images).any(axis=(1, 2, 3)).mean() <= 1


@pytest.mark.parametrize("text", ["jitter", "randaugment:p1", "three_augment", "resized_crop"])
def test_steps_that_need_colours_say_so(text):
    with pytest.raises(ValueError, match="grey images .* or coloured ones .* not 2 channels"):
        Augmentation.parse(text)(random_images(20, 5, 5, 2), Draw(0, 0, "augment"))


# The text

def test_the_text_of_an_augmentation():
    text = "crop:4, flip, randaugment:m9-mstd0.5, erase:0.25, mixup:0.8, cutmix:1"
    augment = Augmentation.parse(text, mean=(0.485, 0.456, 0.406))
    assert augment == Augmentation(
        (Crop(4), Flip(), RandAugment("m9-mstd0.5", fill=(124, 116, 104))), Erase(0.25), Mix(0.8, 1.0))
    assert str(augment) == "crop, flip, randaugment:m9-mstd0.5:fill=124/116/104, erase, mixup:0.8, cutmix:1.0"
    assert Augmentation.parse("") == Augmentation() and str(Augmentation()) == ""
    assert Augmentation.parse(" erase : 0.5 ,flip,") == Augmentation((Flip(),), Erase(0.5))
    assert Augmentation.parse("resized_crop:ratio=1/1:scale=0.5/1").steps == (ResizedCrop((0.5, 1), ratio=(1, 1)),)
    assert Augmentation.parse("randaugment:m9:fill=7", (0.1,)).steps[0].fill == (7,)


@pytest.mark.parametrize("text", [*EVERY, *ERASING, "mixup:0.2, mix_prob:0.5", "cutmix:1, mixup:0.3, switch_prob:0.1",
                                  "resized_crop:0.1/0.9:size=24:bicubic", "flip:0.3, flip", "randaugment:m3:bilinear"])
def test_text_and_augmentation_are_one(text):
    augment = Augmentation.parse(text, mean=(0.13,))
    assert Augmentation.parse(str(augment), mean=(0.7,)) == augment         # whose fill is written down
    assert str(Augmentation.parse(str(augment))) == str(augment)


@pytest.mark.parametrize("text, message", [
    ("crop:4, flp", r"unknown augmentation 'flp': did you mean 'flip'\? \(in 'crop:4, flp'\)"),
    ("mixip:0.8", "did you mean 'mixup'"),
    ("xyz", "there are: crop, cutmix, erase, flip, jitter"),
    ("crop:4:zero:7", "has more values than crop has settings: border, mode"),
    ("crop:bordr=4", "unknown setting of crop 'bordr': did you mean 'border'"),
    ("crop:4:border=4", "gives border twice"),
    ("crop:x", "border must be a whole number from 0 to 65536, not 'x'"),
    ("crop:1.5", "border must be a whole number from 0 to 65536, not 1.5"),
    ("crop:4:mirror", "unknown mode of crop 'mirror'"),
    ("flip:1.5", "prob must be a number from 0 to 1, not 1.5"),
    ("flip:nan", "prob must be a number from 0 to 1, not nan"),
    ("resized_crop:0.5", "scale must be a pair of numbers, .* scale=0.1/0.5, not 0.5"),
    ("resized_crop:1/0.5", r"scale must be \(low, high\), not \(1, 0.5\)"),
    ("resized_crop:0.1/1:cubic", "unknown interpolation 'cubic': did you mean 'bicubic'"),
    ("jitter:0.1/0.2", "amount must be one number, or three"),
    ("jitter:0.1:0.7", "hue must be a number from 0 to 0.5, not 0.7"),
    ("randaugment:9", "parts like m9, mstd0.5 and inc1, joined by dashes; .9. in 9 is none"),
    ("randaugment:m9-std0.5", "unknown part of randaugment's config 'std': did you mean 'mstd'"),
    ("randaugment:m9-p2", "probability p of at most 1"),
    ("randaugment:n1.5", "n from 1 to 99 operations"),
    ("resized_crop:size=4.5", "size must be a whole number"),
    ("randaugment:m9:fill=300", "fill must be 1 or 3 integers from 0 to 255"),
    ("erase:0.2:noise", "unknown mode of erase 'noise'"),
    ("erase, erase", "erases once"),
    ("mixup", "mixup needs one number, as in mixup:0.8"),
    ("mixup:0", "alpha above 0"),
    ("switch_prob:0.5", "alpha above 0"),
    ("cutmix:1, mix_prob:3", "mix_prob must be a number from 0 to 1, not 3"),
])
def test_text_that_is_wrong_is_answered(text, message):
    with pytest.raises(ValueError, match=message):
        Augmentation.parse(text)


def test_every_step_is_in_the_table_by_its_name():
    assert all(step.name == name and str(step()) == name for name, step in STEPS.items())


def test_augmented_examples_show_images_and_what_becomes_of_them():
    split = Split(random_images(6, 8, 10, 3), np.array([2, 0, 0, 3, 2, 0]))
    data = DataSet("some", ("a", "b", "c", "d"), split, None, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
    rows = augmented_examples(split, data, Augmentation.parse("flip:1"), 5)
    assert [row.title for row in rows] == ["a", "c", "d"] and [len(row.pictures) for row in rows] == [6, 6, 6]
    for row, position in zip(rows, (1, 0, 3)):
        assert row.pictures[0].caption == str(position) and row.pictures[1].caption == ""
        np.testing.assert_array_equal(row.pictures[0].pixels, split.images[position])
        np.testing.assert_array_equal(row.pictures[3].pixels, split.images[position, :, ::-1])
    mixed = augmented_examples(split, data, Augmentation.parse("resized_crop:size=6, mixup:1"), 3, classes=2)
    assert {picture.pixels.shape for row in mixed for picture in row.pictures} == {(6, 6, 3)}
    assert mixed[0].pictures[1].caption.endswith(("% a", "% c"))
    assert contact_sheet(mixed).width > 0


def test_the_command_shows_an_augmentation(tmp_path):
    path = tmp_path / "sheet.png"
    assert main(["data", "show", "mnist5k", "--augment", "shift_rotate, cutmix:1", "-o", str(path)]) == 0
    assert path.stat().st_size > 1000
    assert main(["data", "show", "mnist5k", "--augment", "flp", "-o", str(path)]) == 2
