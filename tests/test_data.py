"""Data: reading files, splitting, normalising, augmenting, batching."""
import gzip
import math
import struct
import subprocess
import sys
import zlib
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minivit.data import (DataSet, ImageError, Loader, ShiftRotate, Split, mean_std, mnist5k,
                          mnist_folder, normalise, open_dataset, read_idx, read_image,
                          shift_rotate)
from minivit.data.mnist import MNIST5K_MEAN, MNIST5K_STD

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def small_split(n=10, Sy=5, Sx=4, C=1):
    return Split(random_images(n, Sy, Sx, C), np.arange(n) % 3)


def idx_bytes(array):
    code = {dtype: code for code, dtype in IDX_TYPES.items()}[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


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


# MNIST

def test_mnist5k_is_balanced_fixed_and_disjoint():
    data = mnist5k()
    assert len(data.train) == 4000 and len(data.test) == 1000
    assert data.train.images.shape == (4000, 28, 28, 1) and data.classes[7] == "7"
    np.testing.assert_array_equal(data.train.labels, np.arange(4000) % 10)
    np.testing.assert_array_equal(data.test.labels, np.arange(1000) % 10)
    train, test = ({image.tobytes() for image in split.images} for split in (data.train, data.test))
    assert not train & test


def test_mnist5k_takes_the_last_hundred_of_each_digit_for_testing():
    with resources.files("minivit.data").joinpath("mnist5k.npz").open("rb") as file:
        images = np.load(file)["x"]
    data = mnist5k()
    for digit in (0, 4, 9):
        own = images[500 * digit:500 * (digit + 1), ..., None]
        np.testing.assert_array_equal(data.train.images[digit::10], own[:400])
        np.testing.assert_array_equal(data.test.images[digit::10], own[400:])


def test_mnist5k_constants_are_those_of_its_training_digits():
    mean, std = mean_std(mnist5k().train.images)
    assert (round(mean[0], 4), round(std[0], 4)) == (*MNIST5K_MEAN, *MNIST5K_STD)


@given(code=st.sampled_from(sorted(IDX_TYPES)), zipped=st.booleans(),
       shape=st.lists(st.integers(0, 4), min_size=1, max_size=4))
@settings(max_examples=50)
def test_read_idx_reads_what_was_written(tmp_path_factory, code, zipped, shape):
    array = (random_images(*shape) - 3.0).astype(IDX_TYPES[code])
    path = tmp_path_factory.mktemp("idx") / "named-as-anything"
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    read = read_idx(path)
    assert read.dtype == array.dtype and read.dtype.isnative and read.flags.writeable
    np.testing.assert_array_equal(read, array)


GOOD = idx_bytes(random_images(2, 3, 4))


@pytest.mark.parametrize("content, message", [
    (b"", "not an idx file: it begins with nothing"),
    (b"\x89PNG\r\n", "not an idx file: it begins with 89 50 4e 47"),
    (b"\0\0\x0a\1\0\0\0\0", "not an idx file: it begins with 00 00 0a 01"),
    (GOOD[:9], "truncated: expected 16 bytes of header for 3 dimensions, found 9"),
    (GOOD[:-5], r"truncated: expected 24 bytes .* uint8 of shape \(2, 3, 4\), found 19"),
    (GOOD + b"..", "has 2 trailing bytes: expected 24 bytes .* found 26"),
    (gzip.compress(GOOD)[:-9], "damaged gzip file .*fetch the file again"),
    (gzip.compress(GOOD)[:5], "damaged gzip file"),
    (gzip.compress(GOOD)[:12] + b"\xff" * 20, "damaged gzip file"),
])
def test_read_idx_names_the_damage(tmp_path, content, message):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"damaged.*{message}"):
        read_idx(path)


@given(position=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255), zipped=st.booleans())
def test_read_idx_reads_or_raises_value_error(tmp_path_factory, position, byte, zipped):
    content = bytearray(gzip.compress(GOOD) if zipped else GOOD)
    content[position % len(content)] = byte
    path = tmp_path_factory.mktemp("idx") / "mutated"
    path.write_bytes(content)
    try:
        read_idx(path)
    except ValueError:
        pass


def test_read_idx_names_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


def write_mnist(folder, images=7, labels=7, prefix="train", joint="-", zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"images{joint}idx3": random_images(images, 6, 5),
              f"labels{joint}idx1": (np.arange(labels) % 10).astype(np.uint8)}
    for name, array in arrays.items():
        content = gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array)
        (folder / f"{prefix}-{name}-ubyte{'.gz' if zipped else ''}").write_bytes(content)


