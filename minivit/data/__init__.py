"""Data: from files to batches of normalised images, with NumPy alone.

    data = open_dataset("mnist5k")
    loader = Loader(data.train, 128, data.mean, data.std, seed=0, augment=ShiftRotate())
    for batch in loader.epoch(0):
        batch.images, batch.labels              # float32 (B, C, Sy, Sx), int64 (B,)

A `DataSet` holds uint8 images as files have them, (n, Sy, Sx, C); a `Loader` shuffles, augments and
normalises them into float32, (B, C, Sy, Sx).

    how = Preprocessing((224, 224), crop_pct=0.9)               # what a trained model wants pictures to look like
    pixels = read_image("cat.jpg", how, channels=3)             # uint8 (Sy, Sx, C)
    images = normalise(pixels[None], how.mean, how.std)         # float32 (1, C, Sy, Sx)

Pillow is loaded only when pictures are read.
"""
from pathlib import Path

from minivit.data.augment import ShiftRotate, shift_rotate
from minivit.data.dataset import DataSet, Split, mean_std, normalise
from minivit.data.idx import read_idx
from minivit.data.imagenet import imagenet_classes
from minivit.data.images import ImageError, image_pixels, read_image
from minivit.data.loader import Batch, Loader
from minivit.data.mnist import mnist5k, mnist_folder
from minivit.data.preprocess import Preprocessing
from minivit.errors import unknown

__all__ = ["Batch", "DataSet", "ImageError", "Loader", "Preprocessing", "ShiftRotate", "Split", "image_pixels",
           "imagenet_classes", "mean_std", "mnist5k", "mnist_folder", "normalise", "open_dataset", "read_idx",
           "read_image", "shift_rotate"]

_BY_NAME = {"mnist5k": mnist5k}


def open_dataset(name_or_folder):
    """The data set of that name ("mnist5k"), or the one in that folder (see `mnist_folder`).

    A name goes before a folder of the same name, which is reached as "./mnist5k".
    Raises ValueError for an unknown name, FileNotFoundError for a folder without a data set.
    """
    if name_or_folder in _BY_NAME:
        return _BY_NAME[name_or_folder]()
    if Path(name_or_folder).is_dir():
        return mnist_folder(name_or_folder)
    raise ValueError(f"{unknown('data set', name_or_folder, _BY_NAME)}; a folder that holds MNIST's idx files works "
                     f"too")
