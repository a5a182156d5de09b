"""MNIST: the digits that come with minivit, the idx format, and folders of its files."""
import gzip
import struct
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minivit.data import mean_std, mnist5k, mnist_folder, open_dataset, read_idx
from minivit.data.mnist import MNIST5K_MEAN, MNIST5K_STD

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx_bytes(array):
    code = {dtype: code for code, dtype in IDX_TYPES.items()}[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


# The digits in the package

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


# The idx format

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


# Folders

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
    assert (len(data.train), len(data.test), data.name) == (7, 4, str(tmp_path.resolve()))
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
    with pytest.raises(ValueError, match=r"^unknown data set 'minst5k': did you mean 'mnist5k'\?; and there"):
        open_dataset("minst5k")
    with pytest.raises(ValueError, match="^unknown data set 'zzz'; there are: cifar10, cifar10-jpeg, cifar100, fas"):
        open_dataset("zzz")