@pytest.mark.parametrize("joint", ["-", "."])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", [".", "MNIST/raw"])
def test_mnist_folder_knows_the_usual_layouts(tmp_path, joint, zipped, below):
    write_mnist(tmp_path / below, prefix="train", joint=joint, zipped=zipped)
    write_mnist(tmp_path / below, 4, 4, prefix="t10k", joint=joint, zipped=not zipped)
    data = mnist_folder(str(tmp_path))
    assert (len(data.train), len(data.test), data.name) == (7, 4, tmp_path.name)
    np.testing.assert_array_equal(data.train.images[..., 0], random_images(7, 6, 5))
    assert (data.mean, data.std) == mean_std(data.train.images)


def test_mnist_folder_with_the_test_files_only(tmp_path):
    write_mnist(tmp_path, prefix="t10k")
    data = mnist_folder(tmp_path)
    assert data.train is None and len(data.test) == 7
    assert data.mean == mean_std(data.test.images)[0]


def test_mnist_folder_names_what_it_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no MNIST in .*MNIST/raw .*train-images-idx3-ubyte"
                                                r"\[\.gz\].*t10k-labels-idx1-ubyte"):
        mnist_folder(tmp_path)


@pytest.mark.parametrize("removed, message", [
    ("t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte is there, but t10k-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte is there, but t10k-images-idx3-ubyte")])
def test_mnist_folder_names_a_missing_partner(tmp_path, removed, message):
    write_mnist(tmp_path, prefix="train")
    write_mnist(tmp_path, prefix="t10k")
    (tmp_path / removed).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        mnist_folder(tmp_path)


def test_mnist_folder_names_files_that_do_not_fit(tmp_path):
    write_mnist(tmp_path, 7, 6)
    with pytest.raises(ValueError, match="has 7 images but .* has 6 labels"):
        mnist_folder(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((7, 6), np.int16)))
    with pytest.raises(ValueError, match=r"uint8 of 3 dimension\(s\), not int16 of shape \(7, 6\)"):
        mnist_folder(tmp_path)


def test_open_dataset_by_name_and_by_folder(tmp_path):
    assert open_dataset("mnist5k").name == "mnist5k"
    write_mnist(tmp_path)
    assert len(open_dataset(tmp_path).train) == len(open_dataset(str(tmp_path)).train) == 7


def test_open_dataset_suggests_the_nearest_name():
    with pytest.raises(ValueError, match="no data set 'minst5k': did you mean 'mnist5k'.*idx file"):
        open_dataset("minst5k")
    with pytest.raises(ValueError, match="no data set 'zzz': Known names: mnist5k;"):
        open_dataset("zzz")


# Augmentation

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
    ({"augment": lambda images, uniform: images}, "augment must have an attribute `numbers`"),
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


# Image files

