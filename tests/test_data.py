"""Data in memory: splits and data sets, normalising, batches."""
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivit.data import DataSet, Loader, ShiftRotate, Split, mean_std, normalise


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def small_split(n=10, Sy=5, Sx=4, C=1):
    return Split(random_images(n, Sy, Sx, C), np.arange(n) % 3)


def test_importing_loads_numpy_and_the_standard_library_only():
    code = ("import sys; before = set(sys.modules); import minivit.data; "
            "print(*{name.split('.')[0] for name in set(sys.modules) - before})")
    printed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    foreign = set(printed.split()) - set(sys.stdlib_module_names) - {"numpy", "minivit"}
    assert not {name for name in foreign if not name.startswith("_")}


# Split and DataSet

@pytest.mark.parametrize("images, labels, message", [
    (np.zeros((2, 3, 3, 1)), np.zeros(2, int), r"uint8 .* not float64 of shape \(2, 3, 3, 1\)"),
    (random_images(2, 3, 3), np.zeros(2, int), r"\(n, Sy, Sx, C\), not .*images\[\.\.\., None\]"),
    ([[1]], np.zeros(2, int), "not a list"),
    (random_images(2, 0, 3, 1), np.zeros(2, int), "without pixels"),
    (random_images(2, 3, 3, 1), np.zeros(2, np.uint8), r"int64 .* not uint8 .*astype\(np.int64\)"),
    (random_images(2, 3, 3, 1), np.zeros((2, 1), int), r"shape \(n,\), not int64 .*\(2, 1\)"),
    (random_images(2, 3, 3, 1), [0, 1], "labels must be .* not a list"),
    (random_images(2, 3, 3, 1), np.zeros(3, int), "2 images but 3 labels"),
    (random_images(0, 3, 3, 1), np.zeros(0, int), "at least one image"),
    (random_images(2, 3, 3, 1), np.array([0, -1]), r"labels\[1\] is -1"),
])
def test_split_names_what_is_wrong(images, labels, message):
    with pytest.raises(ValueError, match=message):
        Split(images, labels)


@pytest.mark.parametrize("changes, message", [
    ({"train": None, "test": None}, "neither a train nor a test split"),
    ({"classes": ("a", "b")}, "2 classes, but its train split has the label 2"),
    ({"test": small_split(Sx=7)}, r"\(5, 4, 1\) .* test images \(5, 7, 1\)"),
    ({"mean": (0.5, 0.5)}, r"1 channel\(s\) need 1 number\(s\).*mean=\(0.5, 0.5\)"),
    ({"std": (0.0,)}, r"std above 0, not .*std=\(0.0,\)"),
    ({"mean": (math.nan,)}, "mean must be finite"),
])
def test_data_set_names_what_does_not_fit(changes, message):
    parts = {"name": "x", "classes": ("a", "b", "c"), "train": small_split(), "test": None,
             "mean": (0.5,), "std": (0.25,)}
    assert len(DataSet(**parts).train) == 10
    with pytest.raises(ValueError, match=message):
        DataSet(**(parts | changes))


@given(B=st.integers(1, 3), C=st.integers(1, 4), seed=st.integers(0, 99))
def test_normalise_is_its_formula(B, C, seed):
    images = random_images(B, 5, 4, C, seed=seed)
    mean, std = np.linspace(0.1, 0.6, C), np.linspace(0.2, 0.4, C)
    out = normalise(images, tuple(mean), tuple(std))
    assert out.dtype == np.float32 and out.flags.c_contiguous
    expected = ((images / 255 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(out, expected, atol=2e-6)


def test_normalise_names_what_is_wrong():
    with pytest.raises(ValueError, match="uint8"):
        normalise(np.zeros((1, 2, 2, 1), np.float32), (0.5,), (0.5,))
    with pytest.raises(ValueError, match=r"3 channel\(s\)"):
        normalise(random_images(1, 2, 2, 3), (0.5,), (0.5,))


@pytest.mark.parametrize("n", [1, 7, 1000, 2001])
def test_mean_std_is_that_of_the_floats(n):
    images = random_images(n, 3, 5, 2)
    images[..., 1] //= 3
    mean, std = mean_std(images)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (images / 255).std((0, 1, 2)), rtol=1e-12)


# Batches

def loader(**options):
    options = {"batch_size": 3, "augment": ShiftRotate(), "seed": 4} | options
    return Loader(small_split(), mean=(0.5,), std=(0.25,), **options)


def assert_same_batches(some, others):
    for one, other in zip(some, others, strict=True):
        for name in ("images", "labels", "index"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(batch_size=st.integers(1, 12), shuffle=st.booleans(), drop_last=st.booleans())
def test_an_epoch_has_every_image_once(batch_size, shuffle, drop_last):
    if drop_last and batch_size > 10:
        return
    load = loader(batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, augment=None)
    batches = list(load.epoch(0))
    assert len(batches) == len(load)
    index = np.concatenate([batch.index for batch in batches])
    assert index.dtype == np.int64 and len(set(index)) == len(index)
    assert len(index) == (10 // batch_size * batch_size if drop_last else 10)
    assert shuffle or (index == np.arange(len(index))).all()
    for batch in batches:
        assert batch.labels.dtype == np.int64 and len(batch) == len(batch.images)
        np.testing.assert_array_equal(batch.labels, load.split.labels[batch.index])
        expected = normalise(load.split.images[batch.index], load.mean, load.std)
        np.testing.assert_array_equal(batch.images, expected)


@given(first=st.integers(0, 4), number=st.integers(0, 1000))
def test_an_epoch_can_be_entered_in_the_middle(first, number):
    whole = list(loader().epoch(number))
    assert_same_batches(whole[first:], loader().epoch(number, first_batch=first))


def test_augmentation_does_not_depend_on_the_batch_size():
    def images(size):
        return np.concatenate([batch.images for batch in loader(batch_size=size).epoch(2)])
    np.testing.assert_array_equal(images(3), images(10))


def test_epochs_seeds_and_augmentation_differ():
    def first(number=0, **options):
        return next(loader(batch_size=10, **options).epoch(number))
    base = first()
    assert (first(number=1).index != base.index).any()
    assert (first(seed=5).index != base.index).any()
    assert (first(augment=None).images != base.images).any()
    ordered = [first(number, shuffle=False).images for number in (0, 1)]
    assert (ordered[0] != ordered[1]).any()


@pytest.mark.parametrize("options, message", [
    ({"batch_size": 0}, "batch_size must be an integer >= 1, not 0"),
    ({"batch_size": 2.0}, "batch_size must be an integer >= 1, not 2.0"),
    ({"seed": -1}, "seed must be an integer >= 0, not -1"),
    ({"batch_size": 11, "drop_last": True}, "no batch: batch_size is 11, the split has 10"),
    ({"augment": lambda images, draw: images}, "augment must be an Augmentation"),
])
def test_loader_names_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        loader(**options)


def test_loader_refuses_a_mean_of_other_channels_at_once():
    with pytest.raises(ValueError, match=r"1 channel\(s\)"):
        Loader(small_split(), 2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_loader_refuses_an_epoch_or_batch_that_does_not_exist():
    with pytest.raises(ValueError, match="number must be an integer >= 0, not -1"):
        loader().epoch(-1)
    with pytest.raises(ValueError, match="first_batch must be an integer from 0 to 4, not 5"):
        loader().epoch(0, first_batch=5)
