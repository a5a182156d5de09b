"""Augmentation: shifts and rotations, against a slow loop and where the answer is known exactly."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivit.data import ShiftRotate, shift_rotate


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


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
    uniform = np.full((B, 3), 0.5, np.float32)
    np.testing.assert_array_equal(ShiftRotate()(images, uniform), images)
    anything = np.full((B, 3), 0.9, np.float32)
    np.testing.assert_array_equal(ShiftRotate(0, 0)(images, anything), images)


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


def test_each_image_moves_by_its_own_numbers():
    images = random_images(6, 9, 8, 1)
    uniform = np.random.default_rng(1).random((6, 3), dtype=np.float32)
    augment = ShiftRotate()
    alone = [augment(images[i:i + 1], uniform[i:i + 1]) for i in range(6)]
    np.testing.assert_array_equal(augment(images, uniform), np.concatenate(alone))


def test_augmentation_names_what_is_wrong():
    images, ok = random_images(2, 3, 3, 1), np.zeros(2)
    with pytest.raises(ValueError, match="uint8"):
        shift_rotate(images / 255, ok, ok, ok)
    with pytest.raises(ValueError, match=r"down must be 2 finite number\(s\)"):
        shift_rotate(images, np.zeros(3), ok, ok)
    with pytest.raises(ValueError, match="degrees must be 2 finite .*nan"):
        shift_rotate(images, ok, ok, np.array([0, math.nan]))
    with pytest.raises(ValueError, match=r"uniform must be .*\(2, 3\), not \(2, 4\)"):
        ShiftRotate()(images, np.zeros((2, 4)))
    for arguments, name in (((-1,), "max_shift"), ((1, math.inf), "max_degrees")):
        with pytest.raises(ValueError, match=f"{name} must be a finite number >= 0"):
            ShiftRotate(*arguments)