def saved(folder, image, name="image.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def test_read_image_keeps_the_pixels_of_an_image_that_fits(tmp_path):
    pixels = random_images(6, 4, 3)
    path = saved(tmp_path, Image.fromarray(pixels))
    np.testing.assert_array_equal(read_image(path, (6, 4), 3), pixels)
    digit = mnist5k().test.images[3]
    path = saved(tmp_path, Image.fromarray(digit[..., 0]))
    np.testing.assert_array_equal(read_image(str(path), (28, 28), 1), digit)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_read_image_reads_the_three_formats(tmp_path, suffix, channels):
    path = saved(tmp_path, Image.new("RGB", (50, 40), (200, 100, 50)), f"image.{suffix}")
    out = read_image(path, (10, 12), channels)
    assert out.shape == (10, 12, channels) and out.dtype == np.uint8
    grey = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    np.testing.assert_allclose(out, np.broadcast_to([200, 100, 50] if channels == 3 else grey,
                                                    out.shape), atol=4)


@pytest.mark.parametrize("width, height", [(30, 10), (10, 30)])
def test_read_image_cuts_to_the_centre(tmp_path, width, height):
    pixels = np.zeros((height, width), np.uint8)
    middle_y, middle_x = (height - 10) // 2, (width - 10) // 2
    pixels[middle_y:middle_y + 10, middle_x:middle_x + 10] = 255
    path = saved(tmp_path, Image.fromarray(pixels))
    assert (read_image(path, (10, 10), 1) == 255).all()
    assert (read_image(path, (5, 5), 1) > 230).all()


def test_read_image_smooths_where_it_shrinks(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    out = read_image(saved(tmp_path, Image.fromarray(stripes)), (8, 8), 1)
    np.testing.assert_allclose(out[1:-1, 1:-1], 127.5, atol=12)


def test_read_image_turns_upright(tmp_path):
    pixels = random_images(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6                    # turn a quarter clockwise to see it upright
    path = saved(tmp_path, Image.fromarray(pixels), exif=exif)
    np.testing.assert_array_equal(read_image(path, (6, 4), 3), np.rot90(pixels, -1))


def test_read_image_puts_transparent_parts_on_black(tmp_path):
    pixels = np.full((2, 2, 4), 255, np.uint8)
    pixels[..., 3] = [[255, 0], [128, 0]]
    path = saved(tmp_path, Image.fromarray(pixels))
    for channels in (1, 3):
        out = read_image(path, (2, 2), channels)
        np.testing.assert_array_equal(out[..., 0], [[255, 0], [128, 0]])
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([250, 0, 0, 0, 240, 0])
    path = saved(tmp_path, palette, transparency=1)
    np.testing.assert_array_equal(read_image(path, (1, 2), 3), [[[250, 0, 0], [0, 0, 0]]])


def test_read_image_brings_16_bits_to_8(tmp_path):
    deep = np.array([[0, 257, 128 * 257 + 200, 65535]], np.uint16)
    path = saved(tmp_path, Image.fromarray(deep))
    np.testing.assert_array_equal(read_image(path, (1, 4), 1)[..., 0], [[0, 1, 129, 255]])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_read_image_takes_every_mode_of_png(tmp_path, mode):
    path = saved(tmp_path, Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode))
    for channels in (1, 3):
        assert (read_image(path, (4, 4), channels) == 255).all()


def test_read_image_takes_cmyk(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "image.jpg")
    np.testing.assert_allclose(read_image(path, (4, 4), 3)[0, 0], [255, 0, 0], atol=4)
    np.testing.assert_allclose(read_image(path, (4, 4), 1)[0, 0], [76], atol=4)


@pytest.mark.parametrize("width, height", [(1, 2_000_000), (2_000_000, 1)])
def test_read_image_takes_any_proportions(tmp_path, width, height):
    path = saved(tmp_path, Image.new("1", (width, height), 1))
    assert (read_image(path, (3, 70), 1) == 255).all()


def png_header(width, height):
    """A PNG that promises width x height pixels and holds none of them."""
    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("width, height", [(4001, 4000), (10_000, 10_000), (100_000, 100_000)])
def test_read_image_refuses_large_images_before_decoding(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(width, height))
    with pytest.raises(ImageError, match="bomb.png has more than 16000000 pixels"):
        read_image(path, (28, 28), 1)


def test_read_image_names_what_is_wrong(tmp_path):
    path = saved(tmp_path, Image.fromarray(random_images(40, 40, 3)))
    with pytest.raises(FileNotFoundError, match="nowhere.png"):
        read_image(tmp_path / "nowhere.png", (4, 4), 1)
    with pytest.raises(ValueError, match=r"channels must be 1 \(grey\) or 3 \(colour\), not 4"):
        read_image(path, (4, 4), 4)
    for size in (28, (0, 4), (4, 4, 3), (4.0, 4.0)):
        with pytest.raises(ValueError, match="size must be two integers >= 1"):
            read_image(path, size, 1)
    gif = saved(tmp_path, Image.new("L", (4, 4)), "image.gif")
    for unfit in (gif, __file__):
        with pytest.raises(ImageError, match="not an image that minivit reads: .*JPEG, PNG or W"):
            read_image(unfit, (4, 4), 1)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match="image.png is damaged: it cannot be decoded"):
        read_image(path, (4, 4), 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_mutated_file_is_decoded_or_refused(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(random_images(16, 16, 3))
    good = saved(tmp_path, image, f"image.{suffix}", exif=exif).read_bytes()
    generator = np.random.default_rng(0)
    path = tmp_path / "mutated"
    for _ in range(100):
        content = bytearray(good)
        for _ in range(generator.integers(1, 6)):
            content[generator.integers(len(content))] = generator.integers(256)
        path.write_bytes(content[:generator.integers(1, len(content) + 1)]
                         if generator.random() < 0.3 else content)
        try:
            assert read_image(path, (8, 8), 3).shape == (8, 8, 3)
        except ImageError:
            pass
